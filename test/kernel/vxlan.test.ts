import { afterAll, afterEach, expect, test } from 'vitest';
import { expectCode, expectReachable, ifindex, ip, sh, workFolder } from '../support/host.ts';

const folder = workFolder();
afterAll(() => folder.remove());
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
});

interface Ends {
  readonly family?: 4 | 6;
  /** Keys of each end, behind its addresses. */
  readonly a?: string;
  readonly b?: string;
}

function lab(settings: string, { family = 4, a = '', b = '' }: Ends = {}): string {
  const [first, second] = family === 4 ? ['192.0.2.1', '192.0.2.2'] : ['2001:db8::1', '2001:db8::2'];
  return folder.write(
    'vxlan.yaml',
    `name: vxlan
namespaces: [a, b]
links:
  - endpoints: { a:wan: [192.0.2.1/24, "2001:db8::1/64"], b:wan: [192.0.2.2/24, 192.0.2.3/24, "2001:db8::2/64"] }
tunnels:
  vx1:
    type: vxlan
    id: 7
    ${settings}
    endpoints:
      a: { local: "${first}", macaddress: "02:00:00:00:00:0a", addresses: 10.0.0.1/24${a} }
      b: { local: "${second}", macaddress: "02:00:00:00:00:0b", addresses: 10.0.0.2/24${b} }
`,
  );
}

const group: Ends = { a: ', dev: wan', b: ', dev: wan' };

/** What changes on the running interface, and what takes a new one. */
const cases: readonly (readonly [before: string, after: string, kept: boolean, ends?: Ends, then?: Ends])[] =
  [
    ['', 'tos: 16', true],
    ['tos: 16', 'tos: inherit', true],
    ['', 'ttl: 9', true],
    ['', 'ttl: inherit', false],
    ['', 'ageing: 60', true],
    ['', 'do-not-fragment: true', true],
    ['do-not-fragment: inherit', '', true],
    ['', 'learning: false', true],
    ['', 'flow-label: 99', true, { family: 6 }],
    ['', 'mtu: 1300', true],
    ['mtu: 1300', 'mtu: 1300\n    tos: 16', true],
    ['', 'limit: 10', false],
    ['', 'port-range: [5000, 6000]', false],
    ['', 'arp-proxy: true', false],
    ['', 'short-circuit: true', false],
    ['', 'notifications: [l3-miss, l2-miss]', false],
    ['', 'extensions: [group-policy]', false],
    ['', 'checksums: []', false],
    ['', 'checksums: [zero-udp6-rx, zero-udp6-tx]', false, { family: 6 }],
    ['', '', true, {}, { a: ', remote: 192.0.2.3' }],
    ['', '', false, {}, { family: 6 }],
    ['', '', false, {}, group],
    ['group: 239.1.1.1', 'group: 239.1.1.2', false, group],
    ['', 'group: 239.1.1.1', false, group],
    ['', 'peers: [192.0.2.9]', true],
    ['peers: [192.0.2.9]', '', true],
    ['', '', true, {}, { a: ', peers: [192.0.2.9]' }],
    ['', 'fdb: { "02:00:00:00:00:0b": 192.0.2.2 }', true],
    ['fdb: { "02:00:00:00:00:0b": 192.0.2.9 }', 'fdb: { "02:00:00:00:00:0b": 192.0.2.2 }', true],
    ['fdb: { "02:00:00:00:00:0c": 192.0.2.9 }', '', true],
  ];

for (const [before, after, kept, ends = {}, then = ends] of cases) {
  const name = `${JSON.stringify(before)} to ${JSON.stringify(after)} ${JSON.stringify(then)}`;
  test(`vxlan ${name}: ${kept ? 'in place' : 'a new interface'}`, async () => {
    await expectCode(0, 'apply', lab(before, ends));
    await expectCode(0, 'plan', '--detailed-exitcode', lab(before, ends));
    const index = ifindex('a', 'vx1');
    await expectCode(2, 'plan', '--detailed-exitcode', lab(after, then));
    await expectCode(0, 'apply', lab(after, then));
    await expectCode(0, 'plan', '--detailed-exitcode', lab(after, then));
    expect(ifindex('a', 'vx1') === index).toBe(kept);
    // A proxy that has no neighbours lets no question through.
    if (after.includes('arp-proxy')) return;
    // IPv6 addresses of the underlay are tentative for a second or two.
    expectReachable('a', '10.0.0.2');
  });
}

function entries(): string {
  return sh('ip', 'netns', 'exec', 'a', 'bridge', 'fdb', 'show', 'dev', 'vx1');
}

test('entries that go are put back, those by hand go, and those of a routing daemon stay', async () => {
  const file = lab(
    'learning: false\n    fdb: { "02:00:00:00:00:0b": 192.0.2.2, "02:00:00:00:00:0a": 192.0.2.1 }',
  );
  await expectCode(0, 'apply', file);
  expect(entries()).toContain('02:00:00:00:00:0b dst 192.0.2.2 self permanent');
  // What leads to the end itself is left out.
  expect(entries()).not.toContain('02:00:00:00:00:0a');
  const bridge = (...args: string[]) => sh('ip', 'netns', 'exec', 'a', 'bridge', 'fdb', ...args);
  bridge('del', '02:00:00:00:00:0b', 'dev', 'vx1', 'dst', '192.0.2.2');
  bridge('add', '02:00:00:00:00:0c', 'dev', 'vx1', 'dst', '192.0.2.9');
  bridge('add', '02:00:00:00:00:0d', 'dev', 'vx1', 'dst', '192.0.2.9', 'extern_learn');
  await expectCode(2, 'plan', '--detailed-exitcode', file);
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  expect(entries()).toContain('02:00:00:00:00:0b dst 192.0.2.2 self permanent');
  expect(entries()).not.toContain('02:00:00:00:00:0c');
  expect(entries()).toContain('02:00:00:00:00:0d dst 192.0.2.9 self extern_learn permanent');
});

test('the entries of a foreign vxlan stay', async () => {
  const file = lab('');
  await expectCode(0, 'apply', file);
  ip('a', 'link', 'add', 'hand0', 'type', 'vxlan', 'id', '9', 'dstport', '4789');
  sh(
    'ip',
    'netns',
    'exec',
    'a',
    'bridge',
    'fdb',
    'add',
    '02:00:00:00:00:0c',
    'dev',
    'hand0',
    'dst',
    '192.0.2.9',
  );
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  ip('a', 'link', 'del', 'dev', 'vx1');
  await expectCode(0, 'apply', file);
  expect(sh('ip', 'netns', 'exec', 'a', 'bridge', 'fdb', 'show', 'dev', 'hand0')).toContain(
    '02:00:00:00:00:0c',
  );
});

test('the device goes with its underlay, and both come back', async () => {
  const file = lab('group: 239.1.1.1', group);
  await expectCode(0, 'apply', file);
  ip('a', 'link', 'del', 'dev', 'wan');
  await expectCode(2, 'plan', '--detailed-exitcode', file);
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  expectReachable('a', '10.0.0.2');
});
