import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { expectCode, expectReachable, ip, workFolder } from '../support/host.ts';

// What the kernel makes along with what the lab has belongs to it: its loss is drift, and comes back as the kernel made it.
const folder = workFolder();
afterAll(() => folder.remove());
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
});

const file = folder.write(
  'made.yaml',
  `name: made
namespaces:
  made-a:
    forwarding: true
    routes: [{ to: default, via: 10.19.0.2 }, { to: "::/0", via: "fd19::2" }]
    interfaces: { lo: { addresses: [10.77.0.1/24, "fd77::1/128"] } }
  made-b: {}
  made-c: { routes: { default: 10.20.0.1 } }
bridges:
  lan: { namespace: made-a, addresses: [10.20.0.1/24, "fd20::1/64"], ports: { made-c:eth0: [10.20.0.2/24, "fd20::2/64"] } }
links:
  - endpoints:
      made-a:eth0:
        - 10.19.0.1/24
        - 10.19.0.5/24
        - { address: 10.0.0.5, peer: 10.9.9.9/32 }
        - { address: 10.30.0.1/24, prefix-route: false }
        - 10.31.0.1/31
        - 10.32.0.1/32
        - "fd19::1/64"
        - "fd19::9/64"
        - "fd21::1/128"
      made-b:eth0: [10.19.0.2/24, "fd19::2/64"]
`,
);

/** All tables of both families, without what only time changes. */
const tables = (namespace: string) =>
  ip(namespace, '-d', 'route', 'show', 'table', 'all').trim().split('\n').sort().join('\n');
const isSettled = (namespace: string) => !ip(namespace, 'address', 'show').includes('tentative');

let before: string;
beforeEach(async () => {
  await expectCode(0, 'apply', file);
  await expect.poll(() => isSettled('made-a'), { timeout: 30_000 }).toBe(true);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  before = tables('made-a');
});

async function expectMended(): Promise<void> {
  await expectCode(2, 'plan', '--detailed-exitcode', file);
  await expectCode(0, 'apply', file);
  await expect.poll(() => isSettled('made-a'), { timeout: 30_000 }).toBe(true);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  await expect.poll(() => tables('made-a'), { timeout: 30_000 }).toBe(before);
  expectReachable('made-a', '10.19.0.2');
  expectReachable('made-a', 'fd19::2');
  expectReachable('made-c', '10.19.0.1');
}

test.each([
  'route del 10.19.0.0/24 dev eth0',
  '-6 route del fd19::/64 dev eth0',
  'route del 10.9.9.9 dev eth0',
  'route del 10.31.0.0/31 dev eth0',
  '-6 route del fd21::1 dev eth0',
  'route del table local local 10.32.0.1 dev eth0',
  'route del table local broadcast 10.19.0.255 dev eth0',
  '-6 route del table local local fd19::1 dev eth0',
  '-6 route del table local multicast ff00::/8 dev eth0',
  '-6 route del fe80::/64 dev eth0',
  'route del table local local 127.0.0.0/8 dev lo',
  'route del table local local 10.77.0.0/24 dev lo',
  'route flush table local',
  '-6 route flush table local',
  'route flush table main',
  '-6 route flush table main',
  'address del 127.0.0.1/8 dev lo',
])('%s is drift, and the routes come back as the kernel made them', async (line) => {
  ip('made-a', ...line.split(' '));
  await expectMended();
});

test('all of both families at once', async () => {
  for (const family of ['-4', '-6'])
    for (const table of ['main', 'local']) ip('made-a', family, 'route', 'flush', 'table', table);
  await expectMended();
});

const rules = () => [ip('made-a', '-j', '-d', 'rule'), ip('made-a', '-6', '-j', '-d', 'rule')];

test.each([
  'rule flush',
  'rule del priority 0',
  'rule del priority 32767',
  '-6 rule flush',
  '-6 rule del priority 0',
])('%s is drift, and the rules come back as the kernel made them', async (line) => {
  const whole = rules();
  ip('made-a', ...line.split(' '));
  const { stdout } = await expectCode(2, 'plan', '--detailed-exitcode', file);
  expect(stdout).toMatch(/~ namespace [^\n]*\n\s+missing-rules: /);
  await expectMended();
  expect(rules()).toEqual(whole);
});

test('a link without a carrier, or one that is set down by hand, has no other drift than that', async () => {
  ip('made-b', 'link', 'set', 'eth0', 'down');
  const { stdout } = await expectCode(2, 'plan', '--detailed-exitcode', file);
  expect(stdout).toContain('state: down -> up');
  expect(stdout).not.toContain('missing-routes');
  ip('made-a', 'link', 'set', 'eth0', 'down');
  const { stdout: both } = await expectCode(2, 'plan', '--detailed-exitcode', file);
  expect(both).not.toContain('missing-routes');
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
});
