import { describe, expect, test } from 'vitest';
import { loadParsed } from '../../../src/loader/load.ts';
import { parseDocumentFile } from '../../../src/loader/parse-document.ts';
import type { Check, Interface, Route, Topology } from '../../../src/topology/model.ts';

/** Loads a text that must have no problem at all. */
function load(text: string): Topology {
  const { topology, diagnostics } = loadParsed(parseDocumentFile('lab.yaml', text));
  expect(diagnostics).toEqual([]);
  if (topology === undefined) throw new Error('not valid');
  return topology;
}

function interfaceOf({ interfaces }: Topology, namespace: string, name: string): Interface {
  const found = interfaces.find((item) => item.namespace === namespace && item.name === name);
  if (found === undefined) throw new Error(`no ${namespace}:${name}`);
  return found;
}

function routesOf(topology: Topology, namespace: string): readonly Route[] {
  return topology.namespaces.find(({ name }) => name === namespace)?.routes ?? [];
}

describe('short forms', () => {
  test('a list of names, a link as a list, an address for settings', () => {
    const short = load(
      'name: lab\nnamespaces: [a, b]\nlinks: [[a:x, b:x], { endpoints: { a:y: 10.0.0.1/24, b:y: [10.0.0.2/24] } }]\n',
    );
    const long = load(
      'name: lab\nnamespaces: { b: {}, a: }\nlinks:\n  - endpoints: { a:x: {}, b:x: }\n  - endpoints:\n      b:y: { addresses: [10.0.0.2/24] }\n      a:y: { addresses: 10.0.0.1/24, state: up }\n',
    );
    expect(withoutPlaces(short)).toEqual(withoutPlaces(long));
  });

  test('host is implied by a bridge without a namespace and by an endpoint', () => {
    for (const section of ['bridges: { br0: {} }', 'links: [[host:x, a:x]]']) {
      expect(load(`name: lab\nnamespaces: [a]\n${section}\n`).namespaces.map(({ name }) => name)).toEqual([
        'a',
        'host',
      ]);
    }
    expect(load('name: lab\nnamespaces: [a]\n').namespaces.map(({ name }) => name)).toEqual(['a']);
  });

  test('forwarding: a list leaves the other family as it is', () => {
    const { namespaces } = load(
      'name: lab\nnamespaces: { a: { forwarding: [ipv6] }, b: { forwarding: false }, c: {} }\n',
    );
    expect(namespaces.map(({ forwarding }) => [forwarding?.ipv4, forwarding?.ipv6])).toEqual([
      [undefined, true],
      [false, false],
      [undefined, undefined],
    ]);
  });

  test('sysctls: both notations, truth as a number', () => {
    const { namespaces } = load(
      'name: lab\nnamespaces:\n  a: { sysctls: { net/ipv4/conf/eth0.10/rp_filter: false, net.ipv4.ip_local_port_range: "1  2" } }\n  b: {}\nlinks: [[a:eth0.10, b:x]]\n',
    );
    expect(namespaces[0]?.sysctls.map(({ name, value }) => [name, value])).toEqual([
      ['net.ipv4.conf.eth0/10.rp_filter', '0'],
      ['net.ipv4.ip_local_port_range', '1 2'],
    ]);
  });
});

describe('bridge ports', () => {
  const lab = (ports: string, more = '') =>
    load(`name: lab\nnamespaces: [a, b, a-very-long-name]\nbridges:\n  br0: { ports: ${ports} }\n${more}`);
  const near = (topology: Topology, far: string) => {
    const [namespace = '', name = ''] = far.split(':');
    const item = interfaceOf(topology, namespace, name);
    return item.kind === 'veth' ? item.peer : undefined;
  };

  test('the near end is named after the far end', () => {
    const topology = lab('[a:eth0]');
    expect(near(topology, 'a:eth0')).toEqual({ namespace: 'host', name: 'a-eth0' });
    expect(interfaceOf(topology, 'host', 'a-eth0')).toMatchObject({
      master: 'br0',
      madeForPort: true,
      addresses: [],
      state: 'up',
    });
  });

  test('a name that is too long or in use becomes a stable one of 15 characters', () => {
    const topology = lab('[a-very-long-name:eth0, a:eth0]', 'links: [[host:a-eth0, b:x]]\n');
    const long = near(topology, 'a-very-long-name:eth0')?.name ?? '';
    expect(long).toMatch(/^a-ver-[0-9a-z]{9}$/);
    expect(near(lab('{ a-very-long-name:eth0: 10.0.0.1/24 }'), 'a-very-long-name:eth0')?.name).toBe(long);
    expect(near(topology, 'a:eth0')?.name).toMatch(/^a-eth-[0-9a-z]{9}$/);
  });

  test('names do not depend on the order of the file', () => {
    const text = (ports: string) =>
      `name: lab\nnamespaces: [a, a-b]\nbridges: { br0: { ports: ${ports} } }\n`;
    expect(withoutPlaces(load(text('[a:b-x, a-b:x]')))).toEqual(withoutPlaces(load(text('[a-b:x, a:b-x]'))));
  });

  test('port-name and members', () => {
    const topology = lab('{ a:eth0: { port-name: first } }', '');
    expect(near(topology, 'a:eth0')?.name).toBe('first');
    const member = load(
      'name: lab\nnamespaces: [b]\nbridges: { br0: { members: [up] } }\nlinks: [[host:up, b:x]]\n',
    );
    expect(interfaceOf(member, 'host', 'up').master).toBe('br0');
  });
});

describe('MAC addresses', () => {
  const text = (mode: string) =>
    `name: lab\ndefaults: { macaddress: ${mode} }\nnamespaces: [a, b]\nlinks:\n  - endpoints: { a:x: 172.17.0.2/16, b:x: { macaddress: "02:AB:00:00:00:01" } }\n`;

  test('hash: the same everywhere, local, unicast, in lower case', () => {
    const topology = load(text('hash'));
    expect(interfaceOf(topology, 'a', 'x').macaddress).toMatch(/^02(:[0-9a-f]{2}){5}$/);
    expect(interfaceOf(topology, 'a', 'x').macaddress).toBe(
      interfaceOf(load(text('hash')), 'a', 'x').macaddress,
    );
    expect(interfaceOf(topology, 'b', 'x').macaddress).toBe('02:ab:00:00:00:01');
  });

  test('from-ip and random', () => {
    expect(interfaceOf(load(text('from-ip')), 'a', 'x').macaddress).toBe('02:42:ac:11:00:02');
    expect(interfaceOf(load(text('random')), 'a', 'x').macaddress).toBeUndefined();
    expect(interfaceOf(load(text('random')), 'b', 'x').macaddress).toBe('02:ab:00:00:00:01');
  });
});

describe('routes', () => {
  const lab = (routes: string) =>
    routesOf(
      load(
        `name: lab\nnamespaces: { a: { routes: ${routes} }, b: {} }\nlinks:\n  - endpoints: { a:v4: 10.0.0.1/24, b:v4: 10.0.0.2/24 }\n  - endpoints: { a:v6: "2001:db8::1/64", b:v6: "2001:db8::2/64" }\n`,
      ),
      'a',
    );

  test.each([
    ['{ default: 10.0.0.2 }', 'default', 4, 'v4'],
    ['{ default: "2001:DB8::2" }', 'default', 6, 'v6'],
    ['[{ to: default, dev: v6 }]', 'default', 6, 'v6'],
    ['[{ to: default, dev: v4 }]', 'default', 4, 'v4'],
    ['[{ to: 0.0.0.0/0, dev: v6 }]', 'default', 4, 'v6'],
    ['[{ to: "::/0", dev: v4 }]', 'default', 6, 'v4'],
    ['[{ to: 192.0.2.1, via: 10.0.0.2 }]', '192.0.2.1/32', 4, 'v4'],
    ['[{ to: "2001:DB8:0::9", via: "2001:db8::2" }]', '2001:db8::9/128', 6, 'v6'],
    ['[{ to: "2001:db8:5::/48", via: "fe80::1", dev: v6 }]', '2001:db8:5::/48', 6, 'v6'],
  ])('%s', (routes, to, family, dev) => {
    expect(lab(routes)).toMatchObject([{ to, family, nexthops: [{ dev }] }]);
  });

  test('tables have one name each, and 0 is no metric for IPv6', () => {
    const routes = lab(
      '[{ to: 10.1.0.0/16, type: blackhole, table: 254 }, { to: 10.1.0.0/16, type: throw, table: 253 }, { to: 10.2.0.1, type: local, dev: lo }, { to: 10.3.0.0/16, type: prohibit, table: 100 }, { to: "2001:db8:1::/48", type: unreachable, metric: 0 }]',
    );
    expect(routes.map(({ table }) => table)).toEqual(['main', 'default', 'local', '100', 'main']);
    expect(routes.at(-1)?.metric).toBeUndefined();
  });

  test('a next hop is found through a route that has none itself', () => {
    const [, route] = lab(
      '[{ to: 192.0.2.1/32, dev: v4, scope: link }, { to: 198.51.100.0/24, via: 192.0.2.1 }]',
    );
    expect(route?.nexthops[0]?.dev).toBe('v4');
  });
});

describe('mtu', () => {
  const lab = (tunnel: string, family: 4 | 6 = 4) => {
    const [a, b] = family === 4 ? ['192.0.2.1', '192.0.2.2'] : ['2001:db8::1', '2001:db8::2'];
    const length = family === 4 ? 24 : 64;
    return load(
      `name: lab\nnamespaces: [a, b, c]\nlinks:\n  - endpoints: { a:wan: "${a}/${length}", b:wan: "${b}/${length}" }\ntunnels:\n  t: { ${tunnel}, endpoints: { a: { local: "${a}" }, b: { local: "${b}" } } }\n`,
    );
  };

  // 1500 less what the kernel's own devices take: ip_gre.c, ip6_gre.c, vxlan_core.c.
  test.each([
    ['type: gre', 4, 1476],
    ['type: gre, key: 0', 4, 1472],
    ['type: gretap', 4, 1462],
    ['type: gretap, key: 0.0.0.42', 4, 1458],
    ['type: ip6gre', 6, 1448],
    ['type: ip6gretap', 6, 1434],
    ['type: ip6gretap, key: 1', 6, 1430],
    ['type: vxlan, id: 1', 4, 1450],
    ['type: vxlan, id: 1', 6, 1430],
    ['type: geneve, id: 1', 4, 1450],
    ['type: geneve, id: 1', 6, 1430],
    ['type: ipip', 4, 1480],
    ['type: sit', 4, 1480],
    ['type: ip6tnl', 6, 1452],
    ['type: ip6tnl, encap-limit: none', 6, 1460],
    ['type: ip6gre, encap-limit: none', 6, 1456],
    ['type: gre, key: 1, seq: true, csum: true', 4, 1464],
    ['type: gretap, key: 1, seq: true, csum: true', 4, 1450],
    ['type: ip6gretap, key: 1, seq: true, csum: true, encap-limit: none', 6, 1430],
    ['type: gre, mtu: 1300', 4, 1300],
  ] as const)('{ %s } over IPv%i has %i', (tunnel, family, mtu) => {
    expect(interfaceOf(lab(tunnel, family), 'a', 't').mtu).toBe(mtu);
  });

  test('a bridge takes the smallest of its members, and its ports take the bridge', () => {
    const topology = load(
      'name: lab\nnamespaces: [a, b, c]\nlinks: [{ endpoints: { a:wan: 192.0.2.1/24, b:wan: 192.0.2.2/24 } }]\ntunnels:\n  t: { type: gretap, endpoints: { a: { local: 192.0.2.1 }, b: { local: 192.0.2.2 } } }\nbridges:\n  br0: { namespace: a, members: [t], ports: [c:eth0] }\n',
    );
    expect(interfaceOf(topology, 'a', 'br0').mtu).toBe(1462);
    expect(interfaceOf(topology, 'c', 'eth0').mtu).toBe(1462);
    expect(interfaceOf(topology, 'a', 'c-eth0').mtu).toBe(1462);
  });

  test('the nearest one counts: interface, link, defaults', () => {
    const topology = load(
      'name: lab\ndefaults: { mtu: 1400 }\nnamespaces: { a: { interfaces: { lo: {} } }, b: {} }\nlinks:\n  - { mtu: 9000, endpoints: [a:x, b:x] }\n  - [a:y, b:y]\n  - { mtu: 9000, endpoints: { a:z: { mtu: 1300 }, b:z: { mtu: 1300 } } }\n',
    );
    expect(['x', 'y', 'z', 'lo'].map((name) => interfaceOf(topology, 'a', name).mtu)).toEqual([
      9000,
      1400,
      1300,
      undefined,
    ]);
    expect(interfaceOf(topology, 'a', 'y').mtuPlace).toEqual({ pointer: '/defaults/mtu', part: 'value' });
  });

  test('a tunnel whose underlay is unknown keeps the kernel’s', () => {
    const topology = load(
      'name: lab\nnamespaces: [a]\ntunnels: { t: { type: gre, endpoints: { a: { remote: 192.0.2.2 } } } }\n',
    );
    expect(interfaceOf(topology, 'a', 't').mtu).toBeUndefined();
  });
});

describe('tunnels', () => {
  test('remote defaults to the other end, and an own one replaces it', () => {
    const topology = load(
      'name: lab\nnamespaces: [a, b, c]\ntunnels:\n  v: { type: vxlan, id: 1, peers: [192.0.2.9], endpoints: { a: { local: 192.0.2.1 }, b: { local: 192.0.2.2 }, c: { local: 192.0.2.3, remote: 192.0.2.1 } } }\n',
    );
    const peers = ['a', 'b', 'c'].map((namespace) => {
      const item = interfaceOf(topology, namespace, 'v');
      return item.kind === 'vxlan' ? item.peers : [];
    });
    expect(peers).toEqual([
      ['192.0.2.2', '192.0.2.3', '192.0.2.9'],
      ['192.0.2.1', '192.0.2.3', '192.0.2.9'],
      ['192.0.2.1', '192.0.2.9'],
    ]);
  });
});

describe('published ports and checks', () => {
  const lab = (publish: string, checks = '[]') =>
    load(
      `name: lab\nnamespaces:\n  gw: { forwarding: true, nat: { publish: [${publish}] } }\n  web: { interfaces: { lo: 10.255.0.9/32 } }\nlinks:\n  - endpoints: { gw:a: [10.0.0.1/24, "2001:db8::1/64"], web:z: ["2001:db8::3/64", 10.0.0.3/24] }\nchecks: ${checks}\n`,
    );

  test.each([
    [
      '8080:web:80',
      {
        to: '10.0.0.3',
        port: { first: 8080, last: 8080 },
        toPort: { first: 80, last: 80 },
        protocol: 'tcp',
        address: undefined,
      },
    ],
    ['9000-9009:web', { port: { first: 9000, last: 9009 }, toPort: { first: 9000, last: 9009 } }],
    [
      '10.0.0.1:53:web:5353/udp',
      { address: '10.0.0.1', protocol: 'udp', toPort: { first: 5353, last: 5353 } },
    ],
    ['80:[2001:DB8::3]:8080', { to: '2001:db8::3', port: { first: 80, last: 80 } }],
    [
      '[2001:db8::1]:80:[2001:db8::3]',
      { address: '2001:db8::1', to: '2001:db8::3', toPort: { first: 80, last: 80 } },
    ],
  ])('%s', (text, expected) => {
    expect(lab(`"${text}"`).namespaces[0]?.nat.publish).toMatchObject([expected]);
  });

  test.each<[string, Partial<Check>]>([
    [
      'ping: { from: gw, to: web }',
      { name: 'ping gw -> web', address: '10.0.0.3', to: 'web', within: 5000, count: 1 },
    ],
    [
      'ping: { from: web, to: 10.0.0.9, expect: unreachable, within: 250ms }',
      { name: 'ping web -> 10.0.0.9 unreachable', within: 250 },
    ],
    [
      'tcp: { from: gw, to: "web:80", within: 1.5m }',
      { name: 'tcp gw -> web:80', port: 80, to: 'web', within: 90_000 },
    ],
    ['udp: { from: gw, to: "[2001:DB8::3]:53" }', { address: '2001:db8::3', port: 53 }],
  ])('%s', (check, expected) => {
    expect(lab('', `[{ ${check} }]`).checks).toMatchObject([expected]);
  });

  test('a check names its target as the namespace knows it', () => {
    const { checks } = load(
      `name: lab
namespaces:
  web: { hostname: www.lab.example, hosts: { database: db, printer: 10.0.0.9, postgres: 10.0.0.8, web: 10.0.0.7 } }
  db: { aliases: [postgres] }
  bare: {}
links:
  - endpoints: { web:eth0: [10.0.0.2/24], db:eth0: [10.1.0.3/24, 10.0.0.3/24] }
  - endpoints: { bare:eth0: [10.1.0.9/24], db:eth1: [10.2.0.3/24] }
checks:
  - ping: { from: web, to: database }
  - ping: { from: web, to: printer }
  - ping: { from: web, to: postgres }
  - ping: { from: db, to: postgres }
  - tcp: { from: db, to: "www.lab.example:80" }
  - ping: { from: db, to: www }
  - ping: { from: bare, to: postgres }
  - ping: { from: host, to: www }
  - ping: { from: web, to: web }
`,
    );
    expect(checks.map(({ from, to, address }) => `${from} ${to} ${address}`)).toEqual([
      'web database 10.0.0.3',
      'web printer 10.0.0.9',
      'web postgres 10.0.0.8',
      'db postgres 10.1.0.3',
      'db www.lab.example 10.0.0.2',
      'db www 10.0.0.2',
      'bare postgres 10.1.0.3',
      'host www 10.0.0.2',
      'web web 10.0.0.2',
    ]);
  });

  test('peers and forwarding entries of the tunnel are those of each end but its own', () => {
    const topology = load(
      'name: lab\nnamespaces: [a, b]\ntunnels:\n  v: { type: vxlan, id: 1, fdb: { "02:00:00:00:00:0A": 192.0.2.1, "02:00:00:00:00:0b": 192.0.2.2 }, endpoints: { a: { local: 192.0.2.1, peers: [192.0.2.9], fdb: { "02:00:00:00:00:0b": 192.0.2.9 } }, b: { local: 192.0.2.2 } } }\n',
    );
    const ends = ['a', 'b'].map((namespace) => {
      const item = interfaceOf(topology, namespace, 'v');
      return item.kind === 'vxlan' ? { peers: item.peers, fdb: item.fdb } : undefined;
    });
    expect(ends).toEqual([
      { peers: ['192.0.2.2', '192.0.2.9'], fdb: [{ mac: '02:00:00:00:00:0b', peer: '192.0.2.9' }] },
      { peers: ['192.0.2.1'], fdb: [{ mac: '02:00:00:00:00:0a', peer: '192.0.2.1' }] },
    ]);
  });

  test('a key, numbers and checksums of one direction', () => {
    const topology = load(
      'name: lab\nnamespaces: [a, b]\ntunnels:\n  t: { type: gre, key: 7, seq: true, endpoints: { a: { local: 192.0.2.1, key: { output: 8 }, csum: input }, b: { local: 192.0.2.2, key: { input: 8 }, csum: output } } }\n',
    );
    expect(interfaceOf(topology, 'a', 't')).toMatchObject({
      inputKey: 7,
      outputKey: 8,
      seq: 'both',
      csum: 'input',
    });
    expect(interfaceOf(topology, 'b', 't')).toMatchObject({ inputKey: 8, outputKey: 7, csum: 'output' });
  });
});

function withoutPlaces(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, inner) => (/place$/i.test(key) ? undefined : inner)));
}
