import { afterAll, afterEach, expect, test } from 'vitest';
import { expectCode, expectReachable, ifindex, workFolder } from '../support/host.ts';

const folder = workFolder();
afterAll(() => folder.remove());
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
});

function tunnel(type: 'gre' | 'gretap' | 'ip6gre' | 'ip6gretap', settings: string): string {
  const v6 = type.startsWith('ip6');
  const [a, b] = v6 ? ['"2001:db8::1"', '"2001:db8::2"'] : ['192.0.2.1', '192.0.2.2'];
  const [la, lb] = v6 ? ['"2001:db8::1/64"', '"2001:db8::2/64"'] : ['192.0.2.1/24', '192.0.2.2/24'];
  return folder.write(
    'tunnel.yaml',
    `name: tunnel
namespaces: [a, b]
links:
  - endpoints: { a:wan: ${la}, b:wan: ${lb} }
tunnels:
  tun1: { type: ${type}, ${settings} endpoints: { a: { local: ${a}, addresses: 10.0.0.1/24 }, b: { local: ${b}, addresses: 10.0.0.2/24 } } }
`,
  );
}

for (const type of ['gre', 'gretap', 'ip6gre', 'ip6gretap'] as const) {
  test(`${type}: ttl, tos and key change on the running device`, async () => {
    await expectCode(0, 'apply', tunnel(type, 'key: 1,'));
    const index = ifindex('a', 'tun1');
    for (const settings of ['key: 1, ttl: 9,', 'key: 1, ttl: 9, tos: 16,', 'key: 0.0.1.4,']) {
      const file = tunnel(type, settings);
      await expectCode(2, 'plan', '--detailed-exitcode', file);
      await expectCode(0, 'apply', file);
      await expectCode(0, 'plan', '--detailed-exitcode', file);
    }
    expect(ifindex('a', 'tun1')).toBe(index);
    expectReachable('a', '10.0.0.2');
  });
}

test('gre: a key that comes or goes', async () => {
  await expectCode(0, 'apply', tunnel('gre', ''));
  for (const settings of ['key: 7,', '']) {
    const file = tunnel('gre', settings);
    await expectCode(2, 'plan', '--detailed-exitcode', file);
    await expectCode(0, 'apply', file);
    await expectCode(0, 'plan', '--detailed-exitcode', file);
    expectReachable('a', '10.0.0.2');
  }
});
