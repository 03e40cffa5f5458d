import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { dump, expectCode, ip, sh, topoweave, workFolder } from '../support/host.ts';
import { type Ending, runUntil } from '../support/stopping.ts';

// What the kernel drops from an adopted interface by what the file wants comes back: with the lab, and with the setting.
const folder = workFolder();
let before = '';

beforeEach(() => {
  sh('sysctl', '-q', '-w', 'net.ipv6.conf.all.accept_dad=0', 'net.ipv6.conf.default.accept_dad=0');
  sh('ip', 'netns', 'add', 'outside');
  for (const name of ['up0', 'up1'])
    ip('host', ...`link add ${name} type veth peer name wire-${name} netns outside`.split(' '));
  for (const name of ['up0', 'up1']) ip('outside', 'link', 'set', `wire-${name}`, 'up');
  for (const line of [
    'link set up0 up',
    'link set up1 up',
    'address add 192.168.1.10/24 dev up0',
    'address add 192.168.1.11/24 dev up0',
    'address add 192.168.2.10/24 dev up1',
    'address add 2001:db8:1::10/64 dev up0 nodad',
    'address add 2001:db8:7::10 peer 2001:db8:7::11/128 dev up0',
    'address add 2001:db8:2::10/64 dev up1',
    'route add default via 192.168.1.1 metric 100 proto static',
    'route add 10.20.0.0/16 via 192.168.1.1 src 192.168.1.11',
    'route add 10.21.0.0/16 dev up0 table 100 metric 7',
    'route add 10.22.0.0/16 nexthop via 192.168.1.1 weight 2 nexthop via 192.168.2.1 weight 1',
    'route add 10.23.0.0/16 via inet6 2001:db8:1::1',
    '-6 route add default via 2001:db8:1::1 metric 300',
    '-6 route add 2001:db8:20::/48 via fe80::1 dev up0 table 100',
    '-6 route add 2001:db8:21::/48 nexthop via 2001:db8:1::1 nexthop via 2001:db8:2::1',
    'neigh add 192.168.1.7 dev up0 lladdr 02:00:00:00:07:07 nud permanent',
    '-6 neigh add 2001:db8:1::7 dev up0 lladdr 02:00:00:00:07:07 nud permanent',
    'neigh add proxy 192.168.1.8 dev up0',
  ])
    ip('host', ...line.split(' '));
  before = everything();
});
afterEach(async () => {
  await topoweave('destroy', 'loss');
  sh('ip', 'netns', 'del', 'outside');
  while (ip('host', '-o', 'link').includes('up0')) sh('sleep', '0.1');
});
afterAll(() => folder.remove());

/** The kernel lists what was made again behind the others. */
function everything(): string {
  dump();
  const lists = [
    'address',
    'route show table all',
    '-6 route show table all',
    'neigh show nud permanent',
    'neigh show proxy',
    'link',
  ];
  const lines = lists.flatMap((words) => ip('host', '-o', ...words.split(' ')).split('\n'));
  const order = ip('host', '-4', '-o', 'address', 'show', 'dev', 'up0');
  return `${lines
    .map((line) => line.replace(/^\d+: /, '').trim())
    .sort()
    .join('\n')}\n${order}`;
}

const uplink = (settings: string, more = '') =>
  folder.write(
    'loss.yaml',
    `name: loss\nnamespaces:\n  host: { interfaces: { up0: { adopt: true${settings} } }${more} }\n  a: {}\n`,
  );

async function settle(file: string): Promise<void> {
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
}

const settings = [
  [', state: down', ''],
  [', mtu: 1000', ''],
  [', sysctls: { disable_ipv6: 1 }', ''],
  ['', ', sysctls: { net.ipv6.conf.up0.disable_ipv6: 1 }'],
  [', macaddress: "02:00:00:00:01:01"', ''],
  [
    ', state: down, mtu: 1300, macaddress: "02:00:00:00:01:01", sysctls: { disable_ipv6: 1 }, addresses: 10.66.0.1/24',
    '',
  ],
] as const;

test.each(settings)('with %s%s, all comes back with the lab', async (own, more) => {
  await settle(uplink(own, more));
  await expectCode(0, 'destroy', 'loss');
  expect(everything()).toBe(before);
});

test.each(settings)('all comes back when %s%s leaves the file', async (own, more) => {
  await settle(uplink(''));
  await settle(uplink(own, more));
  await settle(uplink(''));
  expect(everything()).toBe(before);
  await expectCode(0, 'destroy', 'loss');
  expect(everything()).toBe(before);
});

test('settings that come and go one after the other give back what each of them took', async () => {
  await settle(uplink(', mtu: 1000'));
  await settle(uplink(', state: down, mtu: 1000'));
  await settle(uplink(', state: down'));
  await settle(uplink(', sysctls: { disable_ipv6: 1 }'));
  await settle(uplink(''));
  expect(everything()).toBe(before);
});

test('what the machine takes away itself is not put back', async () => {
  await settle(uplink(', addresses: 10.66.0.1/24'));
  ip('host', 'route', 'del', '10.20.0.0/16');
  await settle(uplink(', addresses: 10.66.0.2/24'));
  await expectCode(0, 'destroy', 'loss');
  expect(ip('host', 'route')).not.toContain('10.20.0.0');
});

const endings: readonly Ending[] = ['interrupted', 'killed'];

test.each(endings)('wherever a run is %s', async (ending) => {
  const file = uplink(', state: down, mtu: 1300, sysctls: { disable_ipv6: 1 }');
  for (let count = 0, isEarly = true; isEarly; count += 1) {
    isEarly = await runUntil(count, ending, { lab: 'loss', file });
    await expectCode(0, 'destroy', 'loss');
    expect(everything()).toBe(before);
  }
  for (let count = 0, isEarly = true; isEarly; count += 1) {
    await expectCode(0, 'apply', file);
    isEarly = await runUntil(count, ending, { lab: 'loss' });
    await expectCode(0, 'destroy', 'loss');
    expect(everything()).toBe(before);
  }
});
