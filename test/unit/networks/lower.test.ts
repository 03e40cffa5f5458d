import { describe, expect, test } from 'vitest';
import { loadText } from '../../../src/loader/load.ts';
import { longForm } from '../../../src/loader/long-form.ts';
import type { Topology } from '../../../src/topology/model.ts';

async function load(text: string): Promise<Topology> {
  const { topology, diagnostics } = await loadText('lab.yaml', text);
  expect(diagnostics).toEqual([]);
  if (topology === undefined) throw new Error('not valid');
  return topology;
}

interface Long {
  readonly namespaces: Readonly<
    Record<
      string,
      { routes?: { to: string; via: string }[]; nat?: object; forwarding?: unknown; aliases?: string[] }
    >
  >;
  readonly bridges: Readonly<Record<string, { addresses?: unknown; mtu?: number; ports?: Ports }>>;
  readonly links: readonly { readonly endpoints: Ports }[];
}
type Ports = Readonly<
  Record<string, { addresses?: unknown; macaddress?: string; mtu?: number; isolated?: boolean }>
>;

const long = async (text: string) => longForm(await load(text)) as Long;

describe('a network', () => {
  test('stands for what docker0.yaml says by hand', async () => {
    const network = await long(`name: lab
namespaces: [c1, c2]
networks:
  docker0:
    subnet: 172.17.0.0/16
    members: { c1: 172.17.0.2, c2: { addresses: 172.17.0.3, macaddress: from-ip } }
`);
    const byHand = await long(`name: lab
namespaces:
  host:
    forwarding: [ipv4]
    nat: { masquerade: [{ from: 172.17.0.0/16, out: "!docker0" }] }
  c1: { routes: { default: 172.17.0.1 } }
  c2: { routes: { default: 172.17.0.1 } }
bridges:
  docker0:
    addresses: [{ address: 172.17.0.1/16, exclusive: true }]
    ports:
      c1:eth0: 172.17.0.2/16
      c2:eth0: { addresses: 172.17.0.3/16, macaddress: "02:42:ac:11:00:03" }
`);
    expect(network).toEqual(byHand);
  });

  test('gives the addresses of the pool by name, and leaves out what is fixed', async () => {
    const addresses = async (more: string) => {
      const { bridges } = await long(`name: lab
namespaces: [web, db, h1, h2, x]
networks:
  lan: { subnet: 172.18.0.0/16, members: { web: , db: , h1: , h2: ${more} } }
`);
      return Object.fromEntries(
        Object.entries(bridges['lan']?.ports ?? {}).map(([end, port]) => [end, port.addresses]),
      );
    };
    const plain = await addresses('');
    expect(plain).toMatchInlineSnapshot(`
      {
        "db:eth0": [
          "172.18.249.132/16",
        ],
        "h1:eth0": [
          "172.18.164.32/16",
        ],
        "h2:eth0": [
          "172.18.164.33/16",
        ],
        "web:eth0": [
          "172.18.66.185/16",
        ],
      }
    `);
    const [web] = plain['web:eth0'] as string[];
    const moved = await addresses(`, x: ${web?.split('/')[0]}`);
    expect(moved['web:eth0']).not.toEqual([web]);
    expect({ ...moved, 'web:eth0': 0, 'x:eth0': 0 }).toEqual({ ...plain, 'web:eth0': 0, 'x:eth0': 0 });
  });

  test('a namespace in several has one default route, and interfaces in the order of priority', async () => {
    const { namespaces, bridges } = await long(`name: lab
namespaces: [m]
networks:
  a: { subnet: 10.1.0.0/24, members: { m: 10.1.0.9 } }
  b: { subnet: [10.2.0.0/24, "fd00:2::/64"], members: { m: { addresses: [10.2.0.9, "fd00:2::9"], priority: 5 } } }
  c: { subnet: 10.3.0.0/24, internal: true, members: { m: { addresses: 10.3.0.9, priority: 9, interface: inner } } }
`);
    expect(namespaces['m']?.routes?.map(({ to, via }) => `${to} ${via}`).sort()).toEqual([
      'default 10.2.0.1',
      'default fd00:2::1',
    ]);
    expect(Object.keys(bridges['a']?.ports ?? {})).toEqual(['m:eth1']);
    expect(Object.keys(bridges['b']?.ports ?? {})).toEqual(['m:eth0']);
    expect(Object.keys(bridges['c']?.ports ?? {})).toEqual(['m:inner']);
  });

  test('leaves alone what the file says itself', async () => {
    const { namespaces } = await long(`name: lab
namespaces:
  host: { forwarding: true, nat: { masquerade: [{ from: 10.9.0.0/24, out: eth0 }] } }
  m: { routes: { default: 10.1.0.2, 10.5.0.0/16: 10.1.0.3 } }
  n: { routes: [{ to: 10.5.0.0/16, via: 10.1.0.3 }] }
  eth: {}
networks:
  a: { subnet: 10.1.0.0/24, members: { m: 10.1.0.9, n: 10.1.0.10, eth: { interface: eth1, addresses: 10.1.0.11/24 } } }
links: [{ endpoints: { eth:eth0: 10.7.0.1/24, n:eth0: 10.7.0.2/24 } }]
`);
    expect(namespaces['host']?.forwarding).toBe(true);
    expect(namespaces['host']?.nat).toEqual({
      masquerade: [
        { from: '10.9.0.0/24', out: 'eth0' },
        { from: '10.1.0.0/24', out: '!a' },
      ],
    });
    expect(namespaces['m']?.routes?.map(({ via }) => via)).toEqual(['10.1.0.2', '10.1.0.3']);
    expect(namespaces['n']?.routes?.map(({ via }) => via)).toEqual(['10.1.0.3', '10.1.0.1']);
  });

  test('its gateway may be a member or another machine', async () => {
    const { namespaces, bridges } = await long(`name: lab
namespaces: [gw, m]
networks:
  a: { subnet: 10.1.0.0/24, gateway: 10.1.0.254, members: { gw: 10.1.0.254, m: 10.1.0.2 } }
  b: { subnet: 10.2.0.0/24, bridge-address: 10.2.0.7, gateway: 10.2.0.1, members: { m: { addresses: 10.2.0.2, priority: -1 } } }
`);
    expect(bridges['a']?.addresses).toBeUndefined();
    expect(namespaces['gw']?.routes).toBeUndefined();
    expect(namespaces['m']?.routes?.map(({ via }) => via)).toEqual(['10.1.0.254']);
    expect(bridges['b']?.addresses).toMatchObject([{ address: '10.2.0.7/24', exclusive: true }]);
  });

  test('a bridge under bridges is used as it stands', async () => {
    const { namespaces, bridges } = await long(`name: lab
namespaces: { r: {}, m: {}, n: {} }
bridges: { lan: { namespace: r, addresses: 10.1.0.7/24, ports: [n:eth0] } }
networks:
  a: { bridge: lan, subnet: 10.1.0.0/24, mtu: 1400, members: { m: 10.1.0.2 } }
`);
    expect(bridges['lan']?.addresses).toEqual(['10.1.0.7/24']);
    expect(bridges['lan']?.ports?.['m:eth0']?.mtu).toBe(1400);
    expect(Object.keys(bridges['lan']?.ports ?? {})).toEqual(['m:eth0', 'n:eth0']);
    expect(namespaces['m']?.routes?.map(({ via }) => via)).toEqual(['10.1.0.7']);
    expect(namespaces['r']?.nat).toEqual({ masquerade: [{ from: '10.1.0.0/24', out: '!lan' }] });
    expect(namespaces['host']).toBeUndefined();
  });

  test('published ports lead to the member, for each family that it has', async () => {
    const { namespaces } = await long(`name: lab
namespaces: [m]
networks:
  a:
    subnet: [10.1.0.0/24, "fd00:1::/64"]
    members: { m: { addresses: [10.1.0.2, "fd00:1::2"], publish: ["8080:80", "127.0.0.1:53:53/udp", "[::]:9000-9001:90-91"] } }
`);
    expect(namespaces['host']?.nat).toMatchObject({
      publish: [
        { port: 8080, to: '10.1.0.2', 'to-port': 80, protocol: 'tcp' },
        { port: 8080, to: 'fd00:1::2', 'to-port': 80, protocol: 'tcp' },
        { port: 53, to: '10.1.0.2', 'to-port': 53, protocol: 'udp', address: '127.0.0.1' },
        { port: '9000-9001', to: 'fd00:1::2', 'to-port': '90-91', protocol: 'tcp' },
      ],
    });
  });
});

test('ports of members that are chosen, and all that they expose', async () => {
  const { namespaces } = await long(`name: lab
namespaces: { m: { expose: [443] } }
networks:
  a:
    subnet: 10.1.0.0/24
    publish-address: 127.0.0.1
    members: { m: { addresses: 10.1.0.2, publish: [81, "0.0.0.0::82", "9000:83/udp"], expose: [80, "53/udp"], publish-all: true } }
`);
  const to = '10.1.0.2';
  const address = '127.0.0.1';
  expect(namespaces['host']?.nat).toHaveProperty('publish', [
    { port: 'auto', to, 'to-port': 81, protocol: 'tcp', address },
    { port: 'auto', to, 'to-port': 82, protocol: 'tcp' },
    { port: 9000, to, 'to-port': 83, protocol: 'udp', address },
    { port: 'auto', to, 'to-port': 443, protocol: 'tcp', address },
    { port: 'auto', to, 'to-port': 80, protocol: 'tcp', address },
    { port: 'auto', to, 'to-port': 53, protocol: 'udp', address },
  ]);
});

describe('pools', () => {
  test('each link has a subnet of its own, whatever the order of its ends', async () => {
    const text = (ends: string) => `name: lab
namespaces: [a, b, c]
pools: { p: { subnet: 10.255.0.0/16 }, q: { subnet: 10.254.0.0/16, prefix: 30 }, s: { subnet: "fd00::/48" } }
defaults: { pool: [p, s] }
links: [[${ends}], { endpoints: [a:eth1, c:eth0], pool: q }, { endpoints: [b:eth1, c:eth1], pool: none }]
`;
    const { links } = await long(text('a:eth0, b:eth0'));
    expect(
      links.map(({ endpoints }) => Object.values(endpoints).map((end) => end.addresses)),
    ).toMatchInlineSnapshot(`
      [
        [
          [
            "10.255.208.118/31",
            "fd00:0:0:683b::1/64",
          ],
          [
            "10.255.208.119/31",
            "fd00:0:0:683b::2/64",
          ],
        ],
        [
          [
            "10.254.60.189/30",
          ],
          [
            "10.254.60.190/30",
          ],
        ],
        [
          undefined,
          undefined,
        ],
      ]
    `);
    expect((await long(text('b:eth0, a:eth0'))).links).toEqual(links);
  });

  test('links with an address, and ports of bridges and bonds, take none', async () => {
    const { links } = await long(`name: lab
namespaces: { a: { interfaces: { bond0: { type: bond, members: [eth2] } } }, b: {} }
pools: { p: { subnet: 10.255.0.0/16 } }
defaults: { pool: p }
bridges: { br0: { namespace: a, members: [eth1] } }
links: [{ endpoints: { a:eth0: 10.0.0.1/24, b:eth0: } }, [a:eth1, b:eth1], [a:eth2, b:eth2]]
`);
    const addresses = links.flatMap(({ endpoints }) => Object.values(endpoints).map((end) => end.addresses));
    expect(addresses.filter((list) => list !== undefined)).toEqual([['10.0.0.1/24']]);
  });
});
