import { readFileSync } from 'node:fs';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { expectCode, expectReachable, ifindex, ip, workFolder } from '../support/host.ts';

const folder = workFolder();
afterAll(() => folder.remove());
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
});

const outer = {
  4: ['192.0.2.1', '192.0.2.2', '192.0.2.3'],
  6: ['2001:db8::1', '2001:db8::2', '2001:db8::3'],
} as const;

interface Ends {
  readonly family: 4 | 6;
  /** Keys of each end, behind its addresses. */
  readonly a?: string;
  readonly b?: string;
  readonly inner?: 4 | 6;
}

/** Two namespaces with both families between them, and one tunnel. */
function lab(settings: string, { family, a = '', b = '', inner = 4 }: Ends): string {
  const [first, second] = outer[family];
  const [left, right] = inner === 4 ? ['10.0.0.1/24', '10.0.0.2/24'] : ['"fd00::1/64"', '"fd00::2/64"'];
  return folder.write(
    'tunnel.yaml',
    `name: tunnel
namespaces: [a, b]
links:
  - endpoints:
      a:wan: [192.0.2.1/24, "2001:db8::1/64"]
      b:wan: [192.0.2.2/24, "2001:db8::2/64"]
tunnels:
  tun1:
    ${settings}
    endpoints:
      a: { local: "${first}", addresses: ${left}${a} }
      b: { local: "${second}", addresses: ${right}${b} }
`,
  );
}

type Case = readonly [name: string, before: string, after: string, kept: boolean, ends: Ends];

const v4: Ends = { family: 4 };
const v6: Ends = { family: 6 };
const keyed: Ends = {
  family: 4,
  a: ', key: { input: 1, output: 2 }, csum: output',
  b: ', key: { input: 2, output: 1 }, csum: input',
};
const dev: Ends = { family: 4, a: ', dev: wan', b: ', dev: wan' };

/** What changes on the running interface, and what takes a new one. */
const cases: readonly Case[] = [
  ['geneve: ttl', 'type: geneve\n    id: 7', 'type: geneve\n    id: 7\n    ttl: 9', true, v4],
  ['geneve: ttl inherit', 'type: geneve\n    id: 7', 'type: geneve\n    id: 7\n    ttl: inherit', true, v4],
  [
    'geneve: tos',
    'type: geneve\n    id: 7\n    tos: inherit',
    'type: geneve\n    id: 7\n    tos: 16',
    true,
    v4,
  ],
  [
    'geneve: do-not-fragment',
    'type: geneve\n    id: 7\n    do-not-fragment: true',
    'type: geneve\n    id: 7\n    do-not-fragment: inherit',
    true,
    v4,
  ],
  ['geneve: flow-label', 'type: geneve\n    id: 7', 'type: geneve\n    id: 7\n    flow-label: 99', true, v6],
  ['geneve: mtu', 'type: geneve\n    id: 7', 'type: geneve\n    id: 7\n    mtu: 1300\n    ttl: 3', true, v4],
  ['geneve: id', 'type: geneve\n    id: 7', 'type: geneve\n    id: 8', false, v4],
  ['geneve: port', 'type: geneve\n    id: 7', 'type: geneve\n    id: 7\n    port: 7000', false, v4],
  [
    'geneve: checksums',
    'type: geneve\n    id: 7',
    'type: geneve\n    id: 7\n    checksums: [udp]',
    false,
    v4,
  ],
  [
    'geneve: checksums over IPv6',
    'type: geneve\n    id: 7',
    'type: geneve\n    id: 7\n    checksums: [zero-udp6-tx, zero-udp6-rx]',
    false,
    v6,
  ],
  ['ipip: ttl and tos', 'type: ipip', 'type: ipip\n    ttl: 9\n    tos: inherit', true, v4],
  ['ipip: pmtudisc', 'type: ipip', 'type: ipip\n    pmtudisc: false', true, v4],
  ['ipip: mode', 'type: ipip', 'type: ipip\n    mode: ipip', false, v4],
  ['ipip: mtu', 'type: ipip', 'type: ipip\n    mtu: 1300\n    ttl: 9', true, v4],
  ['sit: ttl and tos', 'type: sit', 'type: sit\n    ttl: 9\n    tos: 16', true, { family: 4, inner: 6 }],
  ['sit: pmtudisc', 'type: sit\n    pmtudisc: false', 'type: sit', true, v4],
  ['sit: mode', 'type: sit', 'type: sit\n    mode: ip6ip', false, { family: 4, inner: 6 }],
  ['ip6tnl: ttl and tos', 'type: ip6tnl', 'type: ip6tnl\n    ttl: 9\n    tos: inherit', true, v6],
  ['ip6tnl: ttl inherit', 'type: ip6tnl', 'type: ip6tnl\n    ttl: inherit\n    tos: 16', true, v6],
  ['ip6tnl: mode', 'type: ip6tnl', 'type: ip6tnl\n    mode: ip6ip6', true, { family: 6, inner: 6 }],
  ['ip6tnl: encap-limit', 'type: ip6tnl', 'type: ip6tnl\n    encap-limit: none', true, v6],
  [
    'ip6tnl: encap-limit keeps the mtu',
    'type: ip6tnl\n    mtu: 1300',
    'type: ip6tnl\n    mtu: 1300\n    encap-limit: 9',
    true,
    v6,
  ],
  [
    'ip6tnl: flow-label',
    'type: ip6tnl\n    flow-label: 99',
    'type: ip6tnl\n    flow-label: inherit',
    true,
    v6,
  ],
  ['gre: seq and csum', 'type: gre', 'type: gre\n    seq: true\n    csum: true', true, v4],
  ['gre: seq and csum off', 'type: gre\n    seq: true\n    csum: true\n    key: 5', 'type: gre', true, v4],
  ['gre: a key for each direction', 'type: gre', 'type: gre', true, keyed],
  ['gre: tos inherit', 'type: gre', 'type: gre\n    tos: inherit', true, v4],
  ['gre: ignore-df on', 'type: gre', 'type: gre\n    pmtudisc: false\n    ignore-df: true', true, v4],
  ['gre: ignore-df off', 'type: gre\n    pmtudisc: false\n    ignore-df: true', 'type: gre', true, v4],
  [
    'gretap: seq, csum and the mtu',
    'type: gretap\n    mtu: 1300',
    'type: gretap\n    mtu: 1300\n    seq: true\n    csum: true',
    true,
    v4,
  ],
  ['ip6gre: encap-limit', 'type: ip6gre', 'type: ip6gre\n    encap-limit: none', true, v6],
  [
    'ip6gretap: flow-label and tos',
    'type: ip6gretap\n    flow-label: inherit\n    tos: inherit',
    'type: ip6gretap\n    flow-label: 5\n    tos: 16',
    true,
    v6,
  ],
  [
    'ip6gre: ttl keeps the mtu',
    'type: ip6gre\n    mtu: 1300',
    'type: ip6gre\n    mtu: 1300\n    ttl: 9',
    true,
    v6,
  ],
  ['kind', 'type: gre', 'type: ipip', false, v4],
];

for (const [name, before, after, kept, ends] of cases) {
  test(`${name}: ${kept ? 'in place' : 'a new interface'}`, async () => {
    const plain = name.includes('each direction') ? { ...ends, a: '', b: '' } : ends;
    await expectCode(0, 'apply', lab(before, plain));
    await expectCode(0, 'plan', '--detailed-exitcode', lab(before, plain));
    const index = ifindex('a', 'tun1');
    await expectCode(2, 'plan', '--detailed-exitcode', lab(after, ends));
    await expectCode(0, 'apply', lab(after, ends));
    await expectCode(0, 'plan', '--detailed-exitcode', lab(after, ends));
    expect(ifindex('a', 'tun1') === index).toBe(kept);
    const target = ends.inner === 6 ? 'fd00::2' : '10.0.0.2';
    expectReachable('a', target);
  });
}

const types: readonly (readonly [type: string, family: 4 | 6])[] = [
  ['gre', 4],
  ['gretap', 4],
  ['ip6gre', 6],
  ['ip6gretap', 6],
  ['ipip', 4],
  ['sit', 4],
  ['ip6tnl', 6],
  ['geneve', 4],
  ['geneve', 6],
];

for (const [type, family] of types) {
  const settings = `type: ${type}${type === 'geneve' ? '\n    id: 7' : ''}`;

  describe(`${type} over IPv${family}`, () => {
    test('another remote address changes in place, and the mtu that was chosen stays', async () => {
      const remote = `, remote: "${outer[family][2]}"`;
      await expectCode(0, 'apply', lab(`${settings}\n    mtu: 1310`, { family }));
      const index = ifindex('a', 'tun1');
      const file = lab(`${settings}\n    mtu: 1310`, { family, a: remote });
      await expectCode(2, 'plan', '--detailed-exitcode', file);
      await expectCode(0, 'apply', file);
      await expectCode(0, 'plan', '--detailed-exitcode', file);
      expect(ifindex('a', 'tun1')).toBe(index);
      expect(ip('a', 'link', 'show', 'dev', 'tun1')).toContain('mtu 1310 ');
    });

    test('the kernel takes the derived mtu for its own', async () => {
      const device = type === 'geneve' ? { family } : { ...dev, family };
      const file = lab(settings, device);
      await expectCode(0, 'apply', file);
      const found = ip('a', 'link', 'show', 'dev', 'tun1');
      // One that is made by hand, to the other address, gets the same from the kernel.
      const [local, , remote] = outer[family];
      const words = type === 'geneve' ? ['id', '9'] : ['local', local, 'dev', 'wan'];
      ip('a', 'link', 'add', 'hand0', 'type', type, ...words, 'remote', remote);
      const own = /mtu \d+/.exec(ip('a', 'link', 'show', 'dev', 'hand0'))?.[0] ?? 'none';
      expect(found).toContain(own);
      await expectCode(0, 'plan', '--detailed-exitcode', file);
    });

    test('removed by hand it comes back; one of somebody else stays', async () => {
      const file = lab(settings, { family });
      await expectCode(0, 'apply', file);
      const [local, , remote] = outer[family];
      const words = type === 'geneve' ? ['id', '9'] : ['local', local];
      ip('a', 'link', 'add', 'hand0', 'type', type, ...words, 'remote', remote);
      ip('a', 'link', 'del', 'dev', 'tun1');
      await expectCode(2, 'plan', '--detailed-exitcode', file);
      await expectCode(0, 'apply', file);
      await expectCode(0, 'plan', '--detailed-exitcode', file);
      expect(ifindex('a', 'hand0')).toBeGreaterThan(0);
    });
  });
}

for (const type of ['gre', 'ip6gre', 'ipip', 'sit', 'ip6tnl'] as const) {
  test(`${type}: the underlay device is made anew, and the tunnel with it`, async () => {
    const family = type.startsWith('ip6') ? 6 : 4;
    const file = lab(`type: ${type}`, { ...dev, family });
    await expectCode(0, 'apply', file);
    // The kernel leaves the tunnel there.
    ip('a', 'link', 'del', 'dev', 'wan');
    await expectCode(2, 'plan', '--detailed-exitcode', file);
    await expectCode(0, 'apply', file);
    await expectCode(0, 'plan', '--detailed-exitcode', file);
    expectReachable('a', '10.0.0.2');
    // The far end of the link moves: a replacement of the link that the plan itself brings about.
    const moved = folder.write(
      'moved.yaml',
      readFileSync(file, 'utf8')
        .replace('b:wan:', 'b:wan2:')
        .replace(/(b: \{[^}]*)dev: wan/, '$1dev: wan2'),
    );
    await expectCode(0, 'apply', moved);
    await expectCode(0, 'plan', '--detailed-exitcode', moved);
    expectReachable('a', '10.0.0.2');
  });
}
