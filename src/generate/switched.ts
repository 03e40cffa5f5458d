import { UsageError } from '../lib/errors.ts';

/** A bridge has at most so many ports (BR_MAX_PORTS in net/bridge/br_private.h, less one as numbers begin with 1). */
const MAX_PORTS = 1023;

/** The hosts of a switch, by their numbers, and the switches that it has a cable to. */
interface Switch {
  readonly hosts: { readonly first: number; readonly last: number } | undefined;
  readonly cables: number[];
}

/** The shapes that Mininet has, with its names: switches s1, s2 …, hosts h1, h2 … */
export const switchedShapes: Readonly<Record<string, (sizes: Readonly<Record<string, number>>) => Switch[]>> =
  {
    star: ({ nodes = 0 }) => [{ hosts: { first: 1, last: nodes }, cables: [] }],
    linear: ({ nodes = 0 }) =>
      Array.from({ length: nodes }, (_, index) => ({
        hosts: { first: index + 1, last: index + 1 },
        cables: index === 0 ? [] : [index - 1],
      })),
    tree: ({ depth = 0, fanout = 0 }) => {
      const switches: Switch[] = [];
      let hosts = 0;
      const grow = (level: number, above: number | undefined) => {
        const isLowest = level === depth;
        const own = { first: hosts + 1, last: hosts + fanout };
        if (isLowest) hosts += fanout;
        const index =
          switches.push({ hosts: isLowest ? own : undefined, cables: above === undefined ? [] : [above] }) -
          1;
        if (!isLowest) for (let i = 0; i < fanout; i += 1) grow(level + 1, index);
      };
      grow(1, undefined);
      return switches;
    },
  };

/** The topology file of a switched shape: one subnet over bridges in one namespace. */
export function switchedFile(
  switches: readonly Switch[],
  { name, command }: { name: string; command: string },
): string {
  const hosts = Math.max(...switches.map((each) => each.hosts?.last ?? 0));
  const ports = switches.map(
    ({ hosts: own, cables }) => cables.length + (own ? own.last - own.first + 1 : 0),
  );
  switches.forEach(({ cables }) => {
    for (const other of cables) ports[other] = (ports[other] ?? 0) + 1;
  });
  if (ports.some((count) => count > MAX_PORTS))
    throw new UsageError(`a bridge has at most ${MAX_PORTS} ports`);
  const address = (host: number | string) => (hosts < 256 ? `10.0.0.${host}` : split(host));
  const lines = [
    `# Made by: ${command}`,
    '# Every host is in the subnet 10.0.0.0/16; the switches are bridges of the namespace net.',
    `name: ${name}`,
    'namespaces:',
    '  net: {}',
    `  h${rangeText(1, hosts)}: {}`,
    'bridges:',
  ];
  const members = switches.map((): string[] => []);
  const cables = switches.flatMap((each, index) =>
    each.cables.map((other): [string, string] => {
      const [near, far] = [`s${index + 1}-s${other + 1}`, `s${other + 1}-s${index + 1}`];
      members[index]?.push(near);
      members[other]?.push(far);
      return [far, near];
    }),
  );
  switches.forEach(({ hosts: own }, index) => {
    lines.push(`  s${index + 1}:`, '    namespace: net');
    if (own !== undefined) {
      const isOne = own.first === own.last;
      lines.push(
        `    ports: { ${isOne ? `h${own.first}:eth0` : `"h${rangeText(own.first, own.last)}:eth0"`}: ${address(isOne ? own.first : '<n>')}/16 }`,
      );
    }
    if ((members[index] ?? []).length > 0) lines.push(`    members: [${(members[index] ?? []).join(', ')}]`);
  });
  if (cables.length > 0) lines.push('links:');
  for (const [far, near] of cables) lines.push(`  - [net:${far}, net:${near}]`);
  lines.push('checks:');
  const middle = Math.ceil(hosts / 2);
  const pairs = new Set([`1 ${hosts}`, `1 ${middle}`, `${middle} ${hosts}`]);
  for (const [from = 0, to = 0] of [...pairs].map((pair) => pair.split(' ').map(Number)))
    if (from !== to)
      lines.push(`  - { name: h${from} to h${to}, ping: { from: h${from}, to: ${address(to)} } }`);
  return `${lines.join('\n')}\n`;
}

function rangeText(first: number, last: number): string {
  return first === last ? String(first) : `[${first}-${last}]`;
}

function split(host: number | string): string {
  return typeof host === 'number' ? `10.0.${host >> 8}.${host & 255}` : '10.0.<n/256>.<n%256>';
}
