import { existsSync } from 'node:fs';
import { UnavailableError } from '../lib/errors.ts';
import type { Run } from '../system/run.ts';
import type { Live } from './live.ts';

const CHAIN = 'DOCKER-USER';

/**
 * Docker's chain for rules of others, of both families. By `iptables-save`, because `iptables -S DOCKER-USER` says the
 * same of a chain that is not there as of one that nft made and that it cannot read (iptables 1.8.9, nf_tables).
 *
 * @throws UnavailableError where iptables is not installed, or does not work.
 */
export async function readDockerUser(run: Run): Promise<NonNullable<Live['dockerUser']>> {
  const programs: readonly (readonly [4 | 6, string])[] = [
    [4, 'iptables-save'],
    // Without IPv6 in the kernel the program may fail.
    ...(existsSync('/proc/net/if_inet6') ? [[6, 'ip6tables-save'] as const] : []),
  ];
  const texts = await Promise.all(programs.map(([, program]) => save(run, program)));
  const found = new Map<4 | 6, readonly (readonly string[])[]>();
  for (const [index, [family]] of programs.entries()) {
    const rules = parseSaved(texts[index] ?? '');
    if (rules !== undefined) found.set(family, rules);
  }
  return found;
}

async function save(run: Run, program: string): Promise<string> {
  try {
    const { code, stdout, stderr } = await run([program, '-t', 'filter']);
    if (code === 0) return stdout;
    const said = stderr.trim() || `exit code ${code}`;
    throw new UnavailableError('iptables', `${program} -t filter: ${said}${reason}`);
  } catch (error) {
    if (!(error instanceof UnavailableError) || error.code !== 'missing-program') throw error;
    throw new UnavailableError(error.code, `${error.message}${reason}`, error.hint);
  }
}

const reason =
  "; the lab has rules in Docker's chain DOCKER-USER, or asks for them (firewall: integrate); nothing was changed";

/** The rules of the chain in what iptables-save(8) prints; undefined: there is no such chain. */
export function parseSaved(text: string): string[][] | undefined {
  const lines = text.split('\n');
  if (!lines.some((line) => line.startsWith(`:${CHAIN} `))) return undefined;
  const start = `-A ${CHAIN} `;
  return lines.flatMap((line) => (line.startsWith(start) ? [splitWords(line.slice(start.length))] : []));
}

/**
 * Words of iptables-save: a text that needs it is in quotes, with a backslash before quotes and backslashes
 * (xtables_save_string in libxtables). The names of interfaces never are.
 */
function splitWords(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"(?=\s|$)|(\S+)/g)].map(
    ([, quoted, plain]) => plain ?? (quoted ?? '').replaceAll(/\\(.)/g, '$1'),
  );
}
