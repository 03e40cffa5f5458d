import { test } from 'vitest';
import { testConformance } from '../support/conformance.ts';

test('netlink reads what ip -j -d prints, on random namespaces', async () => {
  await testConformance(['veth', 'bridge', 'vxlan'], 60);
});
