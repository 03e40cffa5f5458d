import { UnavailableError } from '../../lib/errors.ts';
import { type PortUseTexts, socketFiles } from '../../observe/port-use.ts';
import { enterablePath } from '../../system/netns.ts';
import { run } from '../../system/run.ts';

/** Separates the files; no file of /proc/net has it. */
const MARK = '\u001e';

/** Prints the files that it is given, each behind a mark with its name. A constant: nothing of a lab gets into it. */
const printFiles = `
for name do
  printf '\\036%s\\n' "$name"
  cat "/proc/self/net/$name" "/proc/sys/net/ipv4/$name" 2>/dev/null
done
printf '\\036nft\\n'
if command -v nft >/dev/null; then nft list ruleset; fi
`;

/** What holds ports in a namespace, by programs. */
export async function readPortUse(namespace: string): Promise<PortUseTexts> {
  const names = [
    ...socketFiles,
    'ip_tables_names',
    'ip6_tables_names',
    'ip_local_port_range',
    'ip_local_reserved_ports',
  ];
  const { stdout } = await run([...enter(namespace), 'sh', '-c', printFiles, 'sh', ...names]);
  const texts = new Map(
    stdout.split(MARK).map((part) => {
      const end = part.indexOf('\n');
      return [part.slice(0, end), part.slice(end + 1)] as const;
    }),
  );
  const text = (name: string) => texts.get(name) ?? '';
  const hasLegacy = ['ip_tables_names', 'ip6_tables_names'].some((name) => /^nat$/m.test(text(name)));
  return {
    sockets: new Map(socketFiles.map((name) => [name, text(name)])),
    ruleset: text('nft'),
    legacy: hasLegacy ? await legacyNat(namespace) : '',
    range: text('ip_local_port_range').trim(),
    reserved: text('ip_local_reserved_ports').trim(),
  };
}

/** The tables of the old iptables, which are no part of nftables; nothing where its programs are not installed. */
export async function legacyNat(namespace: string): Promise<string> {
  const parts: string[] = [];
  for (const program of ['iptables-legacy-save', 'ip6tables-legacy-save']) {
    try {
      const { stdout } = await run([...enter(namespace), program, '-t', 'nat']);
      parts.push(stdout);
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
    }
  }
  return parts.join('\n');
}

function enter(namespace: string): string[] {
  const netns = enterablePath(namespace);
  return netns === undefined ? [] : ['nsenter', `--net=${netns}`, '--'];
}
