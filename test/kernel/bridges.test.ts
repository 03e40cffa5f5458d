import { afterAll, afterEach, expect, test } from 'vitest';
import {
  engineName,
  expectCode,
  ifindex,
  ip,
  kernelHas,
  namespaces,
  sh,
  workFolder,
} from '../support/host.ts';

const folder = workFolder();
afterAll(() => folder.remove());
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
});

/** A bridge `lan` in gw with ports for a and b, and a member `up`, the end of a cable; each with its own keys. */
function lab({ bridge = '', a = '', up = '' }: { bridge?: string; a?: string; up?: string }): string {
  return folder.write(
    'bridges.yaml',
    `name: bridges
namespaces: [gw, a, b]
bridges:
  lan:
    namespace: gw
    ${bridge}
    ports: { a:eth0: { addresses: 10.0.0.1/24, ${a} }, b:eth0: { addresses: 10.0.0.2/24 } }
    members: { up: { ${up} } }
links: [[gw:up, gw:down]]
`,
  );
}

interface Link {
  readonly linkinfo: {
    readonly info_data: Record<string, unknown>;
    readonly info_slave_data: Record<string, unknown>;
  };
}

function linkInfo(name: string): Link['linkinfo'] {
  const [link] = JSON.parse(ip('gw', '-j', '-d', 'link', 'show', 'dev', name)) as Link[];
  if (link === undefined) throw new Error(`no ${name}`);
  return link.linkinfo;
}

/** Applies a file and plans again: one change, on the interface that is there, and then none. */
async function change(file: string): Promise<void> {
  const indexes = () => ['lan', 'a-eth0', 'up'].map((name) => ifindex('gw', name));
  const before = indexes();
  const plan = await expectCode(2, 'plan', '--detailed-exitcode', file);
  expect(plan.stdout).toContain('Plan: 0 to add, 1 to change, 0 to destroy.');
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  expect(indexes()).toEqual(before);
}

/** One at a time; with the programs, whose runs take long, some at a time. */
function groupsOf<T>(list: readonly T[]): T[][] {
  const size = engineName === 'ip' ? 10 : 1;
  return Array.from({ length: Math.ceil(list.length / size) }, (_, index) =>
    list.slice(index * size, (index + 1) * size),
  );
}

const parameters: readonly [words: string, json: string, value: unknown][] = [
  ['stp: true', 'stp_state', 1],
  ['priority: 4096', 'priority', 4096],
  ['forward-delay: 4', 'forward_delay', 400],
  ['hello-time: 1', 'hello_time', 100],
  ['max-age: 10', 'max_age', 1000],
  ['ageing-time: 60', 'ageing_time', 6000],
  ['group-forward-mask: [lldp, eapol]', 'group_fwd_mask', '0x4008'],
  ['group-address: "01:80:C2:00:00:0E"', 'group_addr', '01:80:c2:00:00:0e'],
  ['no-linklocal-learn: true', 'no_linklocal_learn', 1],
  ['mcast-snooping: false', 'mcast_snooping', 0],
  ['mcast-querier: true', 'mcast_querier', 1],
  ['mcast-router: permanent', 'mcast_router', 2],
  ['mcast-query-use-ifaddr: true', 'mcast_query_use_ifaddr', 1],
  ['mcast-query-interval: 60', 'mcast_query_intvl', 6000],
  ['mcast-query-response-interval: 5', 'mcast_query_response_intvl', 500],
  ['mcast-querier-interval: 100', 'mcast_querier_intvl', 10000],
  ['mcast-membership-interval: 100', 'mcast_membership_intvl', 10000],
  ['mcast-last-member-interval: 0.5', 'mcast_last_member_intvl', 50],
  ['mcast-last-member-count: 3', 'mcast_last_member_cnt', 3],
  ['mcast-startup-query-interval: 10', 'mcast_startup_query_intvl', 1000],
  ['mcast-startup-query-count: 4', 'mcast_startup_query_cnt', 4],
  ['mcast-hash-max: 512', 'mcast_hash_max', 512],
  ['mcast-igmp-version: 3', 'mcast_igmp_version', 3],
  ['mcast-mld-version: 2', 'mcast_mld_version', 2],
  ['mcast-stats: true', 'mcast_stats_enabled', 1],
  ['nf-call-iptables: true', 'nf_call_iptables', 1],
  ['nf-call-ip6tables: true', 'nf_call_ip6tables', 1],
  ['nf-call-arptables: true', 'nf_call_arptables', 1],
];

test('every parameter changes on the running bridge, and goes back', async () => {
  await expectCode(0, 'apply', lab({}));
  const initial = linkInfo('lan').info_data;
  for (const group of groupsOf(parameters)) {
    await change(lab({ bridge: `parameters: { ${group.map(([words]) => words).join(', ')} }` }));
    for (const [words, json, value] of group) expect(linkInfo('lan').info_data[json], words).toEqual(value);
  }
  // The last one goes back here; the others did on the way.
  await change(lab({}));
  const names = parameters.map(([, json]) => json);
  const pick = (data: Record<string, unknown>) => Object.fromEntries(names.map((name) => [name, data[name]]));
  expect(pick(linkInfo('lan').info_data)).toEqual(pick(initial));
});

test('a bridge is made with its parameters', async () => {
  const bridge = `parameters: { ${parameters.map(([text]) => text).join(', ')} }`;
  await expectCode(0, 'apply', lab({ bridge }));
  await expectCode(0, 'plan', '--detailed-exitcode', lab({ bridge }));
  const data = linkInfo('lan').info_data;
  for (const [text, json, value] of parameters) expect(data[json], text).toEqual(value);
});

const settings: readonly [words: string, json: string, value: unknown][] = [
  ['isolated: true', 'isolated', true],
  ['hairpin: true', 'hairpin', true],
  ['learning: false', 'learning', false],
  ['flood: false', 'flood', false],
  ['mcast-flood: false', 'mcast_flood', false],
  ['bcast-flood: false', 'bcast_flood', false],
  ['mcast-to-unicast: true', 'mcast_to_unicast', true],
  ['mcast-fast-leave: true', 'fastleave', true],
  ['mcast-router: disabled', 'multicast_router', 0],
  ['neigh-suppress: true', 'neigh_suppress', true],
  ['proxy-arp: true', 'proxy_arp', true],
  ['locked: true', 'locked', true],
  ['priority: 8', 'priority', 8],
  ['guard: true', 'guard', true],
  ['root-block: true', 'root_block', true],
  ['group-forward-mask: [lacp, lldp]', 'group_fwd_mask', '0x4004'],
  ['path-cost: 77', 'cost', 77],
];

for (const where of ['a', 'up'] as const) {
  const name = where === 'a' ? 'a-eth0' : 'up';
  test(`every setting changes on the running port ${name}, and goes back`, async () => {
    await expectCode(0, 'apply', lab({}));
    for (const group of groupsOf(settings)) {
      await change(lab({ [where]: group.map(([words]) => words).join(', ') }));
      for (const [words, json, value] of group)
        expect(linkInfo(name).info_slave_data[json], words).toEqual(value);
    }
    // The cost is the kernel's choice again, and so stays.
    await expectCode(0, 'apply', lab({}));
    await expectCode(0, 'plan', '--detailed-exitcode', lab({}));
    expect(linkInfo(name).info_slave_data).toMatchObject({ isolated: false, guard: false, cost: 77 });
  });
}

test('a port that comes back into its bridge gets its settings again', async () => {
  const file = lab({ a: 'isolated: true, priority: 8', up: 'learning: false' });
  await expectCode(0, 'apply', file);
  for (const name of ['a-eth0', 'up']) ip('gw', 'link', 'set', 'dev', name, 'nomaster');
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  expect(linkInfo('a-eth0').info_slave_data).toMatchObject({ isolated: true, priority: 8 });
  expect(linkInfo('up').info_slave_data).toMatchObject({ learning: false });
  ip('gw', 'link', 'del', 'dev', 'lan');
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  ip('gw', 'link', 'set', 'dev', 'up', 'type', 'bridge_slave', 'learning', 'on', 'guard', 'on');
  await change(file);
});

test('a kernel without VLAN filtering is told before anything is touched', async () => {
  const file = lab({ a: 'tag: 10' });
  if (kernelHas('bridge VLAN filtering')) {
    await expectCode(0, 'apply', file);
    return;
  }
  const { stderr } = await expectCode(69, 'apply', file);
  expect(stderr).toContain('error: this kernel has no bridge VLAN filtering; nothing was changed');
  expect(namespaces()).toEqual([]);
});

const mac = '02:00:00:00:00:09';

function staticEntries(): string[] {
  const text = sh('ip', 'netns', 'exec', 'gw', 'bridge', '-j', 'fdb', 'show');
  const entries = JSON.parse(text) as { mac: string; ifname: string; state: string; vlan?: number }[];
  return entries
    .filter(({ state, vlan }) => state === 'static' && vlan === undefined)
    .map(({ mac: address, ifname }) => `${address} ${ifname}`)
    .sort();
}

test('static forwarding entries come, move, are repaired and go', async () => {
  await expectCode(0, 'apply', lab({ bridge: `fdb: { "${mac}": a:eth0 }` }));
  expect(staticEntries()).toEqual([`${mac} a-eth0`]);
  await change(lab({ bridge: `fdb: { "${mac}": b:eth0 }` }));
  expect(staticEntries()).toEqual([`${mac} b-eth0`]);
  const file = lab({ bridge: `fdb: { "${mac}": up }` });
  await change(file);
  sh('ip', 'netns', 'exec', 'gw', 'bridge', 'fdb', 'del', mac, 'dev', 'up', 'master', 'static');
  await expectCode(2, 'plan', '--detailed-exitcode', file);
  await expectCode(0, 'apply', file);
  expect(staticEntries()).toEqual([`${mac} up`]);
  ip('gw', 'link', 'del', 'dev', 'lan');
  await expectCode(0, 'apply', file);
  expect(staticEntries()).toEqual([`${mac} up`]);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  // The last one of the file: the record says where to look for what is left.
  await expectCode(0, 'apply', lab({}));
  expect(staticEntries()).toEqual([]);
  await expectCode(0, 'plan', '--detailed-exitcode', lab({}));
});

test('a static entry that is in no file stays, even in a bridge of ours', async () => {
  await expectCode(0, 'apply', lab({}));
  sh('ip', 'netns', 'exec', 'gw', 'bridge', 'fdb', 'add', mac, 'dev', 'up', 'master', 'static');
  // With it, the forwarding entries of the namespace are read.
  ip('gw', 'link', 'add', 'name', 'vx0', 'type', 'vxlan', 'id', '1', 'dstport', '4789');
  await expectCode(0, 'plan', '--detailed-exitcode', lab({}));
  expect(staticEntries()).toEqual([`${mac} up`]);
});

test('a static entry of a foreign bridge stays', async () => {
  sh('ip', 'link', 'add', 'name', 'theirs', 'type', 'bridge');
  sh('ip', 'link', 'add', 'name', 'v0', 'type', 'veth', 'peer', 'name', 'v1');
  try {
    sh('ip', 'link', 'set', 'dev', 'v0', 'master', 'theirs');
    sh('bridge', 'fdb', 'add', mac, 'dev', 'v0', 'master', 'static');
    const before = sh('bridge', 'fdb', 'show', 'br', 'theirs');
    const file = folder.write(
      'host.yaml',
      `name: bridges
namespaces: [a]
bridges: { ours: { ports: [a:eth0], fdb: { "02:00:00:00:00:08": a:eth0 } } }
`,
    );
    await expectCode(0, 'apply', file);
    await expectCode(0, 'plan', '--detailed-exitcode', file);
    await expectCode(0, 'destroy', file);
    expect(sh('bridge', 'fdb', 'show', 'br', 'theirs')).toBe(before);
  } finally {
    sh('ip', 'link', 'del', 'dev', 'theirs');
    sh('ip', 'link', 'del', 'dev', 'v0');
  }
});
