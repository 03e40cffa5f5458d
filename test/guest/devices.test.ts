import { readFileSync } from 'node:fs';
import { afterAll, afterEach, expect, test } from 'vitest';
import { folder, isKept, lab } from '../support/devices.ts';
import { expectCode, ifindex, ip, topoweave } from '../support/host.ts';

afterAll(() => folder.remove());
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
});

/** What changes on the running interface, and what takes a new one: a name, what is there, what is wanted. */
const cases: readonly Case[] = [
  ['dummy: mtu', 'x0: { type: dummy }', 'x0: { type: dummy, mtu: 1400 }', true],
  ['dummy: addresses', 'x0: { type: dummy }', 'x0: { type: dummy, addresses: 10.0.0.1/32 }', true],
  [
    'vlan: alias',
    'x0: { type: vlan, link: eth0, id: 1 }',
    'x0: { type: vlan, link: eth0, id: 1, alias: hi }',
    true,
  ],
  ['vlan: id', 'x0: { type: vlan, link: eth0, id: 1 }', 'x0: { type: vlan, link: eth0, id: 2 }', false],
  [
    'vlan: protocol',
    'x0: { type: vlan, link: eth0, id: 1 }',
    'x0: { type: vlan, link: eth0, id: 1, protocol: 802.1ad }',
    false,
  ],
  [
    'vlan: link',
    'x0: { type: vlan, link: eth0, id: 1 }',
    'x0: { type: vlan, link: "host:up0", id: 1 }',
    false,
  ],
  ...change('ipvlan', 'x0: { type: ipvlan, link: eth0', [
    [', mode: l3 }', true],
    [', flag: private }', true],
    [', mode: l3s, flag: vepa }', true],
  ]),
  ['ipvlan: link', 'x0: { type: ipvlan, link: eth0 }', 'x0: { type: ipvlan, link: eth1 }', false],
  ['vrf: members', 'x0: { type: vrf, table: 9 }', 'x0: { type: vrf, table: 9, members: [eth0] }', true],
  [
    'vrf: table',
    'x0: { type: vrf, table: 9, members: [eth0] }',
    'x0: { type: vrf, table: 8, members: [eth0] }',
    false,
  ],
  ['ifb: mtu', 'x0: { type: ifb }', 'x0: { type: ifb, mtu: 1400 }', true],
  [
    'bond: mtu',
    'x0: { type: bond, members: [eth0] }',
    'x0: { type: bond, members: [eth0], mtu: 1400 }',
    true,
  ],
  [
    'bond: macaddress',
    'x0: { type: bond, members: [eth0] }',
    'x0: { type: bond, members: [eth0], macaddress: "02:00:00:00:00:77" }',
    true,
  ],
  [
    'bond: members',
    'x0: { type: bond, members: [eth0, eth1] }',
    'x0: { type: bond, members: [eth1, eth2] }',
    true,
  ],
  ...change(
    'bond in active-backup',
    'x0: { type: bond, members: [eth0, eth1], parameters: { mode: active-backup',
    [
      [', primary: eth1 } }', true],
      [', mii-monitor-interval: 50, up-delay: 100, down-delay: 150 } }', true],
      [
        ', arp-interval: 200, arp-ip-targets: [10.0.0.7, 10.0.0.8], arp-validate: all, arp-all-targets: all } }',
        true,
      ],
      [
        ', primary-reselect-policy: better, gratuitous-arp: 3, resend-igmp: 2, all-members-active: true } }',
        true,
      ],
      [', fail-over-mac: active } }', false],
      [', fail-over-mac: follow } }', false],
    ],
  ),
  ...change('bond in 802.3ad', 'x0: { type: bond, members: [eth0, eth1], parameters: { mode: 802.3ad', [
    [', lacp-rate: fast } }', true],
    [', ad-select: count } }', true],
    [', min-links: 1, transmit-hash-policy: layer3+4 } }', true],
  ]),
  [
    'bond: packets-per-member',
    'x0: { type: bond, members: [eth0] }',
    'x0: { type: bond, members: [eth0], parameters: { packets-per-member: 5, learn-packet-interval: 3 } }',
    true,
  ],
  [
    'bond: mode',
    'x0: { type: bond, members: [eth0] }',
    'x0: { type: bond, members: [eth0], parameters: { mode: active-backup, primary: eth0 } }',
    false,
  ],
  ...['balance-xor', 'broadcast', '802.3ad', 'balance-tlb', 'balance-alb'].map(
    (mode): Case => [
      `bond: ${mode}`,
      'x0: { type: bond, members: [eth0] }',
      `x0: { type: bond, members: [eth0], parameters: { mode: ${mode} } }`,
      false,
    ],
  ),
  [
    'bond: from ARP to MII monitoring',
    'x0: { type: bond, members: [eth0], parameters: { arp-interval: 200, arp-ip-targets: [10.0.0.7] } }',
    'x0: { type: bond, members: [eth0], parameters: { mii-monitor-interval: 20, up-delay: 40 } }',
    true,
  ],
  [
    'bond: no primary any more',
    'x0: { type: bond, members: [eth0, eth1], parameters: { mode: active-backup, primary: eth1 } }',
    'x0: { type: bond, members: [eth0, eth1], parameters: { mode: active-backup } }',
    true,
  ],
  ['kind', 'x0: { type: dummy }', 'x0: { type: vlan, link: eth0, id: 1 }', false],
];

type Case = readonly [name: string, before: string, after: string, kept: boolean];

/** One device without and with each of several endings. */
function change(what: string, start: string, endings: readonly (readonly [string, boolean])[]): Case[] {
  const plain = `${start}${start.includes('parameters') ? ' } }' : ' }'}`;
  return endings.map(([ending, kept]) => [
    `${what}${ending.replace(/ }.*/, '')}`,
    plain,
    start + ending,
    kept,
  ]);
}

for (const [name, before, after, kept] of cases) {
  test(`${name}: ${kept ? 'in place' : 'a new interface'}`, async () => {
    expect(await isKept('x0', before, after)).toBe(kept);
  });
}

test('an interface on top of one of the host comes and goes with it', async () => {
  const file = lab('x0: { type: vlan, link: "host:up0", id: 9, addresses: 10.9.0.1/24 }');
  await expectCode(0, 'apply', file);
  expect(ip('a', '-d', 'link', 'show', 'dev', 'x0')).toContain('vlan protocol 802.1Q id 9');
  ip('host', 'link', 'del', 'dev', 'up0');
  await expectCode(2, 'plan', '--detailed-exitcode', file);
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
});

test('what a VRF member had is put back when it comes and goes', async () => {
  const file = (more: string, table: string) =>
    folder.write(
      'vrf.yaml',
      `name: vrf
namespaces:
  a:
    interfaces:
      red: { type: vrf, table: 10${more} }
      blue: { type: vrf, table: 20 }
    routes:
      - { to: 10.5.0.0/16, via: 10.0.0.2, table: ${table} }
      - { to: "fd05::/64", via: "fd00::2", table: ${table} }
  b: {}
links: [{ endpoints: { a:eth0: [10.0.0.1/24, "fd00::1/64"], b:eth0: {} } }]
`,
    );
  const settled = async (path: string) => {
    await expectCode(0, 'apply', path);
    await expectCode(0, 'plan', '--detailed-exitcode', path);
  };
  await settled(file('', 'main'));
  const index = ifindex('a', 'eth0');
  await settled(file(', members: [eth0]', 'red'));
  expect(ip('a', 'route', 'show', 'table', '10')).toContain('10.5.0.0/16 via 10.0.0.2');
  expect(ip('a', '-6', 'route', 'show', 'table', '10')).toContain('fd05::/64 via fd00::2');
  // By hand, the VRF goes: its member loses its addresses and routes.
  ip('a', 'link', 'del', 'dev', 'red');
  await settled(file(', members: [eth0]', 'red'));
  ip('a', 'link', 'set', 'dev', 'eth0', 'master', 'blue');
  await settled(file(', members: [eth0]', 'red'));
  await settled(file('', 'main'));
  expect(ip('a', 'route')).toContain('10.5.0.0/16 via 10.0.0.2');
  expect(ifindex('a', 'eth0')).toBe(index);
});

test('a bond that went by hand gets its members again, and what is on it', async () => {
  const file = lab(`
bond0: { type: bond, members: [eth0, eth1], parameters: { mode: active-backup, primary: eth1 } }
bond0.5: { type: vlan, link: bond0, id: 5, addresses: [10.5.0.1/24, "fd05::1/64"] }`);
  await expectCode(0, 'apply', file);
  const index = ifindex('a', 'eth0');
  ip('a', 'link', 'del', 'dev', 'bond0');
  await expectCode(2, 'plan', '--detailed-exitcode', file);
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  ip('a', 'link', 'set', 'dev', 'eth1', 'nomaster');
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  expect(ip('a', '-d', 'link', 'show', 'dev', 'bond0')).toContain('primary eth1');
  expect(ifindex('a', 'eth0')).toBe(index);
  // A bounce of the bond takes its VLAN along.
  const slow = lab(`
bond0: { type: bond, members: [eth0, eth1], parameters: { mode: active-backup, primary: eth1, ad-select: count } }
bond0.5: { type: vlan, link: bond0, id: 5, addresses: [10.5.0.1/24, "fd05::1/64"] }`);
  await expectCode(0, 'apply', slow);
  await expectCode(0, 'plan', '--detailed-exitcode', slow);
  // Members that leave have their own MAC address again, and are up.
  const free = lab('bond0: { type: bond }');
  await expectCode(0, 'apply', free);
  await expectCode(0, 'plan', '--detailed-exitcode', free);
});

test('a member of a bond is down where the file says so', async () => {
  const file = lab('bond0: { type: bond, members: [eth0, eth1], parameters: { mode: active-backup } }');
  const text = readFileSync(file, 'utf8').replace(
    '[a:eth0, b:eth0]',
    '{ endpoints: { a:eth0: { state: down }, b:eth0: {} } }',
  );
  const path = folder.write('down.yaml', text);
  await expectCode(0, 'apply', path);
  await expectCode(0, 'plan', '--detailed-exitcode', path);
});

test('devices of somebody else are not touched', async () => {
  ip('host', 'link', 'add', 'name', 'red', 'type', 'vrf', 'table', '77');
  const file = folder.write(
    'foreign.yaml',
    'name: foreign\nnamespaces: { host: { interfaces: { red: { type: vrf, table: 9 } } } }\n',
  );
  const { code, stderr } = await topoweave('apply', file);
  expect(code).toBe(1);
  expect(stderr).toContain('red in host is already there');
  expect(ip('host', '-d', 'link', 'show', 'dev', 'red')).toContain('vrf table 77');
  ip('host', 'link', 'del', 'dev', 'red');
});
