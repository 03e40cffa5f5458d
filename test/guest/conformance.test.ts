import { test } from 'vitest';
import { testConformance, testTables } from '../support/conformance.ts';

test('netlink reads what ip -j -d prints, on random namespaces with tunnels', async () => {
  await testConformance(['veth', 'bridge', 'vxlan', 'gre', 'ip6gre', 'ipip', 'sit', 'ip6tnl', 'geneve'], 12);
});

test('netlink reads what ip -j -d prints, on random namespaces with devices', async () => {
  await testConformance(['veth', 'bridge', 'vlan', 'macvlan', 'ipvlan', 'vrf', 'bond', 'bond', 'tun'], 12);
});

test('rules, neighbours, qdiscs and port VLANs read as iproute2 prints them', () => {
  testTables(true);
});
