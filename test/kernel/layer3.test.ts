import { spawn } from 'node:child_process';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { dump, expectCode, ifindex, ip, sh, topoweave, workFolder } from '../support/host.ts';

const folder = workFolder();
afterAll(() => folder.remove());
let clean = '';
beforeEach(() => {
  clean = dump();
});
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
  expect(dump()).toBe(clean);
});

/** Two namespaces and a cable; `a` is what is said of namespace a, `end` of its end of the cable. */
function lab(a: string, end = '', mac = '02:00:00:00:00:01'): string {
  return folder.write(
    'layer3.yaml',
    `name: layer3
tables: { isp1: 101, isp2: 102 }
namespaces:
  a:
${a.replace(/^/gm, '    ')}
  b: {}
links:
  - endpoints:
      a:eth0: { addresses: [10.0.0.1/24, "fd00::1/64"${end.startsWith('{') ? `, ${end}` : ''}], macaddress: "${mac}"${end === '' || end.startsWith('{') ? '' : `, ${end}`} }
      b:eth0: [10.0.0.2/24, 10.0.0.3/24, "fd00::2/64"]
`,
  );
}

interface PlanJson {
  readonly steps: readonly { readonly kind: string; readonly action: string; readonly resource: string }[];
}

/** Applies both files; what the second one does to resources of the kind, as the plan has it. */
async function actions(kind: string, before: readonly string[], after: readonly string[]): Promise<string[]> {
  const file = (words: readonly string[]) => lab(words[0] ?? '', words[1], words[2]);
  await expectCode(0, 'apply', file(before));
  await expectCode(0, 'plan', '--detailed-exitcode', file(before));
  const index = ifindex('a', 'eth0');
  const { stdout } = await expectCode(0, 'plan', '--json', file(after));
  await expectCode(0, 'apply', file(after));
  await expectCode(0, 'plan', '--detailed-exitcode', file(after));
  expect(ifindex('a', 'eth0')).toBe(index);
  const { steps } = JSON.parse(stdout) as PlanJson;
  return steps.filter((step) => step.kind === kind).map(({ action }) => action);
}

const rule = (words: string) => [`routing-policy: [{ ${words} }]`];
const neighbor = (words: string) => [`neighbors: [{ ${words} }]`];
const route = (words: string) => [`routes: [{ ${words} }]`];
const hops = (words: string) => [
  `nexthops: { x: { id: 7, via: 10.0.0.2 }, y: { id: 8, via: 10.0.0.3 }, ${words} }`,
];

/** What the kernel takes on the running object, and what takes another object. The interface stays in each case. */
const cases: readonly [string, string, readonly string[], readonly string[], readonly string[]][] = [
  [
    'rule: table',
    'rule',
    rule('from: 10.1.0.0/16, table: isp1'),
    rule('from: 10.1.0.0/16, table: isp2'),
    ['update'],
  ],
  [
    'rule: type',
    'rule',
    rule('from: 10.1.0.0/16, table: isp1'),
    rule('from: 10.1.0.0/16, type: prohibit'),
    ['update'],
  ],
  [
    'rule: suppress-prefix-length',
    'rule',
    rule('table: isp1'),
    rule('table: isp1, suppress-prefix-length: 0'),
    ['replace'],
  ],
  ['rule: goto', 'rule', rule('goto: 20000'), rule('goto: 20001'), ['replace']],
  [
    'rule: priority',
    'rule',
    rule('priority: 5, table: 9'),
    rule('priority: 6, table: 9'),
    ['delete', 'create'],
  ],
  [
    'rule: every selector',
    'rule',
    rule(
      'not: true, from: 10.1.0.0/16, to: 10.2.0.1, iif: eth0, oif: lo, mark: 0x10/0xf0, type-of-service: 16, ip-proto: udp, sport: 80-90, dport: 53, uidrange: 0-99, table: 9',
    ),
    rule('family: ipv6, mark: 7, iif: eth0, ip-proto: 58, table: isp1'),
    ['create', 'delete'],
  ],
  [
    'rule: IPv6 table',
    'rule',
    rule('to: "fd00:9::/64", table: isp1'),
    rule('to: "fd00:9::/64", table: 70000'),
    ['update'],
  ],
  [
    'neighbor: macaddress',
    'neighbor',
    neighbor('to: 10.0.0.9, macaddress: "02:00:00:00:00:09"'),
    neighbor('to: 10.0.0.9, macaddress: "02:00:00:00:00:0a"'),
    ['update'],
  ],
  [
    'neighbor: IPv6',
    'neighbor',
    neighbor('to: "fd00::9", macaddress: "02:00:00:00:00:09"'),
    neighbor('to: "fd00::a", macaddress: "02:00:00:00:00:09"'),
    ['delete', 'create'],
  ],
  [
    'neighbor: proxy',
    'neighbor',
    neighbor('to: 10.0.0.9, dev: eth0, proxy: true'),
    neighbor('to: "fd00::9", dev: eth0, proxy: true'),
    ['delete', 'create'],
  ],
  [
    "neighbor: the interface's MAC address",
    'neighbor',
    neighbor('to: 10.0.0.9, macaddress: "02:00:00:00:00:09"'),
    [...neighbor('to: 10.0.0.9, macaddress: "02:00:00:00:00:09"'), '', '02:00:00:00:00:77'],
    ['replace'],
  ],
  [
    'nexthop: via',
    'nexthop',
    hops('z: { id: 9, via: 10.0.0.2 }'),
    hops('z: { id: 9, via: 10.0.0.7 }'),
    ['update'],
  ],
  [
    'nexthop: on-link',
    'nexthop',
    hops('z: { id: 9, via: 10.0.0.2 }'),
    hops('z: { id: 9, via: 10.7.0.2, dev: eth0, on-link: true }'),
    ['update'],
  ],
  [
    'nexthop: group',
    'nexthop',
    hops('z: { id: 9, group: [x, y] }'),
    hops('z: { id: 9, group: { x: 3, y: 1 } }'),
    ['update'],
  ],
  [
    'nexthop: kind',
    'nexthop',
    hops('z: { id: 9, group: [x] }'),
    hops('z: { id: 9, blackhole: true }'),
    ['replace'],
  ],
  [
    'nexthop: family',
    'nexthop',
    hops('z: { id: 9, via: 10.0.0.2 }'),
    hops('z: { id: 9, via: "fd00::2" }'),
    ['replace'],
  ],
  [
    'route: metrics',
    'route',
    route('to: 10.9.0.0/16, via: 10.0.0.2, initial-congestion-window: 20, hop-limit: 9'),
    route('to: 10.9.0.0/16, via: 10.0.0.2, initial-receive-window: 30, quick-ack: true'),
    ['update'],
  ],
  [
    'route: preference',
    'route',
    route('to: "fd09::/64", via: "fd00::2", preference: high'),
    route('to: "fd09::/64", via: "fd00::2"'),
    ['update'],
  ],
  [
    'route: type-of-service',
    'route',
    route('to: 10.9.0.0/16, via: 10.0.0.2, type-of-service: 16'),
    route('to: 10.9.0.0/16, via: 10.0.0.2'),
    ['create', 'delete'],
  ],
  [
    'address: lifetime',
    'address',
    ['{}', '{ address: 10.5.0.1/24, lifetime: 1000 }'],
    ['{}', '{ address: 10.5.0.1/24, lifetime: 500, preferred: 100 }'],
    ['update'],
  ],
  [
    'address: lifetime, for ever',
    'address',
    ['{}', '{ address: "fd05::1/64", lifetime: 1000, prefix-route: false }'],
    ['{}', '{ address: "fd05::1/64", prefix-route: false }'],
    ['update'],
  ],
  [
    'address: deprecated',
    'address',
    ['{}', '{ address: 10.5.0.1/24 }'],
    ['{}', '{ address: 10.5.0.1/24, lifetime: 0 }'],
    ['update'],
  ],
  [
    'address: deprecated, IPv6',
    'address',
    ['{}', '{ address: "fd05::1/64", lifetime: 0 }'],
    ['{}', '{ address: "fd05::1/64" }'],
    ['update'],
  ],
  [
    'address: label',
    'address',
    ['{}', '{ address: 10.5.0.1/24 }'],
    ['{}', '{ address: 10.5.0.1/24, label: "eth0:x" }'],
    ['replace'],
  ],
  [
    'address: scope',
    'address',
    ['{}', '{ address: 10.5.0.1/24, scope: link }'],
    ['{}', '{ address: 10.5.0.1/24 }'],
    ['replace'],
  ],
  [
    'address: broadcast',
    'address',
    ['{}', '{ address: 10.5.0.1/24, broadcast: 10.5.0.7 }'],
    ['{}', '{ address: 10.5.0.1/24 }'],
    ['replace'],
  ],
  [
    'address: prefix-route',
    'address',
    ['{}', '{ address: 10.5.0.1/24, prefix-route: false }'],
    ['{}', '{ address: 10.5.0.1/24 }'],
    ['replace'],
  ],
  [
    'address: peer',
    'address',
    ['{}', '{ address: 10.5.0.1, peer: 10.5.0.2 }'],
    ['{}', '{ address: 10.5.0.1, peer: 10.6.0.0/24 }'],
    ['create', 'delete'],
  ],
  ['interface: accept-ra', 'sysctl', ['{}', 'accept-ra: false'], ['{}', 'accept-ra: 2'], ['update']],
  ['interface: dad', 'sysctl', ['{}', 'dad: false'], ['{}', ''], ['delete', 'delete']],
  [
    'interface: ipv6-privacy',
    'sysctl',
    ['{}', 'ipv6-privacy: true'],
    ['{}', 'ipv6-privacy: false'],
    ['update'],
  ],
  [
    'interface: ipv6-address-generation',
    'sysctl',
    ['{}', 'ipv6-address-generation: stable-privacy'],
    ['{}', 'ipv6-address-generation: eui64'],
    ['update'],
  ],
  [
    'interface: sysctls',
    'sysctl',
    ['{}', 'sysctls: { rp_filter: 2 }'],
    ['{}', 'sysctls: { ipv4.neigh.gc_stale_time: 7 }'],
    ['update', 'delete'],
  ],
];

for (const [name, kind, before, after, expected] of cases) {
  test(`${name}: ${expected.join(', ')}`, async () => {
    const found = await actions(kind, before, after);
    expect(found.toSorted()).toEqual(expected.toSorted());
  });
}

test('rules, neighbours and nexthops of others stay, and those of ours are put back', async () => {
  const file = lab(`routing-policy: [{ from: 10.1.0.0/16, table: isp1, priority: 7 }]
neighbors: [{ to: 10.0.0.9, macaddress: "02:00:00:00:00:09" }]
nexthops: { x: { id: 7, via: 10.0.0.2 } }
routes: [{ to: 10.9.0.0/16, nexthop: x }]`);
  await expectCode(0, 'apply', file);
  const before = ['rule', 'neigh', 'nexthop'].map((object) => ip('a', object, 'show'));
  ip('a', 'rule', 'add', 'from', '10.7.0.0/16', 'table', '7', 'priority', '70');
  ip('a', 'neigh', 'add', '10.0.0.70', 'lladdr', '02:00:00:00:00:70', 'dev', 'eth0');
  ip('a', 'nexthop', 'add', 'id', '70', 'via', '10.0.0.2', 'dev', 'eth0');
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  ip('a', 'rule', 'del', 'priority', '7');
  ip('a', 'neigh', 'del', '10.0.0.9', 'dev', 'eth0');
  // Its route goes along.
  ip('a', 'nexthop', 'del', 'id', '7');
  await expectCode(2, 'plan', '--detailed-exitcode', file);
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  ip('a', 'rule', 'del', 'priority', '70');
  ip('a', 'neigh', 'del', '10.0.0.70', 'dev', 'eth0');
  ip('a', 'nexthop', 'del', 'id', '70');
  expect(['rule', 'neigh', 'nexthop'].map((object) => ip('a', object, 'show'))).toEqual(before);
  // What is not in the file any more goes: the mark of the namespace says where to look.
  await expectCode(0, 'apply', lab('{}'));
  expect(ip('a', 'rule', 'show')).not.toContain('10.1.0.0');
  expect(ip('a', 'neigh', 'show', 'nud', 'permanent')).toBe('');
  expect(ip('a', 'nexthop', 'show')).toBe('');
});

test('on the host only what the record knows is ours', async () => {
  sh('ip', 'rule', 'add', 'from', '10.66.0.0/16', 'table', '66', 'priority', '66', 'protocol', '116');
  sh('ip', 'rule', 'add', 'from', '10.67.0.0/16', 'table', '67', 'priority', '67');
  clean = dump();
  const write = (rules: string) =>
    folder.write('host.yaml', `name: hostrules\nnamespaces: { host: { routing-policy: [${rules}] } }\n`);
  const file = write(
    '{ from: 10.65.0.0/16, table: 65, priority: 65 }, { to: "fd65::/64", type: unreachable }',
  );
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  expect(sh('ip', 'rule')).toContain('65:\tfrom 10.65.0.0/16 lookup 65 proto 116');
  expect(sh('ip', '-6', 'rule')).toContain('10001:\tfrom all to fd65::/64 unreachable proto 116');
  // The very same rule of somebody else is in the way.
  const conflict = await topoweave('apply', write('{ from: 10.67.0.0/16, table: 67, priority: 67 }'));
  expect(conflict.code).not.toBe(0);
  expect(conflict.stderr).toContain('does not belong to this lab');
  await expectCode(0, 'apply', write('{ from: 10.64.0.0/16, table: 64, priority: 64 }'));
  expect(sh('ip', 'rule')).not.toContain('10.65.0.0');
  await expectCode(0, 'destroy', 'hostrules');
  expect(dump()).toBe(clean);
  sh('ip', 'rule', 'del', 'priority', '66');
  sh('ip', 'rule', 'del', 'priority', '67');
  clean = dump();
});

test('a group that loses a member keeps its routes', async () => {
  const write = (nexthops: string, name = 'g') =>
    lab(
      `nexthops: { ${nexthops} }\nroutes: [{ to: 10.9.0.0/16, nexthop: ${name} }, { to: 10.8.0.0/16, nexthop: ${name} }]`,
    );
  const [x, y] = ['x: { id: 7, via: 10.0.0.2 }', 'y: { id: 8, via: 10.0.0.3 }'];
  await expectCode(0, 'apply', write(`${x}, g: { id: 9, group: [x] }`));
  const monitor = spawn('ip', ['-n', 'a', 'monitor', 'route'], { stdio: ['ignore', 'pipe', 'ignore'] });
  let events = '';
  monitor.stdout.on('data', (data) => {
    events += String(data);
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  // The only member is another one, and the old one goes.
  const file = write(`${y}, g: { id: 9, group: [y] }`);
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  // The routes use the member itself, and the group goes.
  const other = write(y, 'y');
  await expectCode(0, 'apply', other);
  await expectCode(0, 'plan', '--detailed-exitcode', other);
  await new Promise((resolve) => setTimeout(resolve, 300));
  monitor.kill();
  expect(events).not.toContain('Deleted');
  expect(ip('a', 'route', 'show')).toMatch(/10\.9\.0\.0\/16 nhid 8/);
});

test('what a link loses when it goes down is put back when it is up again', async () => {
  const all = `neighbors: [{ to: 10.0.0.9, macaddress: "02:00:00:00:00:09" }, { to: 10.0.0.8, dev: eth0, proxy: true }]
nexthops: { x: { id: 7, via: 10.0.0.2 }, g: { id: 8, group: [x] } }
routes: [{ to: 10.9.0.0/16, nexthop: g }]`;
  await expectCode(0, 'apply', lab(all));
  ip('a', 'link', 'set', 'eth0', 'down');
  await expectCode(0, 'apply', lab(all));
  await expectCode(0, 'plan', '--detailed-exitcode', lab(all));
  expect(ip('a', 'route', 'show')).toContain('10.9.0.0/16 nhid 8');
  // The pair is made anew, and all that was on it.
  ip('a', 'link', 'del', 'eth0');
  await expectCode(0, 'apply', lab(all));
  await expectCode(0, 'plan', '--detailed-exitcode', lab(all));
});

test('a next hop waits for the carrier of its device, and says so where none comes', async () => {
  const file = (devices: string, bridge: string) =>
    folder.write(
      'carrier.yaml',
      `name: carrier
namespaces:
  a: { ${devices}, nexthops: { x: { id: 7, via: 10.1.0.2 } }, routes: [{ to: 10.9.0.0/16, nexthop: x }] }
  b: {}
bridges: { ${bridge} }
`,
    );
  // The spanning tree protocol listens and learns for two seconds each.
  const bridge = `br0: { namespace: a, addresses: 10.1.0.1/24, parameters: { stp: true, forward-delay: 2 },
    ports: { b:eth0: 10.1.0.2/24 } }`;
  await expectCode(0, 'apply', file('forwarding: true', bridge));
  await expectCode(0, 'plan', '--detailed-exitcode', file('forwarding: true', bridge));
  expect(ip('a', 'route', 'show', '10.9.0.0/16')).toContain('nhid 7');
  await expectCode(0, 'destroy', 'carrier');
  // Nobody opens the device.
  const tap = 'interfaces: { tap0: { type: tap, addresses: 10.1.0.1/24 } }';
  const { stderr } = await expectCode(1, 'apply', file(tap, ''));
  expect(stderr).toContain('cannot create a/nexthop/7: Carrier for nexthop device is down');
  expect(stderr).toContain('carrier.yaml:3');
});

test('an interface never has a link-local address that it must not have, and loses one', async () => {
  const linkLocal = () => ip('a', '-6', 'address', 'show', 'dev', 'eth0', 'scope', 'link');
  await expectCode(0, 'apply', lab('{}', 'link-local: [], dad: false'));
  expect(linkLocal()).toBe('');
  expect(ip('a', '-6', 'address', 'show', 'dev', 'eth0')).not.toContain('tentative');
  await expectCode(0, 'apply', lab('{}'));
  expect(linkLocal()).toContain('fe80::');
  await expectCode(0, 'apply', lab('{}', 'link-local: []'));
  expect(linkLocal()).toBe('');
  await expectCode(0, 'plan', '--detailed-exitcode', lab('{}', 'link-local: []'));
  // Where it is made anew, it is so again.
  ip('a', 'link', 'del', 'eth0');
  await expectCode(0, 'apply', lab('{}', 'link-local: []'));
  expect(linkLocal()).toBe('');
});

test('an address with an end is ours, and goes with the file', async () => {
  await expectCode(0, 'apply', lab('{}', '{ address: 10.5.0.1/24, lifetime: 1000 }'));
  expect(ip('a', 'address', 'show', 'dev', 'eth0')).toContain('dynamic');
  await expectCode(0, 'apply', lab('{}'));
  expect(ip('a', 'address', 'show', 'dev', 'eth0')).not.toContain('10.5.0.1');
});
