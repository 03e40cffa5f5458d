import { describe, expect, test } from 'vitest';
import { planAddresses, prefixesOf } from '../../../src/generate/addresses.ts';
import { generate } from '../../../src/generate/generate.ts';
import { shapes as shapeTable } from '../../../src/generate/shapes.ts';
import { contains, parseCidr, parseIp } from '../../../src/lib/ip.ts';
import { loadText } from '../../../src/loader/load.ts';
import type { Topology } from '../../../src/topology/model.ts';

const shapes: [string, Record<string, number>, number, number][] = [
  // Shape, sizes, nodes, links.
  ['linear', { nodes: 2 }, 2, 1],
  ['linear', { nodes: 33 }, 33, 32],
  ['star', { nodes: 1 }, 2, 1],
  ['star', { nodes: 20 }, 21, 20],
  ['ring', { nodes: 3 }, 3, 3],
  ['ring', { nodes: 16 }, 16, 16],
  ['tree', { depth: 1, fanout: 1 }, 2, 1],
  ['tree', { depth: 3, fanout: 3 }, 40, 39],
  ['grid', { rows: 1, columns: 2 }, 2, 1],
  ['grid', { rows: 4, columns: 5 }, 20, 31],
  ['torus', { rows: 3, columns: 3 }, 9, 18],
  ['torus', { rows: 5, columns: 6 }, 30, 60],
  ['fat-tree', { k: 2 }, 7, 6],
  ['fat-tree', { k: 4 }, 36, 48],
  ['leaf-spine', { leaves: 1, spines: 1, hosts: 0 }, 2, 1],
  ['leaf-spine', { leaves: 4, spines: 3, hosts: 5 }, 27, 32],
  ['mesh', { nodes: 2 }, 2, 1],
  ['mesh', { nodes: 12 }, 12, 66],
];

async function topologyOf(
  shape: string,
  sizes: Record<string, number>,
  isSwitched = false,
): Promise<Topology> {
  const text = generate({ shape, sizes, isSwitched });
  const { topology, diagnostics } = await loadText('generated.yaml', text);
  expect(diagnostics).toEqual([]);
  if (topology === undefined) throw new Error('not valid');
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThan(130);
  return topology;
}

describe.each(shapes)('%s %j', (shape, sizes, nodes, links) => {
  test(`has ${nodes} nodes and ${links} links, every address once`, async () => {
    const { namespaces, interfaces } = await topologyOf(shape, sizes);
    expect(namespaces).toHaveLength(nodes);
    expect(interfaces.filter(({ kind }) => kind === 'veth')).toHaveLength(2 * links);
    const addresses = interfaces.flatMap((item) => item.addresses.map(({ address }) => address));
    expect(new Set(addresses).size).toBe(addresses.length);
    expect(addresses).toHaveLength(nodes + 2 * links);
  });

  test('leads from each node to each address of each other, over each way that a route has, in no circle', async () => {
    const walk = walker(await topologyOf(shape, sizes));
    const names = walk.names;
    for (const from of names)
      for (const to of names)
        for (const address of walk.addressesOf(to))
          expect(walk.hops(from, address)).toBeLessThan(names.length);
  });

  test('is the same each time', () => {
    expect(generate({ shape, sizes, isSwitched: false })).toBe(generate({ shape, sizes, isSwitched: false }));
  });
});

/** Sends packets by the routes of a topology alone: the longest prefix wins, as in the kernel. */
function walker({ namespaces, interfaces }: Topology) {
  const owners = new Map<string, string>();
  const own = new Map<string, string[]>();
  for (const { namespace, addresses } of interfaces) {
    for (const { address } of addresses) {
      owners.set(address, namespace);
      own.set(namespace, [...(own.get(namespace) ?? []), address]);
    }
  }
  const tables = new Map(
    namespaces.map(({ name, routes }) => {
      const connected = interfaces
        .filter(({ namespace }) => namespace === name)
        .flatMap((item) => item.addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`))
        .map((text) => ({ prefix: parseCidr(text), vias: [] as string[] }));
      const static_ = routes.map(({ to, nexthops }) => ({
        prefix: parseCidr(to === 'default' ? '0.0.0.0/0' : to),
        vias: nexthops.map(({ via }) => via ?? ''),
      }));
      const table = [...connected, ...static_].sort(
        (a, b) => (b.prefix?.prefixLength ?? 0) - (a.prefix?.prefixLength ?? 0),
      );
      return [name, table] as const;
    }),
  );
  // The longest way from a node to an address; 'open' while it is being walked.
  const known = new Map<string, number | 'open'>();
  const hops = (from: string, address: string): number => {
    if (owners.get(address) === from) return 0;
    const id = `${from} ${address}`;
    const found = known.get(id);
    if (found === 'open') throw new Error(`packets to ${address} go in a circle at ${from}`);
    if (found !== undefined) return found;
    known.set(id, 'open');
    const ip = parseIp(address);
    const route = tables.get(from)?.find(({ prefix }) => prefix && ip && contains(prefix, ip));
    if (route === undefined) throw new Error(`${from} has no route to ${address}`);
    const further = route.vias.map((via) => hops(owners.get(via) ?? via, address));
    const longest = 1 + Math.max(0, ...further);
    known.set(id, longest);
    return longest;
  };
  return {
    names: namespaces.map(({ name }) => name),
    addressesOf: (name: string) => own.get(name) ?? [],
    hops,
  };
}

test.each([
  ['linear', { nodes: 5 }, 5, 4],
  ['star', { nodes: 300 }, 1, 0],
  ['tree', { depth: 3, fanout: 2 }, 7, 6],
] as const)(
  'switched %s %j: all hosts in one subnet over one segment',
  async (shape, sizes, bridges, cables) => {
    const { interfaces } = await topologyOf(shape, sizes, true);
    expect(interfaces.filter(({ kind }) => kind === 'bridge')).toHaveLength(bridges);
    const between = interfaces.filter(
      ({ kind, namespace, name }) => kind === 'veth' && namespace === 'net' && /^s\d+-s/.test(name),
    );
    expect(between).toHaveLength(2 * cables);
    const addresses = interfaces.flatMap((item) => item.addresses.map(({ address }) => address));
    expect(new Set(addresses).size).toBe(addresses.length);
  },
);

test.each([
  ['torus', { rows: 64, columns: 64 }],
  ['star', { nodes: 4095 }],
  ['mesh', { nodes: 128 }],
  ['leaf-spine', { leaves: 60, spines: 60, hosts: 60 }],
])('%s %j, a largest one, has enough addresses', (shape, sizes) => {
  const graph = shapeTable[shape]?.build(sizes);
  if (graph === undefined) throw new Error(shape);
  const { loopbacks, links } = planAddresses(graph);
  const addresses = [...loopbacks, ...links.flat()];
  expect(new Set(addresses).size).toBe(addresses.length);
  for (const address of addresses) expect(parseIp(address)).toBeDefined();
});

test('a long row has few routes at each router', async () => {
  const { namespaces } = await topologyOf('linear', { nodes: 400 });
  expect(Math.max(...namespaces.map(({ routes }) => routes.length))).toBeLessThan(20);
}, 30_000);

test.each([
  ['circle', {}, false, "no shape 'circle'"],
  ['constructor', {}, false, "no shape 'constructor'"],
  ['ring', { depth: 2 }, false, 'ring has no --depth'],
  ['ring', { nodes: 2 }, false, '--nodes must be a whole number from 3 to 4096'],
  ['grid', { rows: 1, columns: 1 }, false, 'needs two nodes'],
  ['fat-tree', { k: 5 }, false, '--k must be even'],
  ['tree', { depth: 11, fanout: 4095 }, false, 'at most 4096'],
  ['torus', { rows: 100, columns: 100 }, false, '10000 nodes; at most 4096'],
  ['mesh', { nodes: 4 }, true, 'no switched form'],
  ['star', { nodes: 2000 }, true, 'at most 1023 ports'],
])('%s %j is refused', (shape, sizes, isSwitched, message) => {
  expect(() => generate({ shape, sizes, isSwitched })).toThrow(message);
});

test('a range of blocks becomes the prefixes that cover it and nothing else', () => {
  expect(prefixesOf(0, 0)).toEqual(['10.0.1.0/24']);
  expect(prefixesOf(1, 6)).toEqual(['10.0.2.0/23', '10.0.4.0/22']);
  expect(prefixesOf(254, 256)).toEqual(['10.0.255.0/24', '10.1.0.0/23']);
});
