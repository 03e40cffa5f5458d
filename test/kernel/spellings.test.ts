import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { dump, expectCode, ip, sh, topoweave, workFolder } from '../support/host.ts';

// One thing can be written in many ways, and the kernel shows it in another one yet: it must be found again in all of them.
const folder = workFolder();
let before = '';
beforeAll(() => {
  ip('host', 'link', 'add', 'up9', 'type', 'veth', 'peer', 'name', 'up9-wire');
  for (const name of ['up9', 'up9-wire']) ip('host', 'link', 'set', name, 'up');
  ip('host', 'address', 'add', '198.51.100.1/24', 'dev', 'up9');
  ip('host', 'address', 'add', '2001:db8:99::1/64', 'dev', 'up9', 'nodad');
  before = everything();
});
afterEach(async () => {
  await topoweave('destroy', 'spell');
});
afterAll(() => {
  ip('host', 'link', 'del', 'up9');
  folder.remove();
});

function everything(): string {
  return `${dump()}${ip('host', '-6', 'rule')}${ip('host', 'neigh', 'show', 'nud', 'permanent')}${ip('host', 'neigh', 'show', 'proxy')}`;
}

const rules = [
  '{ from: 0.0.0.0/0, type: blackhole }',
  '{ to: 0.0.0.0/0, type: blackhole }',
  '{ from: "::/0", type: blackhole }',
  '{ to: "::/0", type: unreachable }',
  '{ from: "0:0:0:0:0:0:0:0/0", to: "::/0", type: prohibit }',
  '{ from: 0.0.0.0/0, to: 10.9.0.0/16, table: 254 }',
  '{ from: "::/0", to: "2001:DB8:0:0::/48", table: main }',
  '{ from: all, table: 253 }',
  '{ from: default, table: default, family: ipv6 }',
  '{ not: true, from: 0.0.0.0/0, table: 100 }',
  '{ not: true, to: "::/0", table: 100 }',
  '{ from: 10.0.0.1, table: 100 }',
  '{ from: 10.0.0.1/32, to: 10.0.0.2/32, table: 100 }',
  '{ to: "2001:DB8::1", table: 100 }',
  '{ from: "2001:db8::1/128", table: 100 }',
  '{ from: "::ffff:10.0.0.1", table: 100 }',
  '{ from: "::FFFF:0:0/96", table: 100 }',
  '{ from: "::10.0.0.1/128", table: 100 }',
  '{ from: "::1/128", table: 100 }',
  '{ from: "64:ff9b::/96", table: 100 }',
  '{ from: "1:0:2:3:4:5:6:7", table: 100 }',
  '{ mark: 0, table: 100 }',
  '{ mark: 0/0, table: 100 }',
  '{ mark: 0x0/0xff, table: 100 }',
  '{ mark: 0X10/0xFF, table: 100 }',
  '{ mark: 16/4294967295, table: 100 }',
  '{ mark: 0xffffffff, table: 100 }',
  '{ type-of-service: 0, table: 100 }',
  '{ type-of-service: 16, table: 100 }',
  '{ type-of-service: 8, table: 100, family: ipv6 }',
  '{ iif: lo, oif: lo, table: 100 }',
  '{ iif: nowhere, table: 100 }',
  '{ ip-proto: TCP, table: 100 }',
  '{ ip-proto: "6", table: 100 }',
  '{ ip-proto: ipv6-icmp, table: 100, family: ipv6 }',
  '{ ip-proto: 89, table: 100 }',
  '{ ip-proto: 2, table: 100 }',
  '{ ip-proto: 253, table: 100 }',
  '{ ip-proto: udp, sport: 53-53, dport: "53", table: 100 }',
  '{ ip-proto: sctp, sport: 1-65534, table: 100 }',
  '{ uidrange: 0, table: 100 }',
  '{ uidrange: 5-5, table: 100 }',
  '{ uidrange: 0-4294967294, table: 100 }',
  '{ priority: 1, table: 255 }',
  '{ priority: 1000, table: 100 }',
  '{ priority: 4294967295, table: 4294967295 }',
  '{ table: main, suppress-prefix-length: 0 }',
  '{ table: main, suppress-prefix-length: 128, family: ipv6 }',
  '{ priority: 5, goto: 32766 }',
  '{ priority: 6, goto: 777 }',
];

test('rules, however they are written', async () => {
  await expectTaken('a', `routing-policy: [${rules.join(', ')}]`);
  await expectTaken('host', `routing-policy: [${rules.join(', ')}]`);
});

const routes = [
  '{ to: 0.0.0.0/0, type: blackhole, table: 100 }',
  '{ to: "::/0", type: blackhole, table: 100 }',
  '{ to: 0.0.0.0/0, via: 198.51.100.2, metric: 77 }',
  '{ to: "::/0", via: "2001:DB8:99::2", metric: 77 }',
  '{ to: "0:0:0:0:0:0:0:0/0", via: "fe80::2", dev: up9 }',
  '{ to: 10.1.2.3, via: 198.51.100.2 }',
  '{ to: 10.1.2.4/32, via: 198.51.100.2, table: 254 }',
  '{ to: "2001:DB8:5:0::1", via: "2001:db8:99::2", table: 253 }',
  '{ to: "::ffff:10.0.0.0/104", via: "2001:db8:99::2" }',
  '{ to: "::10.0.0.1/128", via: "2001:db8:99::2" }',
  '{ to: "2001:db8:7::/48", via: "::ffff:10.0.0.7", dev: up9, on-link: true }',
  '{ to: "2001:db8:8::/48", via: "2001:db8:99::2", from: "2001:0db8:99::0001" }',
  '{ to: 10.7.0.0/16, dev: up9, scope: global }',
  '{ to: 10.71.0.0/16, dev: up9, metric: 0 }',
  '{ to: "2001:db8:9::/48", dev: up9, metric: 1024 }',
  '{ to: 10.72.0.0/16, dev: up9, type-of-service: 0 }',
  '{ to: 10.7.0.0/16, dev: up9, type-of-service: 16 }',
  '{ to: 10.6.0.0/16, type: throw, table: 4294967295 }',
  '{ to: 10.5.5.5, type: local, dev: lo, table: 255 }',
  '{ to: 0.0.0.0/0, nexthops: [{ via: 198.51.100.2 }, { via: 198.51.100.3 }], metric: 78 }',
  '{ to: "::/0", nexthops: [{ via: "2001:db8:99::2" }, { via: "2001:db8:99::3" }], metric: 78 }',
];

test('routes, however they are written', async () => {
  await expectTaken('a', `interfaces: { lo: {} }, routes: [${routes.join(', ')}]`, true);
  await expectTaken('host', `routes: [${routes.join(', ')}]`);
});

const neighbors = [
  '{ to: 198.51.100.9, dev: up9, macaddress: "02:AA:BB:00:00:01" }',
  '{ to: "2001:DB8:99:0:0::9", dev: up9, macaddress: 02:aa:bb:00:00:0f }',
  '{ to: "::ffff:10.0.0.1", dev: up9, macaddress: "02:aa:bb:00:00:01" }',
  '{ to: "::10.0.0.1", dev: up9, proxy: true }',
  '{ to: "2001:DB8:99::A", dev: up9, proxy: true }',
];

test('neighbors, however they are written', async () => {
  await expectTaken('host', `neighbors: [${neighbors.join(', ')}]`);
  await expectTaken('a', `neighbors: [${neighbors.join(', ')}]`, true);
});

const addresses = [
  '"::ffff:10.8.8.8/120"',
  '"::10.8.8.8/120"',
  '"2001:DB8:0:0:1::1/64"',
  '10.0.0.1/8',
  '10.0.0.3/32',
  '"2001:db8::9/128"',
];

test('addresses, however they are written', async () => {
  await expectTaken('host', `interfaces: { up9: { adopt: true, addresses: [${addresses.join(', ')}] } }`);
  await expectTaken('a', `interfaces: { lo: { addresses: [${addresses.join(', ')}] } }`, true);
});

const translations = [
  'masquerade: [{ from: 0.0.0.0/0, out: up9 }]',
  'masquerade: [{ from: "::/0", out: up9 }]',
  'masquerade: [{ from: "2001:DB8::1", out: up9 }, { from: 10.1.1.1/32, out: up9 }]',
];

test.each(translations)('the translation %s', async (nat) => {
  await expectTaken('host', `forwarding: true, nat: { ${nat} }`);
  await expectTaken('a', `forwarding: true, nat: { ${nat} }`, true);
});

const filters = [
  '{ from: 0.0.0.0/0, action: drop }',
  '{ to: "::/0", action: accept }',
  '{ from: [10.0.0.1/32, 10.1.0.0/16], action: accept }',
  '{ from: "2001:DB8::1", to: "::ffff:10.0.0.0/104", action: accept }',
];

test('filters, however they are written', async () => {
  await expectTaken('a', `firewall: { input: { rules: [${filters.join(', ')}] } }`, true);
});

test('a rule that an older record names in another way is found, and removed', async () => {
  const file = write('host', 'routing-policy: [{ to: 10.9.0.0/16, table: 100 }]', false);
  await expectCode(0, 'apply', file);
  sh('sed', '-i', 's,from all to 10.9.0.0/16,from 0.0.0.0/0 to 10.9.0.0/16,', '/run/topoweave/spell.json');
  await expectCode(0, 'destroy', 'spell');
  expect(everything()).toBe(before);
});

/** Applied, found again, and gone; with both halves of a namespace's link where it stands for the card of the host. */
async function expectTaken(namespace: string, text: string, withCard = false): Promise<void> {
  const file = write(namespace, text, withCard);
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  const rendered = (await expectCode(0, 'render', file)).stdout;
  await expectCode(0, 'plan', '--detailed-exitcode', folder.write('rendered.yaml', rendered));
  await expectCode(0, 'destroy', 'spell');
  expect(everything()).toBe(before);
}

function write(namespace: string, text: string, withCard: boolean): string {
  const link = `links:
  - endpoints: { a:up9: [198.51.100.1/24, "2001:db8:99::1/64"], b:wire: {} }
`;
  return folder.write(
    'spell.yaml',
    `name: spell\nnamespaces:\n  ${namespace}: { ${text} }\n${withCard ? `  b: {}\n${link}` : ''}`,
  );
}
