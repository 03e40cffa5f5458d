import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { expect } from 'vitest';
import { ipEngine } from '../../src/engine/ip/engine.ts';
import { readFilters } from '../../src/engine/netlink/decode/filter.ts';
import { readLinkNames, readLinks } from '../../src/engine/netlink/decode/link.ts';
import { readNeighbors, readProxies } from '../../src/engine/netlink/decode/neighbor.ts';
import { readNexthops } from '../../src/engine/netlink/decode/nexthop.ts';
import { readPortVlans } from '../../src/engine/netlink/decode/port-vlan.ts';
import { readQdiscs } from '../../src/engine/netlink/decode/qdisc.ts';
import { readRoutes } from '../../src/engine/netlink/decode/route.ts';
import { readRules } from '../../src/engine/netlink/decode/rule.ts';
import { netlinkEngine } from '../../src/engine/netlink/engine.ts';
import { visit } from '../../src/engine/netlink/namespace.ts';
import { NetlinkSocket } from '../../src/engine/netlink/socket.ts';
import type { IpLink, IpNetconf, IpRoute, LiveNamespace, TcFilter } from '../../src/observe/live.ts';

/** The fields of live.ts that the two ways of reading must agree on. */
const linkFields = [
  'ifindex',
  'ifname',
  'flags',
  'mtu',
  'txqlen',
  'gso_max_size',
  'gso_max_segs',
  'gro_max_size',
  'qdisc',
  'operstate',
  'group',
  'address',
  'ifalias',
  'master',
  'link_index',
  'link_netnsid',
  'link',
] as const;
const addressFields = [
  'family',
  'local',
  'address',
  'prefixlen',
  'scope',
  'label',
  'dynamic',
  'secondary',
  'tentative',
  'dadfailed',
  'temporary',
  'mngtmpaddr',
  'nodad',
  'deprecated',
  'noprefixroute',
  'broadcast',
  'valid_life_time',
  'preferred_life_time',
];
const routeFields = [
  'type',
  'dst',
  'gateway',
  'via',
  'dev',
  'table',
  'protocol',
  'scope',
  'prefsrc',
  'metric',
  'flags',
  'metrics',
  'nexthops',
  'pref',
  'tos',
  'nhid',
];

const tunnelFields = ['remote', 'local', 'link', 'ttl'];
const flagFields = ['ikey', 'okey', 'iseq', 'oseq', 'icsum', 'ocsum'];
const v6Fields = [
  'tclass',
  'flowlabel',
  'encap_limit',
  'ip6_tnl_f_ign_encap_limit',
  'ip6_tnl_f_use_orig_tclass',
  'ip6_tnl_f_use_orig_flowlabel',
];
const greFields = [...tunnelFields, ...flagFields, 'tos', 'pmtudisc', 'ignore_df'];
const gre6Fields = [...tunnelFields, ...flagFields, ...v6Fields];

/** What of a kind's own data is read: all of it must be there where iproute2 has it. */
const dataFields: Readonly<Record<string, readonly string[]>> = {
  bridge: [
    'forward_delay',
    'hello_time',
    'max_age',
    'ageing_time',
    'stp_state',
    'priority',
    'vlan_filtering',
    'topology_change',
    'vlan_protocol',
    'vlan_default_pvid',
    'vlan_stats_enabled',
    'group_fwd_mask',
    'group_addr',
    'no_linklocal_learn',
    'mcast_snooping',
    'mcast_querier',
    'mcast_router',
    'mcast_query_use_ifaddr',
    'mcast_query_intvl',
    'mcast_query_response_intvl',
    'mcast_querier_intvl',
    'mcast_membership_intvl',
    'mcast_last_member_intvl',
    'mcast_last_member_cnt',
    'mcast_startup_query_intvl',
    'mcast_startup_query_cnt',
    'mcast_hash_max',
    'mcast_igmp_version',
    'mcast_mld_version',
    'mcast_stats_enabled',
    'nf_call_iptables',
    'nf_call_ip6tables',
    'nf_call_arptables',
  ],
  vxlan: [
    'id',
    'remote',
    'remote6',
    'group',
    'group6',
    'local',
    'local6',
    'link',
    'port',
    'port_range',
    'learning',
    'ttl',
    'tos',
    'df',
    'label',
    'ageing',
    'limit',
    'proxy',
    'rsc',
    'l2miss',
    'l3miss',
    'udp_csum',
    'udp_zero_csum6_tx',
    'udp_zero_csum6_rx',
    'gbp',
  ],
  gre: greFields,
  gretap: greFields,
  ip6gre: gre6Fields,
  ip6gretap: gre6Fields,
  ipip: ['proto', ...tunnelFields, 'tos', 'pmtudisc'],
  sit: ['proto', ...tunnelFields, 'tos', 'pmtudisc'],
  ip6tnl: ['proto', ...tunnelFields, ...v6Fields],
  geneve: [
    'id',
    'remote',
    'remote6',
    'port',
    'ttl',
    'tos',
    'df',
    'label',
    'udp_csum',
    'udp_zero_csum6_tx',
    'udp_zero_csum6_rx',
  ],
  vlan: ['id', 'protocol'],
  macvlan: ['mode'],
  macvtap: ['mode'],
  ipvlan: ['mode', 'bridge', 'private', 'vepa'],
  vrf: ['table'],
  bond: [
    ...['mode', 'miimon', 'updelay', 'downdelay', 'arp_interval', 'arp_ip_target', 'arp_validate'],
    ...['arp_all_targets', 'primary', 'primary_reselect', 'fail_over_mac', 'xmit_hash_policy', 'resend_igmp'],
    ...['num_peer_notif', 'all_slaves_active', 'min_links', 'lp_interval', 'packets_per_slave'],
    ...['ad_lacp_rate', 'ad_select'],
  ],
  tun: ['type', 'pi', 'multi_queue', 'persist', 'user', 'group'],
};
const portFields = [
  'priority',
  'cost',
  'hairpin',
  'guard',
  'root_block',
  'fastleave',
  'learning',
  'flood',
  'mcast_flood',
  'isolated',
  'proxy_arp',
  'multicast_router',
  'bcast_flood',
  'mcast_to_unicast',
  'neigh_suppress',
  'group_fwd_mask',
  'locked',
];

function pick(value: object | undefined, fields: readonly string[]): object | undefined {
  if (value === undefined) return undefined;
  return Object.fromEntries(Object.entries(value).filter(([name]) => fields.includes(name)));
}

/** A namespace as both must show it. */
export function comparable(namespace: LiveNamespace | undefined): unknown {
  if (namespace === undefined) return undefined;
  return {
    name: namespace.name,
    mark: namespace.mark,
    links: namespace.links.map(comparableLink),
    routes: namespace.routes.filter(isDeclarable).map((route) => pick(route, routeFields)),
    netconf: namespace.netconf.filter(({ interface: name }) => name === 'all').map(comparableNetconf),
    sysctls: [...namespace.sysctls],
    nft: namespace.nft.filter((object) => object['metainfo'] === undefined),
    portVlans: namespace.portVlans,
    fdb: namespace.fdb.map((entry) =>
      pick(entry, ['mac', 'ifname', 'dst', 'state', 'vlan', 'flags', 'master']),
    ),
  };
}

function comparableLink(link: IpLink): unknown {
  const { info_kind: kind, info_data, info_slave_kind, info_slave_data } = link.linkinfo ?? {};
  return {
    ...pick(link, linkFields),
    kind,
    data: pick(info_data, dataFields[kind ?? ''] ?? []) ?? {},
    info_slave_kind,
    port: info_slave_kind === 'bridge' ? pick(info_slave_data, portFields) : undefined,
    addresses: (link.addr_info ?? []).map((address) => withRoundLifetimes(pick(address, addressFields))),
  };
}

/** Lifetimes run on between the two readings, which take an emulated machine a second and more: up to the next 100 s. */
function withRoundLifetimes(address: object | undefined): object {
  return Object.fromEntries(
    Object.entries(address ?? {}).map(([name, value]) =>
      name.endsWith('_life_time') && typeof value === 'number'
        ? [name, Math.ceil(value / 100) * 100]
        : [name, value],
    ),
  );
}

function comparableNetconf({ family, forwarding }: IpNetconf): unknown {
  return { family, forwarding };
}

/** Not the entries of the kernel itself for each address, which are left out on purpose. */
function isDeclarable({ table, protocol }: IpRoute): boolean {
  return !(table === 'local' && protocol === 'kernel');
}

/** Runs lines of `ip`, outside or in a namespace; those that the kernel refuses are part of the game. */
function tryLines(lines: readonly string[], namespace?: string): void {
  spawnSync('ip', [...(namespace === undefined ? [] : ['-n', namespace]), '-force', '-batch', '-'], {
    input: lines.map((line) => `${line}\n`).join(''),
    stdio: ['pipe', 'ignore', 'ignore'],
  });
}

const octet = fc.integer({ min: 1, max: 250 });
const small = fc.integer({ min: 0, max: 3 });
const device = fc.constantFrom(
  'v0',
  'v1',
  'v2',
  'v3',
  'br0',
  'br1',
  'vx0',
  'vx1',
  't0',
  't1',
  't2',
  'gn0',
  'm0',
  'tap0',
  'b0',
);
const v4 = fc.tuple(small, octet).map(([net, host]) => `10.0.${net}.${host}`);
const v6 = fc
  .tuple(small, fc.integer({ min: 1, max: 0xffff }))
  .map(([net, host]) => `fd00:${net}::${host.toString(16)}`);
const ttl = fc.constantFrom('inherit', '1', '64', '255');
const tos = fc.constantFrom('inherit', '0x10', '0', '0xb8');

/** Lines that make links, addresses and routes in one namespace; `kinds` are those that the kernel has. */
function linesIn(kinds: readonly string[]): fc.Arbitrary<string> {
  const alias = fc.constantFrom('topoweave:x:abc hello', 'plain text', 'ünïcode: "x"'.replaceAll('"', "'"));
  const makers: Readonly<Record<string, fc.Arbitrary<string>>> = {
    veth: fc.constantFrom(
      'link add v0 type veth peer name v1',
      'link add v2 group 1954545664 type veth peer name v3',
    ),
    bridge: fc
      .tuple(
        fc.constantFrom('br0', 'br1'),
        fc.integer({ min: 200, max: 3000 }),
        fc.constantFrom(0, 1),
        fc.constantFrom(0, 1),
      )
      .map(
        ([name, delay, stp, filter]) =>
          `link add ${name} type bridge forward_delay ${delay} stp_state ${stp} vlan_filtering ${filter} priority ${delay} no_linklocal_learn ${stp} mcast_query_interval ${delay} mcast_hash_max ${delay} group_fwd_mask ${8 * stp}`,
      ),
    vxlan: fc
      .tuple(
        fc.constantFrom('vx0', 'vx1'),
        octet,
        fc.oneof(v4, v6, fc.constant('')),
        ttl,
        tos,
        fc.boolean(),
        fc.constantFrom(
          '',
          'df set udp6zerocsumtx noudpcsum srcport 5000 6000',
          'df inherit ageing 9 maxaddress 5 proxy rsc gbp',
          'l2miss l3miss udp6zerocsumrx',
        ),
      )
      .map(
        ([name, id, remote, life, service, learns, more]) =>
          `link add ${name} type vxlan id ${id} dstport 4789 ${remote === '' ? '' : `remote ${remote}`} ttl ${life} tos ${service} ${learns ? '' : 'no'}learning ${remote.includes(':') ? 'flowlabel 0x77' : ''} ${more}`,
      ),
    geneve: fc
      .tuple(
        octet,
        fc.oneof(v4, v6),
        ttl,
        tos,
        fc.constantFrom('', 'df set', 'df inherit udpcsum', 'udp6zerocsumtx udp6zerocsumrx'),
      )
      .map(
        ([id, remote, life, service, more]) =>
          `link add gn0 type geneve id ${id} remote ${remote} ttl ${life} tos ${service} ${remote.includes(':') ? 'flowlabel 0x77' : ''} ${more}`,
      ),
    ipip: ipLine('t2', 'ipip', v4, ['mode any', 'mode ipip']),
    sit: ipLine('t3', 'sit', v4, ['mode any', 'mode ip6ip', 'mode ipip']),
    ip6tnl: fc
      .tuple(v6, v6, ttl, tos, fc.constantFrom('any', 'ipip6', 'ip6ip6'), fc.constantFrom(...v6Words))
      .map(
        ([local, remote, life, service, mode, more]) =>
          `link add t4 type ip6tnl mode ${mode} local ${local} remote ${remote} hoplimit ${life} tclass ${service} ${more}`,
      ),
    gre: greLine('t0', ['gre', 'gretap'], v4, 'ttl', 'tos', [
      '',
      'iseq oseq csum',
      'ikey 5 okey 6 ocsum',
      'nopmtudisc ignore-df',
    ]),
    ip6gre: greLine('t1', ['ip6gre', 'ip6gretap'], v6, 'hoplimit', 'tclass', v6Words),
    macvlan: fc
      .tuple(
        fc.constantFrom('macvlan', 'macvtap'),
        fc.constantFrom('bridge', 'private', 'vepa', 'passthru'),
        fc.constantFrom('v0', 'v1', 'v2'),
      )
      .map(([kind, mode, below]) => `link add link ${below} name m0 type ${kind} mode ${mode}`),
    tun: fc
      .tuple(
        fc.constantFrom('tap', 'tun'),
        fc.constantFrom('', 'user nobody', 'user 54321', 'group 0', 'user root group 12345'),
        fc.constantFrom('', 'multi_queue'),
        fc.constantFrom('', 'pi'),
      )
      .map(([mode, owner, queues, pi]) => `tuntap add dev tap0 mode ${mode} ${owner} ${queues} ${pi}`),
    vlan: fc
      .tuple(fc.constantFrom('v0', 'v3'), octet, fc.constantFrom('802.1Q', '802.1ad'))
      .map(
        ([below, id, protocol]) => `link add link ${below} name vl0 type vlan protocol ${protocol} id ${id}`,
      ),
    ipvlan: fc
      .tuple(
        fc.constantFrom('v2', 'v3'),
        fc.constantFrom('l2', 'l3', 'l3s'),
        fc.constantFrom('bridge', 'private', 'vepa'),
      )
      .map(([below, mode, flag]) => `link add link ${below} name i0 type ipvlan mode ${mode} ${flag}`),
    vrf: octet.map((table) => `link add red type vrf table ${table}`),
    bond: bondLine(),
  };
  const addresses = fc.oneof(
    fc
      .tuple(v4, fc.integer({ min: 8, max: 32 }), device, fc.boolean())
      .map(
        ([address, length, dev, brd]) => `address add ${address}/${length} ${brd ? 'brd +' : ''} dev ${dev}`,
      ),
    fc.tuple(v4, v4, device).map(([own, peer, dev]) => `address add ${own} peer ${peer}/32 dev ${dev}`),
    fc
      .tuple(v6, fc.integer({ min: 32, max: 128 }), device, fc.boolean())
      .map(
        ([address, length, dev, dad]) => `address add ${address}/${length} dev ${dev} ${dad ? '' : 'nodad'}`,
      ),
    fc
      .tuple(v4, device)
      .map(([address, dev]) => `address add ${address}/24 dev ${dev} valid_lft 1000 preferred_lft 500`),
    fc
      .tuple(
        v4,
        device,
        fc.constantFrom('scope link', 'noprefixroute', 'preferred_lft 0', 'broadcast 10.9.9.9'),
      )
      .map(([address, dev, words]) => `address add ${address}/24 dev ${dev} ${words}`),
  );
  const table = fc.constantFrom(
    '',
    'table 77',
    'table 1000',
    'metric 5',
    'proto 116',
    'proto static src 10.0.0.1',
  );
  const routes = fc.oneof(
    fc
      .tuple(octet, v4, device, table)
      .map(([net, via, dev, more]) => `route add 10.${net}.0.0/16 via ${via} dev ${dev} onlink ${more}`),
    fc
      .tuple(octet, v4, v4, device)
      .map(
        ([net, one, other, dev]) =>
          `route add 172.16.${net}.0/24 proto 116 nexthop via ${one} dev ${dev} onlink weight 3 nexthop via ${other} dev ${dev} onlink`,
      ),
    fc
      .tuple(octet, v6, v6, device)
      .map(
        ([net, one, other, dev]) =>
          `route add fd77:${net}::/64 nexthop via ${one} dev ${dev} onlink nexthop via ${other} dev ${dev} weight 9 onlink`,
      ),
    fc
      .tuple(octet, fc.constantFrom('blackhole', 'unreachable', 'prohibit', 'throw'), table)
      .map(([net, type, more]) => `route add ${type} 10.${net}.1.0/24 ${more}`),
    fc
      .tuple(octet, device, table)
      .map(
        ([net, dev, more]) =>
          `route add 192.168.${net}.0/24 dev ${dev} mtu 1300 advmss 1200 cwnd 20 window 9000 ${more}`,
      ),
    fc
      .tuple(octet, device, table)
      .map(([net, dev, more]) => `route add fd66:${net}::/64 dev ${dev} ${more.replace(/ src .*/, '')}`),
    fc.tuple(v6, device).map(([via, dev]) => `route add 10.251.0.0/16 via inet6 ${via} dev ${dev} onlink`),
    fc.tuple(octet, device).map(([host, dev]) => `route add local 10.252.0.${host} dev ${dev} proto 116`),
  );
  const settings = fc.oneof(
    fc.tuple(device, alias).map(([dev, text]) => `link set dev ${dev} alias "${text}"`),
    fc
      .tuple(device, fc.constantFrom('up', 'up', 'up', 'down'))
      .map(([dev, state]) => `link set dev ${dev} ${state}`),
    fc
      .tuple(device, fc.integer({ min: 1300, max: 9000 }))
      .map(([dev, mtu]) => `link set dev ${dev} mtu ${mtu}`),
    fc
      .tuple(device, fc.constantFrom('br0', 'br1', 'red', 'b0'))
      .map(([dev, master]) => `link set dev ${dev} down master ${master}`),
    device.map((dev) => `link set dev b0 type bond primary ${dev}`),
    fc
      .tuple(
        device,
        fc.constantFrom(
          'hairpin on',
          'isolated on',
          'learning off',
          'cost 9',
          'guard on',
          'mcast_router 2',
          'group_fwd_mask 0x4000',
          'neigh_suppress on',
          'locked on',
        ),
      )
      .map(([dev, words]) => `link set dev ${dev} type bridge_slave ${words}`),
    fc
      .tuple(
        device,
        fc.constantFrom('arp off', 'multicast off', 'promisc on', 'group 42', 'address 02:00:00:00:00:07'),
      )
      .map(([dev, words]) => `link set dev ${dev} ${words}`),
  );
  const links = kinds.flatMap((kind) => makers[kind] ?? []);
  return fc.oneof(
    { weight: 3, arbitrary: fc.oneof(...links) },
    { weight: 3, arbitrary: settings },
    { weight: 2, arbitrary: addresses },
    { weight: 2, arbitrary: routes },
  );
}

const v6Words = ['', 'encaplimit none', 'encaplimit 9 flowlabel inherit', 'flowlabel 0x12345'];

function ipLine(
  name: string,
  type: string,
  address: fc.Arbitrary<string>,
  modes: readonly string[],
): fc.Arbitrary<string> {
  return fc
    .tuple(address, address, tos, fc.constantFrom(...modes), fc.constantFrom('ttl 64', 'nopmtudisc'))
    .map(
      ([local, remote, service, mode, more]) =>
        `link add ${name} type ${type} ${mode} local ${local} remote ${remote} tos ${service} ${more}`,
    );
}

function bondLine(): fc.Arbitrary<string> {
  return fc
    .tuple(
      fc.constantFrom('balance-rr', 'active-backup', 'balance-xor', '802.3ad', 'balance-alb'),
      fc.constantFrom(
        '',
        'miimon 100 updelay 200 downdelay 300',
        'arp_interval 100 arp_ip_target 10.0.0.1,10.0.0.2',
      ),
      fc.constantFrom('', 'arp_validate all arp_all_targets all', 'lacp_rate fast', 'packets_per_slave 0'),
      fc.constantFrom('layer2', 'layer3+4', 'encap2+3', 'vlan+srcmac'),
      fc.constantFrom('', 'min_links 2 ad_select count', 'fail_over_mac active primary_reselect better'),
      fc.constantFrom('', 'num_grat_arp 5 resend_igmp 3 lp_interval 9 all_slaves_active 1'),
    )
    .map(([mode, ...more]) => {
      const [monitor, special, policy, rest, counts] = more;
      return `link add b0 type bond mode ${mode} ${monitor} ${special} xmit_hash_policy ${policy} ${rest} ${counts}`;
    });
}

function greLine(
  name: string,
  types: readonly string[],
  address: fc.Arbitrary<string>,
  ttlWord: string,
  tosWord: string,
  options: readonly string[],
): fc.Arbitrary<string> {
  return fc
    .tuple(
      fc.constantFrom(...types),
      address,
      address,
      fc.option(octet),
      ttl,
      tos,
      fc.constantFrom(...options),
    )
    .map(
      ([type, local, remote, key, life, service, more]) =>
        `link add ${name} type ${type} local ${local} remote ${remote} ${key === null ? '' : `key ${key}`} ${ttlWord} ${life} ${tosWord} ${service} ${more}`,
    );
}

const nothing = {
  lab: undefined,
  nat: new Set<string>(),
  sysctls: new Map<string, string[]>(),
  fdb: new Set(['c0', 'c1']),
};

/** Random namespaces, made by `ip`: netlink must read them as `ip -j -d` prints them. */
export async function testConformance(kinds: readonly string[], runs: number): Promise<void> {
  const names = ['c0', 'c1'];
  const line = linesIn(kinds);
  const property = fc.asyncProperty(
    fc.array(line, { minLength: 5, maxLength: 40 }),
    fc.array(line, { minLength: 5, maxLength: 40 }),
    async (first, second) => {
      tryLines(names.map((name) => `netns add ${name}`));
      try {
        tryLines(['link add x0 netns c0 type veth peer name x1 netns c1']);
        for (const [index, lines] of [first, second].entries()) {
          // What needs a link comes behind it, in the same order otherwise.
          const sorted = [
            ...lines.filter((text) => text.startsWith('link add') && !text.startsWith('link add link')),
            ...lines.filter((text) => text.startsWith('link add link') || text.startsWith('tuntap')),
            ...lines.filter((text) => !/^(link add|tuntap)/.test(text)),
          ];
          tryLines(sorted, `c${index}`);
        }
        await expectSame(names);
      } finally {
        tryLines(names.map((name) => `netns del ${name}`));
      }
    },
  );
  // Not shrunk: each try makes namespaces, and in an emulated machine that goes on past the test's own limit. The seed and
  // the lines of the failure are in the message.
  await fc.assert(property, { numRuns: runs, endOnFailure: true });
}

/** Both readings are the same; a carrier or an address detection may change between them, so it is tried again. */
async function expectSame(names: readonly string[]): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const [mine, reference] = [await netlinkEngine.read(names, nothing), await ipEngine.read(names, nothing)];
    const text = (live: ReadonlyMap<string, LiveNamespace>) =>
      names.map((name) => comparable(live.get(name)));
    if (attempt === 5 || JSON.stringify(text(mine)) === JSON.stringify(text(reference))) {
      expect(text(mine)).toEqual(text(reference));
      return;
    }
  }
}

/** Not a time that tc cuts to microseconds in another way than it is told. */
const netemWords =
  'limit 77 delay 50ms 4ms 25% loss random 1.2345% 20% duplicate 0.5% 10% corrupt 0.1% 5% reorder 25% 50% gap 5 rate 10mbit';

function isV1({ ifname }: IpLink): boolean {
  return ifname === 'v1';
}

function optionsOf(qdisc: object): object {
  return (qdisc as { options?: object }).options ?? {};
}

/** To the six digits that tc prints, and without what is not decoded. */
function rounded(value: unknown): object {
  const text = JSON.stringify(value, (key, inner: unknown) => {
    if (['ecn', 'packetoverhead', 'cellsize', 'celloverhead'].includes(key)) return undefined;
    return typeof inner === 'number' ? Number(inner.toPrecision(6)) : inner;
  });
  return JSON.parse(text) as object;
}

function comparableFilter(filter: object): object {
  const { pref, kind, options } = filter as TcFilter;
  return {
    pref,
    kind,
    actions: (options?.actions ?? []).map((action) => pick(action, ['kind', 'mirred_action', 'to_dev'])),
  };
}

/** What no kind reads yet is compared on one namespace made for it. */
export function testTables(hasVlanFiltering: boolean): void {
  tryLines(['netns add c0']);
  try {
    tryLines(
      [
        'link add v0 type veth peer name v1',
        'link add br0 type bridge',
        'link set v0 master br0 up',
        'link set v1 up',
        'address add 10.0.0.1/24 dev v1',
        'link set v0 up',
        // A blackhole nexthop is on lo, which must be up.
        'link set lo up',
        'address add fd00::1/64 dev v1 nodad',
        'rule add from 10.0.0.0/8 table 77',
        'rule add to 192.0.2.1 iif v1 blackhole priority 9',
        'rule add fwmark 0x10/0xff oif v0 lookup main',
        'rule add fwmark 5 table 1000 protocol static',
        'rule add not from 10.9.0.0/16 iif v9 goto 32766 priority 8 protocol 116',
        'rule add tos 0x10 uidrange 0-100 ipproto tcp sport 80-90 dport 443 lookup 101',
        'rule add oif v9 table 102 suppress_prefixlength 0',
        'rule add nop',
        'rule add fwmark 7 prohibit',
        'neigh add proxy 10.0.0.77 dev v1 protocol 116',
        'neigh add proxy fd00::77 dev v1',
        'neigh add 10.0.0.10 lladdr 02:00:00:00:00:0c dev v1 protocol 116',
        'nexthop add id 11 via 10.0.0.2 dev v1 protocol 116',
        'nexthop add id 12 via 10.77.0.3 dev v1 onlink',
        'nexthop add id 13 via fd00::2 dev v1',
        'nexthop add id 14 blackhole',
        'nexthop add id 20 group 11/12,3 protocol 116',
        'route add 10.20.0.0/16 nhid 20',
        'route add 10.21.0.0/16 nhid 11 initcwnd 12 hoplimit 9 quickack 1',
        'route add 10.22.0.0/16 tos 0x10 dev v1',
        'route add fd21::/64 dev v1 pref high',
        'neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev v1',
        'neigh add fd00::9 lladdr 02:00:00:00:00:0a dev v1 nud reachable',
      ],
      'c0',
    );
    const enter = (...argv: string[]) =>
      spawnSync('ip', ['netns', 'exec', 'c0', ...argv], { encoding: 'utf8' });
    // One batch is of one family only.
    enter('ip', '-6', 'rule', 'add', 'from', 'fd00::/64', 'to', 'fd01::1', 'table', '99');
    enter(
      'tc',
      'qdisc',
      'add',
      'dev',
      'v0',
      'root',
      'handle',
      '1:',
      'tbf',
      'rate',
      '1mbit',
      'burst',
      '10k',
      'latency',
      '10ms',
    );
    enter('tc', 'qdisc', 'add', 'dev', 'v1', 'clsact');
    const redirect = 'ingress protocol all pref 7 u32 match u32 0 0 action mirred egress redirect dev v0';
    enter('tc', 'filter', 'add', 'dev', 'v1', ...redirect.split(' '));
    // Where the kernel has it; the rest is compared in any case.
    enter('tc', 'qdisc', 'add', 'dev', 'br0', 'root', 'handle', '2:', 'netem', ...netemWords.split(' '));
    if (hasVlanFiltering) {
      enter('ip', 'link', 'set', 'br0', 'type', 'bridge', 'vlan_filtering', '1');
      enter('bridge', 'vlan', 'add', 'dev', 'v0', 'vid', '10-20');
      enter('bridge', 'vlan', 'add', 'dev', 'v0', 'vid', '30', 'pvid', 'untagged');
    }
    const printed = (...argv: string[]) => JSON.parse(enter(...argv).stdout || '[]') as object[];
    const mine = visit('c0', () => {
      const socket = new NetlinkSocket();
      try {
        const names = readLinkNames(socket);
        return {
          rules: readRules(socket),
          neighbors: readNeighbors(socket, names),
          proxies: readProxies(socket, names),
          nexthops: readNexthops(socket, names),
          routes: readRoutes(socket, names),
          qdiscs: readQdiscs(socket, names),
          filters: readFilters(socket, readLinks(socket, new Map()).links.filter(isV1), names),
          vlans: readPortVlans(socket),
        };
      } finally {
        socket.close();
      }
    });
    const rulesOf = (wanted: 4 | 6) =>
      mine.rules.flatMap(({ family, ...rule }) => (family === wanted ? [rule] : []));
    expect(rulesOf(4)).toHaveLength(12);
    expect(rulesOf(4)).toEqual(printed('ip', '-4', '-j', '-d', 'rule', 'show'));
    expect(rulesOf(6)).toHaveLength(3);
    expect(rulesOf(6)).toEqual(printed('ip', '-6', '-j', '-d', 'rule', 'show'));
    expect(mine.proxies).toHaveLength(2);
    expect(mine.proxies).toEqual(printed('ip', '-j', '-d', 'neigh', 'show', 'proxy'));
    expect(mine.nexthops).toHaveLength(5);
    expect(mine.nexthops).toEqual(printed('ip', '-j', '-d', 'nexthop', 'show'));
    expect(mine.routes.filter(({ nhid, tos, pref }) => nhid ?? tos ?? pref === 'high')).toHaveLength(4);
    const routes = printed('ip', '-j', '-d', 'route', 'show', 'table', 'all') as IpRoute[];
    expect(mine.routes.filter(isDeclarable).map((route) => pick(route, routeFields))).toEqual(
      routes.filter(isDeclarable).map((route) => pick(route, routeFields)),
    );
    expect(mine.neighbors).toHaveLength(3);
    expect(mine.neighbors).toEqual(printed('ip', '-j', '-d', 'neigh', 'show'));
    const fields = ['kind', 'handle', 'dev', 'root', 'parent'];
    expect(mine.qdiscs.map(({ kind }) => kind)).toContain('clsact');
    expect(mine.qdiscs.map((qdisc) => pick(qdisc, fields))).toEqual(
      printed('tc', '-j', 'qdisc', 'show').map((qdisc) => pick(qdisc, fields)),
    );
    for (const { dev, options } of mine.qdiscs.filter(({ kind }) => kind === 'tbf' || kind === 'netem'))
      expect(rounded(options)).toMatchObject(
        rounded(Object.assign({}, ...printed('tc', '-j', 'qdisc', 'show', 'dev', dev).map(optionsOf))),
      );
    expect(mine.filters.at(-1)?.options?.actions).toHaveLength(1);
    expect(mine.filters.map(comparableFilter)).toEqual(
      printed('tc', '-j', 'filter', 'show', 'dev', 'v1', 'ingress').map(comparableFilter),
    );
    expect(mine.vlans).toEqual(printed('bridge', '-j', '-compressvlans', 'vlan', 'show'));
    expect(mine.vlans.length).toBe(hasVlanFiltering ? 2 : 0);
  } finally {
    tryLines(['netns del c0']);
  }
}
