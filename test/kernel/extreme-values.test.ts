import { afterAll, afterEach, expect, test } from 'vitest';
import { expectCode, topoweave, workFolder } from '../support/host.ts';

// What validate takes at its least and its most the kernel takes too, and reads back as the same.
const folder = workFolder();
afterAll(() => folder.remove());
afterEach(async () => {
  await topoweave('destroy', 'lab');
});

const least = {
  ttl: 1,
  groups: '1 0',
  buffers: '1 1 1',
  ports: '1024 1024',
  retries: 1,
  hops: 1,
  mtu: 68,
  vni: 1,
  table: 1,
  priority: 1,
  metric: 1,
};
const most: typeof least = {
  ttl: 255,
  groups: '0 4294967294',
  buffers: '2147483647 2147483647 2147483647',
  ports: '1024 65535',
  retries: 127,
  hops: 255,
  mtu: 65_521,
  vni: 16_777_215,
  table: 4_294_967_295,
  priority: 32_765,
  metric: 4_294_967_295,
};

test.each([
  ['least', least],
  ['greatest', most],
])('the %s values are applied, and the next plan is empty', async (_, values) => {
  const file = folder.write('lab.yaml', text(values));
  await expectCode(0, 'apply', file);
  expect((await expectCode(0, 'plan', file)).stdout).toContain('No changes');
});

function text(values: typeof least): string {
  return `name: lab
namespaces:
  a:
    sysctls:
      net.ipv4.ip_default_ttl: ${values.ttl}
      net.ipv4.ping_group_range: ${values.groups}
      net.ipv4.tcp_rmem: ${values.buffers}
      net.ipv4.tcp_wmem: ${values.buffers}
      net.ipv4.ip_local_port_range: ${values.ports}
      net.ipv4.tcp_syn_retries: ${values.retries}
      net.ipv6.conf.all.hop_limit: ${values.hops}
    routes:
      - { to: 10.9.0.0/16, via: 10.0.0.2, metric: ${values.metric}, table: ${values.table} }
    routing-policy:
      - { from: 10.0.0.1, table: ${values.table}, priority: ${values.priority} }
  b: {}
links:
  - { endpoints: { a:eth0: 10.0.0.1/24, b:eth0: 10.0.0.2/24 } }
  - { mtu: ${values.mtu}, endpoints: { a:eth1: {}, b:eth1: {} } }
tunnels:
  vx:
    type: vxlan
    id: ${values.vni}
    ttl: ${values.ttl}
    endpoints: { a: { local: 10.0.0.1, remote: 10.0.0.2 }, b: { local: 10.0.0.2, remote: 10.0.0.1 } }
`;
}
