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
    Record<string, { routes?: { to: string; via: string }[]; nat?: object; forwarding?: unknown }>
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
    firewall:
      forward:
        rules:
          - { in: "!docker0", out: docker0, state: [established, related], action: accept, comment: "network docker0: answers" }
          - { in: "!docker0", out: docker0, published: true, action: accept, comment: "network docker0: published ports" }
          - { in: "!docker0", out: docker0, action: drop, comment: "network docker0: nothing else" }
  c1: { hosts: {}, routes: { default: 172.17.0.1 } }
  c2: { hosts: {}, routes: { default: 172.17.0.1 } }
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

  test('leaves out what a DHCP server of the bridge gives out', async () => {
    const { bridges } = await long(`name: lab
namespaces: [web, db]
bridges: { lan: { addresses: 10.60.0.1/24, dhcp: { range: 10.60.0.2-10.60.0.251 } } }
networks: { lan: { bridge: lan, subnet: 10.60.0.0/24, members: [web, db] } }
`);
    const addresses = Object.values(bridges['lan']?.ports ?? {}).flatMap((port) => port.addresses);
    expect(addresses).toHaveLength(2);
    for (const address of addresses) expect(address).toMatch(/^10\.60\.0\.25[234]\/24$/);
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

describe('what keeps members apart', () => {
  interface Rule {
    readonly in?: string | string[];
    readonly out?: string | string[];
    readonly action: string;
  }
  interface Filter {
    readonly forward?: { readonly rules: readonly Rule[] };
    readonly bridge?: { readonly forward: { readonly rules: readonly Rule[] } };
  }
  const rules = async (networks: string, more = '') => {
    const { namespaces, bridges } = await long(`name: lab
namespaces: { m: {}, n: {}, r: {}${more} }
networks:
${networks}`);
    const filters = namespaces as Readonly<Record<string, { readonly firewall?: Filter }>>;
    return { filters, bridges };
  };
  /** In few words: `in>out action`, and what else is in the rule. */
  const short = (list: readonly Rule[] | undefined) =>
    list?.map(({ in: from = '', out = '', action, ...rest }) => {
      const { comment: _comment, ...match } = rest as Record<string, unknown>;
      const more = Object.entries(match).map(([key, value]) => ` ${key}=${[value].flat().join(',')}`);
      return `${[from].flat().join(',')}>${[out].flat().join(',')}${more.join('')} ${action}`;
    });

  test('internal networks come before all others, and rules of the file before those', async () => {
    const { filters } = await rules(
      `  a: { subnet: 10.1.0.0/24, members: [m] }
  b: { subnet: 10.2.0.0/24, members: [n], internal: true }
`,
      ', host: { firewall: { forward: { rules: [{ in: a, out: b, action: accept }] } } }',
    );
    expect(short(filters['host']?.firewall?.forward?.rules)).toEqual([
      'a>b accept',
      'b>!b drop',
      '!b>b drop',
      '!a>a state=established,related accept',
      '!a>a published=true accept',
      '!a>a drop',
    ]);
  });

  test('a routed network is open, and one without a router has no rules', async () => {
    const { filters } = await rules(`  a: { subnet: 10.1.0.0/24, members: [m], masquerade: false }
  b: { subnet: 10.2.0.0/24, members: [n], bridge-address: none }
  c: { subnet: 10.3.0.0/24, namespace: r, internal: true, members: [n] }
`);
    expect(filters['host']?.firewall).toBeUndefined();
    expect(filters['r']?.firewall).toBeUndefined();
  });

  test('all: the ports are isolated, and the router is no way round', async () => {
    const { filters, bridges } = await rules(
      '  a: { subnet: 10.1.0.0/24, members: [m, n], isolation: all }\n',
    );
    expect(Object.values(bridges['a']?.ports ?? {}).map(({ isolated }) => isolated)).toEqual([true, true]);
    expect(short(filters['host']?.firewall?.forward?.rules)).toEqual([
      '>a state=established,related accept',
      '>a published=true accept',
      '>a drop',
    ]);
    expect(filters['host']?.firewall?.bridge).toBeUndefined();
  });

  test('pairs: by ports of the bridge, and by addresses where the router sees them', async () => {
    const { filters } = await rules(`  a:
    subnet: [10.1.0.0/24, "fd00:1::/64"]
    members:
      m: { addresses: [10.1.0.2, "fd00:1::2"], port-name: mm }
      n: [10.1.0.3, "fd00:1::3"]
      r: [10.1.0.4, "fd00:1::4"]
    isolation: { allow: [{ from: m, to: [m, n], ports: [80, 443/tcp, icmp] }, { from: n, to: r }, { from: n, to: r }] }
`);
    const firewall = filters['host']?.firewall;
    expect(short(firewall?.bridge?.forward.rules)).toMatchInlineSnapshot(`
      [
        "mm>n-eth0 protocol=tcp port=80,443 accept",
        "n-eth0>mm protocol=tcp source-port=80,443 accept",
        "mm>n-eth0 protocol=icmp icmp-type=8 accept",
        "n-eth0>mm protocol=icmp icmp-type=0 accept",
        "mm>n-eth0 protocol=icmpv6 icmp-type=128 accept",
        "n-eth0>mm protocol=icmpv6 icmp-type=129 accept",
        "n-eth0>r-eth0 accept",
        "r-eth0>n-eth0 accept",
        "mm,n-eth0,r-eth0>mm,n-eth0,r-eth0 protocol=icmpv6 icmp-type=135,136 accept",
        "mm,n-eth0,r-eth0>mm,n-eth0,r-eth0 ethertype=arp accept",
        "mm,n-eth0,r-eth0>mm,n-eth0,r-eth0 drop",
      ]
    `);
    expect(short(firewall?.forward?.rules)).toMatchInlineSnapshot(`
      [
        ">a state=established,related accept",
        ">a published=true accept",
        "a>a from=10.1.0.2 to=10.1.0.3 protocol=tcp port=80,443 accept",
        "a>a from=10.1.0.2 to=10.1.0.3 protocol=icmp icmp-type=8 accept",
        "a>a from=fd00:1::2 to=fd00:1::3 protocol=tcp port=80,443 accept",
        "a>a from=fd00:1::2 to=fd00:1::3 protocol=icmpv6 icmp-type=128 accept",
        "a>a from=10.1.0.3 to=10.1.0.4 accept",
        "a>a from=10.1.0.4 to=10.1.0.3 accept",
        "a>a from=fd00:1::3 to=fd00:1::4 accept",
        "a>a from=fd00:1::4 to=fd00:1::3 accept",
        "a>a protocol=icmpv6 icmp-type=135,136 accept",
        ">a drop",
      ]
    `);
  });
});

describe('published ports', () => {
  const nat = async (network: string, member: string) => {
    const { namespaces } = await long(`name: lab
namespaces: { m: { expose: [22] } }
networks:
  a: { subnet: [10.1.0.0/24, "fd00:1::/64"]${network}, members: { m: { addresses: [10.1.0.2, "fd00:1::2"], ${member} } } }
`);
    return namespaces['host']?.nat as { readonly publish: readonly object[] };
  };

  test('one that is free is chosen for each family that it is bound to', async () => {
    expect((await nat('', 'publish: [80, "127.0.0.1::53/udp", "[::]::81"]')).publish).toEqual([
      { port: 'auto', to: '10.1.0.2', 'to-port': 80, protocol: 'tcp' },
      { port: 'auto', to: 'fd00:1::2', 'to-port': 80, protocol: 'tcp' },
      { port: 'auto', to: '10.1.0.2', 'to-port': 53, protocol: 'udp', address: '127.0.0.1' },
      { port: 'auto', to: 'fd00:1::2', 'to-port': 81, protocol: 'tcp' },
    ]);
  });

  test('the address of the network counts where an entry says none', async () => {
    const { publish } = await nat(
      ', publish-address: 192.0.2.1',
      'publish: ["80:8080", "0.0.0.0:81:81", 82]',
    );
    expect(publish).toEqual([
      { port: 80, to: '10.1.0.2', 'to-port': 8080, protocol: 'tcp', address: '192.0.2.1' },
      { port: 81, to: '10.1.0.2', 'to-port': 81, protocol: 'tcp' },
      { port: 'auto', to: '10.1.0.2', 'to-port': 82, protocol: 'tcp', address: '192.0.2.1' },
    ]);
  });

  test('publish-all is for what the namespace and the member say', async () => {
    const { publish } = await nat('', 'expose: [80, 53/udp], publish-all: true');
    const both = (port: number, protocol: string) =>
      ['10.1.0.2', 'fd00:1::2'].map((to) => ({ port: 'auto', to, 'to-port': port, protocol }));
    expect(publish).toEqual([...both(22, 'tcp'), ...both(80, 'tcp'), ...both(53, 'udp')]);
    const twice = await nat('', 'expose: [80, "80/tcp", 22-23, 53/udp, 80-80], publish-all: true');
    expect(twice.publish).toEqual([
      ...both(22, 'tcp'),
      ...both(80, 'tcp'),
      ...both(23, 'tcp'),
      ...both(53, 'udp'),
    ]);
  });
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
