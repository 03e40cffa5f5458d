import { inNamespace } from '../check/agents.ts';
import type { Run } from '../system/run.ts';

/**
 * What a trace does not show: rules of iptables as it was before nftables. The kernel says which of its tables a namespace
 * has, and not whether they have rules.
 */
export async function noteLegacyTables(
  namespaces: readonly string[],
  { family, run }: { readonly family: 4 | 6; readonly run: Run },
): Promise<string[]> {
  const [file, tool] =
    family === 4
      ? ['/proc/net/ip_tables_names', 'iptables-legacy-save']
      : ['/proc/net/ip6_tables_names', 'ip6tables-legacy-save'];
  const notes: string[] = [];
  for (const namespace of new Set(namespaces)) {
    // Where the kernel has no such tables there is no such file.
    const { stdout } = await run(inNamespace(namespace, ['cat', file]));
    const tables = stdout.split('\n').filter((name) => name !== '');
    if (tables.length === 0) continue;
    const which = `${tables.length === 1 ? 'the table' : 'the tables'} ${tables.sort().join(', ')}`;
    notes.push(
      `${namespace} has ${which} of the older iptables, whose rules are not seen here and may drop it: ${tool} lists them`,
    );
  }
  return notes;
}
