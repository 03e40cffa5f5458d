import { test } from 'vitest';
import { testConformance, testTables } from '../support/conformance.ts';

test('netlink reads what ip -j -d prints, on random namespaces', async () => {
  await testConformance(['veth', 'bridge', 'vxlan', 'macvlan', 'tun'], 60);
});

test('rules, neighbours, qdiscs read as iproute2 prints them', () => {
  testTables(false);
});
