import fc from 'fast-check';

/**
 * Documents of valid topologies, in short forms and long: namespaces with links, bridges, tunnels over the links,
 * routes, NAT and checks. Each link and each bridge has subnets of its own.
 */
export const topologyFile: fc.Arbitrary<object> = fc
  .record({
    size: fc.integer({ min: 2, max: 5 }),
    links: fc.array(fc.record({ ends: pair(), form: fc.nat(2), ...sizes() }), { maxLength: 5 }),
    bridges: fc.array(
      fc.record({ home: fc.nat(), ports: fc.array(fc.nat(), { maxLength: 4 }), form: fc.nat(2), ...sizes() }),
      { maxLength: 3 },
    ),
    tunnels: fc.array(fc.record({ link: fc.nat(), type: fc.nat(8), key: fc.option(fc.nat(9)) }), {
      maxLength: 3,
    }),
    routes: fc.array(
      fc.record({ link: fc.nat(), form: fc.nat(5), metric: fc.option(fc.integer({ min: 1, max: 9 })) }),
      {
        maxLength: 6,
      },
    ),
    publish: fc.array(fc.record({ link: fc.nat(), form: fc.nat(3) }), { maxLength: 3 }),
    forwarding: fc.constantFrom(undefined, true, false, ['ipv4'], ['ipv6']),
    macaddress: fc.constantFrom(undefined, 'hash', 'from-ip', 'random'),
    mtu: fc.constantFrom(undefined, 1400, 9000),
    isList: fc.boolean(),
  })
  .map(makeDocument);

/** Two of the namespaces, by numbers that wrap around. */
function pair(): fc.Arbitrary<[number, number]> {
  return fc.tuple(fc.nat(), fc.nat());
}

function sizes() {
  return {
    mtu: fc.constantFrom(undefined, 1400, 1500, 9000),
    state: fc.constantFrom(undefined, 'up', 'down'),
  };
}

interface Shape {
  readonly size: number;
  readonly links: readonly {
    ends: [number, number];
    form: number;
    mtu?: number | undefined;
    state?: string | undefined;
  }[];
  readonly bridges: readonly {
    home: number;
    ports: readonly number[];
    form: number;
    mtu?: number | undefined;
  }[];
  readonly tunnels: readonly { link: number; type: number; key: number | null }[];
  readonly routes: readonly { link: number; form: number; metric: number | null }[];
  readonly publish: readonly { link: number; form: number }[];
  readonly forwarding: unknown;
  readonly macaddress: string | undefined;
  readonly mtu: number | undefined;
  readonly isList: boolean;
}

/** Names of every length, the last one too long to be a part of an interface's name. */
const names = ['a', 'b', 'router', 'a-b', 'a-namespace-with-a-long-name'];

function makeDocument(shape: Shape): object {
  const namespaces: Record<string, Record<string, unknown>> = {};
  for (const name of names.slice(0, shape.size)) namespaces[name] = {};
  const nameAt = (index: number) => names[index % shape.size] ?? '';
  addRoutes(namespaces, shape, nameAt);
  addNat(namespaces, shape, nameAt);
  const isPlain = Object.values(namespaces).every((namespace) => Object.keys(namespace).length === 0);
  return {
    name: 'lab',
    defaults: compact({ macaddress: shape.macaddress, mtu: shape.mtu }),
    namespaces: isPlain && shape.isList ? Object.keys(namespaces) : namespaces,
    bridges: Object.fromEntries(
      shape.bridges.map((bridge, index) => [`br${index}`, makeBridge(bridge, index, nameAt)]),
    ),
    links: shape.links.map((link, index) => makeLink(link, index, nameAt)),
    tunnels: Object.fromEntries(
      shape.links.length === 0
        ? []
        : shape.tunnels.map((tunnel, index) => [`t${index}`, makeTunnel(tunnel, index, shape, nameAt)]),
    ),
    checks: shape.links.flatMap(({ ends: [from] }, index) => [
      { ping: { from: nameAt(from), to: `10.0.${index}.2`, within: '1500ms' } },
      {
        name: `second ${index}`,
        tcp: { from: 'host', to: `[2001:db8:${index}::2]:80`, expect: 'unreachable' },
      },
    ]),
  };
}

type NameAt = (index: number) => string;

function makeLink(
  { ends: [left, right], form, mtu, state }: Shape['links'][number],
  index: number,
  nameAt: NameAt,
): object {
  const addresses = (host: number) => [`10.0.${index}.${host}/24`, `2001:DB8:${index}:0::${host}/64`];
  const settings = (host: number) =>
    form === 0
      ? addresses(host)
      : compact({ addresses: addresses(host), state, alias: form === 1 ? `end ${host}` : undefined });
  const endpoints = {
    [`${nameAt(left)}:l${index}-1`]: settings(1),
    [`${nameAt(right)}:l${index}-2`]: settings(2),
  };
  return compact({ endpoints, mtu });
}

const portSettings = [
  { tag: 10, isolated: true },
  { trunks: ['20-30', 5, 6, '25-40'], native: 22, hairpin: false, 'group-forward-mask': ['lldp', 'stp'] },
  { learning: false, 'path-cost': 9, 'mcast-router': 'permanent', 'group-forward-mask': 16 },
];

function makeBridge(
  { home, ports, form, mtu }: Shape['bridges'][number],
  index: number,
  nameAt: NameAt,
): object {
  const keys = ports.map((port, at) => `${nameAt(port)}:p${index}-${at}`);
  const settings = (at: number) => ({
    // Ports in VLANs of their own are in subnets of their own.
    addresses: `172.${form === 2 ? 16 + at : 16}.${index}.${at + 1}/24`,
    ...(form === 2 ? { 'port-name': `q${index}-${at}`, ...portSettings[at % portSettings.length] } : {}),
  });
  return compact({
    namespace: form === 0 ? undefined : nameAt(home),
    mtu,
    ports: form === 1 ? keys : Object.fromEntries(keys.map((key, at) => [key, settings(at)])),
    parameters: { stp: true, priority: 4096 * index, 'group-forward-mask': 8 * form },
    fdb: form === 2 && ports.length > 0 ? { '02:00:00:00:00:0A': keys[0] } : undefined,
  });
}

const types = ['gre', 'gretap', 'ip6gre', 'ip6gretap', 'vxlan', 'geneve', 'ipip', 'sit', 'ip6tnl'];

function makeTunnel(
  { link, type, key }: Shape['tunnels'][number],
  index: number,
  { links }: Shape,
  nameAt: NameAt,
): object {
  const at = link % links.length;
  const [left = 0, right = 0] = links[at]?.ends ?? [];
  const kind = types[type] ?? 'gre';
  const local = (host: number) => (kind.startsWith('ip6') ? `2001:db8:${at}::${host}` : `10.0.${at}.${host}`);
  // A link inside of one namespace has one end only for a tunnel.
  const isInside = nameAt(left) === nameAt(right);
  const elsewhere = kind.startsWith('ip6') ? `2001:db8:ffff::${index + 1}` : `198.51.100.${index + 1}`;
  // Without a key, what tells tunnels over one link apart is the remote address.
  const isPlain = ['ipip', 'sit', 'ip6tnl'].includes(kind);
  const endpoints = {
    [nameAt(left)]: {
      local: local(1),
      ...(isInside || isPlain ? { remote: elsewhere } : {}),
      addresses: [`10.200.${index}.1/30`],
    },
    ...(isInside
      ? {}
      : {
          [nameAt(right)]: {
            local: local(2),
            ...(isPlain ? { remote: elsewhere } : {}),
            addresses: `10.200.${index}.2/30`,
          },
        }),
  };
  if (isPlain) return { type: kind, ...(key === null ? {} : { ttl: key + 1 }), endpoints };
  if (kind === 'geneve')
    return { type: kind, id: index + 1, ...(key === null ? {} : { checksums: ['udp'] }), endpoints };
  if (kind === 'vxlan') {
    const fdb = { '02:00:00:00:00:01': local(1), '02:00:00:00:00:02': local(2) };
    return { type: kind, id: index + 1, ...(key === null ? {} : { learning: false, fdb }), endpoints };
  }
  // Tunnels over one link are told apart by the key.
  return {
    type: kind,
    key: key === null ? `0.0.1.${index}` : 100 * index + key,
    ...(key === null ? { csum: true } : {}),
    endpoints,
  };
}

function addRoutes(
  namespaces: Record<string, Record<string, unknown>>,
  { links, routes }: Shape,
  nameAt: NameAt,
): void {
  if (links.length === 0) return;
  for (const [index, { link, form, metric }] of routes.entries()) {
    const at = link % links.length;
    const namespace = nameAt(links[at]?.ends[0] ?? 0);
    // Inside of one namespace the other end is the namespace's own address.
    if (namespace === nameAt(links[at]?.ends[1] ?? 0)) continue;
    const to = form % 2 === 0 ? `192.168.${index}.0/24` : `2001:db8:aa${index}::/48`;
    const via = form % 2 === 0 ? `10.0.${at}.2` : `2001:db8:${at}::2`;
    const route: Record<string, unknown> = { to, ...(metric === null ? {} : { metric }), table: 100 + index };
    if (form < 2) route['via'] = via;
    else if (form < 4) route['dev'] = `l${at}-1`;
    else route['nexthops'] = [{ via, weight: 3 }, { via: via.replace(/2$/, '3') }];
    const list = (namespaces[namespace]?.['routes'] ?? []) as object[];
    Object.assign(namespaces[namespace] ?? {}, {
      routes: [...list, route, { ...route, to: 'default', table: 200 + index }],
    });
  }
}

function addNat(
  namespaces: Record<string, Record<string, unknown>>,
  { links, publish, forwarding }: Shape,
  nameAt: NameAt,
): void {
  const [first] = Object.values(namespaces);
  if (forwarding !== undefined) Object.assign(first ?? {}, { forwarding });
  if (links.length === 0 || first === undefined) return;
  const targets = publish.map(({ link, form }, index) => {
    const at = link % links.length;
    const port = 1000 + 10 * index;
    if (form === 0) return `${port}:${nameAt(links[at]?.ends[1] ?? 0)}:80`;
    if (form === 1) return `${port}-${port + 5}:10.0.${at}.2/udp`;
    if (form === 2) return `[2001:db8::1]:${port}:[2001:db8:${at}::2]:80`;
    return { port, to: `10.0.${at}.2`, 'to-port': '81', address: '127.0.0.1' };
  });
  first['nat'] = { masquerade: [{ from: '10.0.0.0/8' }], publish: targets };
}

function compact(document: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(document).filter(([, value]) => value !== undefined));
}
