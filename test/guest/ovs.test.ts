import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { dump, expectCode, ifindex, ip, sh, workFolder } from '../support/host.ts';
import { OVS_MODULE, type Ovs, startOvs } from '../support/ovs.ts';

const folder = workFolder();
let ovs: Ovs;
let before = '';
beforeAll(() => {
  ovs = startOvs();
  before = dump();
});
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
  expect(dump()).toBe(before);
});
afterAll(() => {
  ovs.stop();
  folder.remove();
});

function lab(settings: string): string {
  return folder.write(
    'kernel.yaml',
    `name: kernel
namespaces: [a, b]
bridges:
  br0:
    type: ovs
    addresses: 10.0.0.254/24
    ports: { a:eth0: 10.0.0.1/24, b:eth0: 10.0.0.2/24 }
    internal: { int0: 10.1.0.1/24 }
    ${settings}
checks:
  - tcp: { from: a, to: "10.0.0.2:80" }
  - tcp: { from: b, to: "10.0.0.254:80" }
`,
  );
}

test("a bridge uses the kernel's datapath where there is one; marks, ports and repair are as with the daemon's", async () => {
  const file = lab('');
  await expectCode(0, 'apply', file);
  expect(sh('ovs-vsctl', 'get', 'Bridge', 'br0', 'datapath_type').trim()).toBe('""');
  expect(ip('host', '-d', 'link', 'show', 'dev', 'a-eth0')).toContain('master ovs-system');
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  await expectCode(0, 'check', file);
  const index = ifindex('host', 'br0');
  await expectCode(0, 'apply', lab('mtu: 1400'));
  await expectCode(0, 'plan', '--detailed-exitcode', lab('mtu: 1400'));
  expect(ifindex('host', 'br0')).toBe(index);
  ip('host', 'link', 'del', 'dev', 'a-eth0');
  await expectCode(2, 'plan', '--detailed-exitcode', lab('mtu: 1400'));
  await expectCode(0, 'apply', lab('mtu: 1400'));
  await expectCode(0, 'plan', '--detailed-exitcode', lab('mtu: 1400'));
  await expectCode(0, 'check', lab('mtu: 1400'));
});

test('the guest has the datapath', () => {
  expect(sh('ls', '/sys/module')).toContain(OVS_MODULE);
});
