import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The tables of names that iproute2 prints numbers by, with the names that it is built with (lib/rt_names.c). */
const builtIn = {
  rt_tables: { 0: 'unspec', 253: 'default', 254: 'main', 255: 'local' },
  rt_scopes: { 0: 'global', 200: 'site', 253: 'link', 254: 'host', 255: 'nowhere' },
  rt_dsfield: {},
  group: { 0: 'default' },
  rt_protos: {
    0: 'unspec',
    1: 'redirect',
    2: 'kernel',
    3: 'boot',
    4: 'static',
    8: 'gated',
    9: 'ra',
    10: 'mrt',
    11: 'zebra',
    12: 'bird',
    13: 'dnrouted',
    14: 'xorp',
    15: 'ntk',
    16: 'dhcp',
    18: 'keepalived',
    42: 'babel',
    186: 'bgp',
    187: 'isis',
    188: 'ospf',
    189: 'rip',
    192: 'eigrp',
  },
} as const satisfies Readonly<Record<string, Readonly<Record<number, string>>>>;

export type NameTable = keyof typeof builtIn;

/** The administrator's folder, and the one of packages since iproute2 6.5. */
const folders = ['/usr/share/iproute2', '/etc/iproute2'];

const tables = new Map<
  NameTable,
  { readonly names: Map<number, string>; readonly numbers: Map<string, number> }
>();

/** The name of a number, or the number as text, as `ip` prints it. */
export function nameOf(table: NameTable, number: number): string {
  return tableOf(table).names.get(number) ?? String(number);
}

/** A type of service, as `ip` prints it: a name of rt_dsfield, or the number as it is written there. */
export function tosName(tos: number): string {
  const name = nameOf('rt_dsfield', tos);
  return name === String(tos) ? `0x${tos.toString(16).padStart(2, '0')}` : name;
}

/** The number of a name or of a number's text, decimal or hexadecimal; undefined for neither. */
export function numberOf(table: NameTable, text: string): number | undefined {
  const known = tableOf(table).numbers.get(text);
  if (known !== undefined) return known;
  return /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : undefined;
}

let protocols: Map<string, number> | undefined;

/** The number of a protocol that `ip` prints by a name of /etc/protocols (protocols(5): name, number, aliases). */
export function protocolInEtc(name: string): number | undefined {
  protocols ??= new Map(
    (readText('/etc/protocols') ?? '').split('\n').flatMap((line): [string, number][] => {
      const [, known, number, aliases = ''] = /^([^\s#]+)\s+(\d+)([^#]*)/.exec(line) ?? [];
      if (known === undefined) return [];
      return [known, ...aliases.split(/\s+/)].map((word) => [word, Number(number)]);
    }),
  );
  return protocols.get(name);
}

function tableOf(table: NameTable) {
  const found = tables.get(table);
  if (found !== undefined) return found;
  const names = new Map(
    Object.entries(builtIn[table]).map(([number, name]) => [Number(number), String(name)]),
  );
  for (const text of filesOf(table)) {
    for (const line of text.split('\n')) {
      const [, number, name] = /^\s*(0x[0-9a-f]+|\d+)\s+([^\s#]+)/i.exec(line) ?? [];
      if (number !== undefined && name !== undefined) names.set(Number(number), name);
    }
  }
  const made = { names, numbers: new Map([...names].map(([number, name]) => [name, number])) };
  tables.set(table, made);
  return made;
}

function filesOf(table: NameTable): string[] {
  return folders.flatMap((folder) => {
    const own = join(folder, table);
    return [own, ...listFolder(`${own}.d`)].flatMap((path) => readText(path) ?? []);
  });
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.conf'))
      .sort()
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
