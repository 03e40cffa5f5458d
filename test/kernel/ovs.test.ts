import { rmSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { dump, expectCode, ifindex, ip, sh, topoweave, workFolder } from '../support/host.ts';
import { endDaemon, type Ovs, startOvs } from '../support/ovs.ts';

const folder = workFolder();
let ovs: Ovs;
let before = '';
let database = '';
beforeAll(() => {
  ovs = startOvs();
});
beforeEach(() => {
  before = dump();
  database = ovs.show();
});
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
  expect(dump()).toBe(before);
  expect(ovs.show()).toBe(database);
});
afterAll(() => {
  ovs.stop();
  folder.remove();
});

/** Two bridges, the second with what the test is about. */
function lab(bridge: string, rest = ''): string {
  return folder.write(
    'ovs.yaml',
    `name: ovs
namespaces: [a, b]
bridges:
  first: { type: ovs, ports: { b:eth0: 10.0.0.2/24 } }
  second: { type: ovs, ${bridge} }
links: [[host:up0, a:up0], [host:up1, a:up1], [host:up2, a:up2]]
${rest}`,
  );
}

function row(table: string, name: string, column: string): string {
  return sh('ovs-vsctl', '--if-exists', 'get', table, name, column).trim();
}

/** Applies both, each with an empty plan behind it; gives the row's identity before and after. */
async function change(table: string, name: string, one: string, other: string): Promise<[string, string]> {
  const identity = () => {
    const uuid = row(table, name, '_uuid');
    return table === 'Port' && name !== 'int0' ? uuid : `${uuid} ${ifindex('host', name)}`;
  };
  await expectCode(0, 'apply', lab(one));
  await expectCode(0, 'plan', '--detailed-exitcode', lab(one));
  const was = identity();
  await expectCode(2, 'plan', '--detailed-exitcode', lab(other));
  await expectCode(0, 'apply', lab(other));
  await expectCode(0, 'plan', '--detailed-exitcode', lab(other));
  return [was, identity()];
}

const port = (settings: string) => `ports: { a:eth0: { ${settings} } }`;
const internal = (settings: string) => `internal: { int0: { ${settings} } }`;
const tunnel = (settings: string) => `tunnels: { tun0: { ${settings} } }`;
const bond = (settings: string) => `bonds: { bond0: { ${settings} } }`;

/** What changes on the running object, and what makes a new one. */
const cases: readonly [
  what: string,
  table: string,
  name: string,
  one: string,
  other: string,
  kept: boolean,
][] = [
  ['bridge: mtu', 'Bridge', 'second', '', 'mtu: 1400', true],
  ['bridge: macaddress', 'Bridge', 'second', '', 'macaddress: "02:00:00:00:00:99"', true],
  ['bridge: state', 'Bridge', 'second', '', 'state: down', true],
  ['bridge: alias', 'Bridge', 'second', '', 'alias: hello', true],
  ['bridge: addresses', 'Bridge', 'second', '', 'addresses: 10.1.0.1/24', true],
  [
    'bridge: controller',
    'Bridge',
    'second',
    'controller: tcp:127.0.0.1:6653',
    'controller: [ptcp:6640]',
    true,
  ],
  ['bridge: no controller', 'Bridge', 'second', 'controller: tcp:127.0.0.1:6653', '', true],
  ['bridge: fail-mode', 'Bridge', 'second', 'fail-mode: secure', 'fail-mode: standalone', true],
  ['bridge: no fail-mode', 'Bridge', 'second', 'fail-mode: secure', '', true],
  ['bridge: protocols', 'Bridge', 'second', 'protocols: [OpenFlow13]', 'protocols: [OpenFlow10]', true],
  ['bridge: stp', 'Bridge', 'second', 'stp: true', 'stp: false', true],
  ['bridge: rstp', 'Bridge', 'second', 'stp: true', 'rstp: true', true],
  ['bridge: mcast-snooping', 'Bridge', 'second', '', 'mcast-snooping: true', true],
  [
    'bridge: other-config',
    'Bridge',
    'second',
    'other-config: { mac-aging-time: 60, x: "a \\"quoted\\" = word" }',
    'other-config: { mac-aging-time: 90 }',
    true,
  ],
  ['port: tag', 'Port', 'a-eth0', port('tag: 10'), port('tag: 20'), true],
  ['port: no tag', 'Port', 'a-eth0', port('tag: 10'), port(''), true],
  ['port: trunks', 'Port', 'a-eth0', port('trunks: [10, "20-30"]'), port('trunks: ["5-6"]'), true],
  ['port: native', 'Port', 'a-eth0', port('trunks: [10]'), port('trunks: [10], native: 5'), true],
  ['internal: tag', 'Port', 'int0', internal('tag: 10'), internal('trunks: [10], native: 20'), true],
  ['internal: mtu', 'Port', 'int0', internal(''), internal('mtu: 1300'), true],
  ['internal: macaddress', 'Port', 'int0', internal(''), internal('macaddress: "02:00:00:00:00:99"'), true],
  ['internal: addresses', 'Port', 'int0', internal(''), internal('addresses: 10.1.0.1/24'), true],
  [
    'tunnel: remote, key, tag',
    'Port',
    'tun0',
    tunnel('type: gre, remote: 192.0.2.1'),
    tunnel('type: gre, remote: 192.0.2.2, key: 5, local: 192.0.2.9, ttl: inherit, tos: 4, tag: 5'),
    true,
  ],
  [
    'tunnel: port',
    'Port',
    'tun0',
    tunnel('type: vxlan, remote: 192.0.2.1'),
    tunnel('type: vxlan, remote: 192.0.2.1, port: 8472'),
    true,
  ],
  [
    'tunnel: type',
    'Port',
    'tun0',
    tunnel('type: gre, remote: 192.0.2.1'),
    tunnel('type: geneve, remote: 192.0.2.1'),
    false,
  ],
  ['patch: trunks', 'Port', 'second-first', 'patches: [first]', 'patches: { first: { trunks: [10] } }', true],
  ['member: tag', 'Port', 'up0', 'members: [up0]', 'members: { up0: { tag: 9 } }', true],
  [
    'bond: mode, lacp',
    'Port',
    'bond0',
    bond('members: [up0, up1]'),
    bond('members: [up0, up1], mode: balance-slb, lacp: passive, tag: 3'),
    true,
  ],
  ['bond: members', 'Port', 'bond0', bond('members: [up0, up1]'), bond('members: [up0, up1, up2]'), true],
  ['bond: another member', 'Port', 'bond0', bond('members: [up0, up1]'), bond('members: [up1, up2]'), true],
];

for (const [what, table, name, one, other, kept] of cases) {
  test(`${what}: ${kept ? 'in place' : 'made anew'}`, async () => {
    const [was, is] = await change(table, name, one, other);
    expect(is === was).toBe(kept);
  });
}

test('what is given is what the database has', async () => {
  await expectCode(
    0,
    'apply',
    lab(
      `fail-mode: secure, macaddress: "02:00:00:00:00:99", other-config: { a: "1,2=3" }, ${port('trunks: [7, "9-11"], native: 5')}`,
    ),
  );
  expect(row('Bridge', 'second', 'fail_mode')).toBe('secure');
  expect(row('Bridge', 'second', 'other_config')).toBe('{a="1,2=3", hwaddr="02:00:00:00:00:99"}');
  expect(row('Bridge', 'second', 'external_ids')).toBe('{topoweave-lab=ovs}');
  expect(row('Port', 'a-eth0', 'trunks')).toBe('[7, 9, 10, 11]');
  expect(row('Port', 'a-eth0', 'vlan_mode')).toBe('native-untagged');
  expect(ip('host', '-o', 'link', 'show', 'dev', 'second')).toContain('02:00:00:00:00:99');
});

test('what leaves the file leaves the database, and what somebody took out comes back', async () => {
  const file = lab(
    `addresses: 10.1.0.1/24, ${port('tag: 5')}, ${internal('addresses: 10.2.0.1/24')}, patches: [first]`,
  );
  await expectCode(0, 'apply', file);
  const plan = async (...words: readonly string[]) => {
    const { stdout } = await expectCode(2, 'plan', '--detailed-exitcode', file);
    for (const word of words) expect(stdout).toContain(word);
    await expectCode(0, 'apply', file);
    await expectCode(0, 'plan', '--detailed-exitcode', file);
  };
  sh('ovs-vsctl', 'del-port', 'second', 'a-eth0');
  await plan('+ ovs-port a-eth0');
  sh('ovs-vsctl', 'del-port', 'second', 'int0');
  await plan('+ ovs-internal int0', '+ address 10.2.0.1/24');
  sh('ovs-vsctl', 'del-br', 'second');
  await plan('+ ovs-bridge second', '+ ovs-port second-first', '+ address 10.1.0.1/24');
  sh('ovs-vsctl', 'set', 'Port', 'a-eth0', 'tag=6');
  await plan('tag: 6 -> 5');
  sh('ovs-vsctl', 'set', 'Port', 'a-eth0', 'vlan_mode=dot1q-tunnel');
  await plan('~ ovs-port a-eth0');
  sh('ovs-vsctl', 'clear', 'Bridge', 'second', 'external_ids');
  await plan('~ ovs-bridge second');
  await expectCode(0, 'apply', lab(''));
  expect(sh('ovs-vsctl', 'list-ports', 'second')).toBe('');
  expect(sh('ovs-vsctl', 'list-ports', 'first').trim()).toBe('b-eth0');
});

test('a port whose veth was removed by hand works again when the veth is back', async () => {
  const joined = lab(
    `${port('addresses: 10.0.0.1/24')}, patches: [first]`,
    'checks: [ping: { from: a, to: 10.0.0.2 }]\n',
  );
  await expectCode(0, 'apply', joined);
  await expectCode(0, 'check', joined);
  ip('host', 'link', 'del', 'dev', 'a-eth0');
  expect((await expectCode(2, 'plan', '--detailed-exitcode', joined)).stdout).toContain(
    '-/+ ovs-port a-eth0',
  );
  await expectCode(0, 'apply', joined);
  await expectCode(0, 'plan', '--detailed-exitcode', joined);
  await expectCode(0, 'check', joined);
});

test('a veth that gets another far end stays a port', async () => {
  const lab = (far: string) =>
    folder.write(
      'ovs.yaml',
      `name: ovs
namespaces: [a, b]
bridges:
  br0: { type: ovs, ports: { ${far}: { addresses: 10.0.0.1/24, port-name: p0 }, b:eth0: 10.0.0.2/24 } }
checks: [ping: { from: a, to: 10.0.0.2 }]
`,
    );
  await expectCode(0, 'apply', lab('a:eth0'));
  await expectCode(0, 'check', lab('a:eth0'));
  const file = lab('a:other0');
  expect((await expectCode(2, 'plan', '--detailed-exitcode', file)).stdout).toContain('-/+ ovs-port p0');
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  await expectCode(0, 'check', file);
});

test('the row of an interface that is gone is removed when the file does not want it', async () => {
  await expectCode(0, 'apply', lab(port('')));
  ip('host', 'link', 'del', 'dev', 'a-eth0');
  expect(sh('ovs-vsctl', 'list-ports', 'second').trim()).toBe('a-eth0');
  const { stdout } = await expectCode(2, 'plan', '--detailed-exitcode', lab(''));
  expect(stdout).toContain('- ovs-port a-eth0');
  await expectCode(0, 'apply', lab(''));
  expect(sh('ovs-vsctl', 'list-ports', 'second')).toBe('');
});

test('a lab of which only the database is left, as after a reboot, is found and removed', async () => {
  await expectCode(0, 'apply', lab(port('tag: 5')));
  rmSync('/run/topoweave/ovs.json');
  for (const name of ['up0', 'up1', 'up2', 'a-eth0', 'b-eth0']) ip('host', 'link', 'del', 'dev', name);
  for (const name of ['a', 'b']) sh('ip', 'netns', 'del', name);
  expect((await expectCode(0, 'status')).stdout).toContain('ovs');
});

test("a stranger's bridges and ports stay, and one in the way is an error before anything is done", async () => {
  sh('ovs-vsctl', 'add-br', 'foreign', '--', 'set', 'Bridge', 'foreign', 'datapath_type=netdev');
  ip('host', 'link', 'add', 'f0', 'type', 'veth', 'peer', 'name', 'f1');
  sh('ovs-vsctl', 'add-port', 'foreign', 'f0');
  const now = ovs.show();
  await expectCode(0, 'apply', lab(port('')));
  await expectCode(0, 'destroy', 'ovs');
  expect(ovs.show()).toBe(now);

  sh('ovs-vsctl', 'add-br', 'second', '--', 'set', 'Bridge', 'second', 'datapath_type=netdev');
  sh('ovs-vsctl', 'add-port', 'foreign', 'tun0', '--', 'set', 'Interface', 'tun0', 'type=gre');
  const then = ovs.show();
  const { stderr } = await expectCode(1, 'apply', lab(tunnel('type: gre, remote: 192.0.2.1')));
  expect(stderr).toContain('second in host is already there and does not belong to this lab');
  expect(stderr).toContain('tun0 in host is already there and does not belong to this lab');
  expect(ovs.show()).toBe(then);
  for (const name of ['second', 'foreign']) sh('ovs-vsctl', 'del-br', name);
  ip('host', 'link', 'del', 'dev', 'f0');
});

test('a Linux bridge takes the bridge of Open vSwitch as a member', async () => {
  const file = folder.write(
    'ovs.yaml',
    `name: ovs
namespaces: [a, b]
bridges:
  br0: { type: ovs, ports: { a:eth0: 10.0.0.1/24 } }
  docker0: { addresses: 10.0.0.254/24, members: [br0], ports: { b:eth0: 10.0.0.2/24 } }
checks:
  - ping: { from: a, to: 10.0.0.2 }
  - ping: { from: a, to: 10.0.0.254 }
`,
  );
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  await expectCode(0, 'check', file);
  sh('ovs-vsctl', 'del-br', 'br0');
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  await expectCode(0, 'check', file);
});

test('ports follow interfaces that get another name', async () => {
  const file = (member: string, far: string, bonded: string) =>
    folder.write(
      'ovs.yaml',
      `name: ovs
namespaces: [a, b]
bridges:
  second:
    type: ovs
    addresses: 10.0.0.1/24
    ports: { ${far}, "b:a-name-that-is-longer-than-fifteen": { addresses: 10.0.0.3/24, tag: 10 } }
    members: { ${member.split(':')[0]}: { trunks: [20, 30] } }
    bonds: { bond0: { members: [${bonded.split(':')[0]}, up2] } }
links:
  - endpoints: { host:${member.replace(':', ': ')}, a:up0: {} }
  - endpoints: { host:${bonded.replace(':', ': ')}, a:up1: {} }
  - [host:up2, a:up2]
checks: [{ ping: { from: a, to: 10.0.0.1 } }]
`,
    );
  await expectCode(0, 'apply', file('up0: {}', 'a:eth0: 10.0.0.2/24', 'up1: {}'));
  const uuid = row('Bridge', 'second', '_uuid');
  const before = ifindex('host', 'up0');
  const renamed = file(
    'new0: { was: up0 }',
    'a:eth1: { addresses: 10.0.0.2/24, was: eth0 }',
    'new1: { was: up1 }',
  );
  await expectCode(0, 'apply', renamed);
  await expectCode(0, 'plan', '--detailed-exitcode', renamed);
  await expectCode(0, 'check', renamed);
  expect(row('Bridge', 'second', '_uuid')).toBe(uuid);
  expect(ifindex('host', 'new0')).toBe(before);
  expect(row('Port', 'new0', 'trunks')).toBe('[20, 30]');
  expect(row('Port', 'up0', 'trunks')).toBe('');
});

test('the interfaces that it makes take parameters of the kernel', async () => {
  const file = (value: number) =>
    lab(
      `sysctls: { ipv4.rp_filter: ${value} }, internal: { int0: { addresses: 10.9.0.1/24, accept-ra: false, link-local: [] } }`,
    );
  await expectCode(0, 'apply', file(2));
  await expectCode(0, 'plan', '--detailed-exitcode', file(2));
  expect(sh('sysctl', '-n', 'net.ipv4.conf.second.rp_filter').trim()).toBe('2');
  expect(sh('sysctl', '-n', 'net.ipv6.conf.int0.accept_ra').trim()).toBe('0');
  await expectCode(0, 'apply', file(1));
  await expectCode(0, 'plan', '--detailed-exitcode', file(1));
  expect(sh('sysctl', '-n', 'net.ipv4.conf.second.rp_filter').trim()).toBe('1');
});

test("the machine's uplink becomes a port, and has its addresses back afterwards", async () => {
  ip('host', 'link', 'add', 'eth7', 'type', 'veth', 'peer', 'name', 'eth8');
  ip('host', 'link', 'set', 'eth7', 'up');
  ip('host', 'address', 'add', '10.9.0.7/24', 'dev', 'eth7');
  const now = dump();
  const lines = (adopted: string, members: string) => `name: ovs
namespaces: { a: {}, host: { interfaces: { ${adopted} } } }
bridges:
  second: { type: ovs, addresses: 10.9.0.7/24, ports: { a:eth0: 10.9.0.8/24 }, ${members} }
checks: [{ ping: { from: a, to: 10.9.0.7 } }]
`;
  const file = folder.write('ovs.yaml', lines('eth7: { adopt: true }', 'members: [eth7]'));
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  await expectCode(0, 'check', file);
  expect(sh('ip', '-br', '-4', 'address', 'show', 'dev', 'eth7')).not.toContain('10.9.0.7');
  await expectCode(0, 'apply', folder.write('ovs.yaml', lines('', '').replace('10.9.0.7/24', '10.9.1.7/24')));
  expect(sh('ip', '-br', '-4', 'address', 'show', 'dev', 'eth7')).toContain('10.9.0.7/24');
  await expectCode(0, 'apply', folder.write('ovs.yaml', lines('eth7: { adopt: true }', 'members: [eth7]')));
  await expectCode(0, 'destroy', 'ovs');
  expect(dump()).toBe(now);
  ip('host', 'link', 'del', 'dev', 'eth7');
});

test('inspect shows bridges, ports and kinds', async () => {
  await expectCode(0, 'apply', lab(`${port('')}, ${internal('')}, patches: [first]`));
  const { stdout } = await expectCode(0, 'inspect', '--json', 'ovs');
  const { namespaces } = JSON.parse(stdout) as {
    namespaces: { name: string; bridges: object[]; interfaces: { name: string; kind: string }[] }[];
  };
  const host = namespaces.find(({ name }) => name === 'host');
  expect(host?.bridges).toContainEqual({ name: 'second', ports: ['a-eth0', 'int0', 'second-first'] });
  expect(host?.interfaces.find(({ name }) => name === 'int0')?.kind).toBe('ovs-internal');
});

test('without its daemons nothing is touched, and the message says what to start', async () => {
  await expectCode(0, 'apply', lab(port('')));
  const file = lab(port('tag: 5'));
  endDaemon('ovs-vswitchd');
  const stopped = await topoweave('apply', file);
  expect(stopped.code).toBe(69);
  expect(stopped.stderr).toMatch(/ovs-vswitchd does not run.*nothing was changed/);
  endDaemon('ovsdb-server');
  for (const words of [
    ['apply', file],
    ['destroy', 'ovs'],
  ]) {
    const { code, stderr } = await topoweave(...words);
    expect(code).toBe(69);
    expect(stderr).toContain('systemctl start openvswitch-switch');
  }
  ovs.restart();
  expect((await expectCode(2, 'plan', '--detailed-exitcode', file)).stdout).toContain(
    '0 to add, 1 to change',
  );
  await expectCode(0, 'apply', file);
});

test('a kernel without the datapath is said before anything is done', async () => {
  sh('test', '!', '-e', '/sys/module/openvswitch');
  const { code, stderr } = await topoweave('apply', lab('datapath-type: system'));
  expect(code).toBe(69);
  expect(stderr).toContain('this kernel has no datapath of Open vSwitch; nothing was changed');
});
