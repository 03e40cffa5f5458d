import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dump, expectCode, ip, namespaces, sh, workFolder } from '../support/host.ts';

// Whatever somebody removes of a live lab, the next apply repairs it, and destroy leaves nothing.
const folder = workFolder();
const file = folder.write(
  'lab.yaml',
  `name: repair
namespaces:
  gw:
    forwarding: true
    nat: { masquerade: [{ from: 10.0.0.0/24, out: wan }], publish: ["8080:10.0.0.3:80"] }
    routes: [{ to: 10.0.0.0/8, type: blackhole }, { to: default, via: 192.0.2.1 }]
  alice: { routes: { default: 10.0.0.1, "::/0": "2001:db8::1" } }
  web: { routes: { default: 10.0.0.1 } }
  isp: {}
bridges:
  lan:
    namespace: gw
    addresses: [10.0.0.1/24, "2001:db8::1/64"]
    ports: { "alice:eth0": [10.0.0.2/24, "2001:db8::2/64"], "web:eth0": 10.0.0.3/24 }
  br-host: { addresses: 10.5.0.1/24, ports: { "alice:eth1": 10.5.0.2/24 } }
links:
  - endpoints: { gw:wan: 192.0.2.2/30, isp:eth0: 192.0.2.1/30 }
tunnels:
  vx0:
    type: vxlan
    id: 7
    peers: [192.0.2.9]
    endpoints: { gw: { local: 192.0.2.2, addresses: 10.7.0.1/24 }, isp: { local: 192.0.2.1, addresses: 10.7.0.2/24 } }
`,
);

const dropAll = '{ type filter hook forward priority 0; policy drop; }';
const removals: readonly (readonly string[])[] = [
  ['ip', 'netns', 'del', 'alice'],
  ['ip', 'netns', 'del', 'gw'],
  ['ip', '-n', 'gw', 'link', 'del', 'lan'],
  ['ip', '-n', 'gw', 'link', 'del', 'wan'],
  ['ip', '-n', 'alice', 'link', 'del', 'eth0'],
  ['ip', '-n', 'isp', 'link', 'del', 'vx0'],
  ['ip', 'link', 'del', 'br-host'],
  ['ip', '-n', 'gw', 'link', 'set', 'wan', 'down'],
  ['ip', '-n', 'alice', 'link', 'set', 'eth0', 'down'],
  ['ip', '-n', 'gw', 'link', 'set', 'lan', 'mtu', '1400'],
  ['ip', '-n', 'gw', 'link', 'set', 'web-eth0', 'nomaster'],
  ['ip', '-n', 'web', 'link', 'set', 'eth0', 'address', '02:00:00:00:00:77'],
  ['ip', '-n', 'alice', 'address', 'flush', 'dev', 'eth0'],
  ['ip', '-n', 'gw', 'address', 'del', '192.0.2.2/30', 'dev', 'wan'],
  ['ip', '-n', 'gw', 'address', 'add', '10.99.0.1/24', 'dev', 'lan'],
  ['ip', '-n', 'alice', 'route', 'del', 'default'],
  ['ip', '-n', 'alice', 'route', 'replace', 'default', 'via', '10.0.0.3'],
  ['ip', '-n', 'gw', 'route', 'del', 'blackhole', '10.0.0.0/8'],
  ['ip', '-n', 'alice', '-6', 'route', 'flush', 'default'],
  ['ip', 'netns', 'exec', 'gw', 'nft', 'flush', 'ruleset'],
  ['ip', 'netns', 'exec', 'gw', 'nft', 'flush', 'chain', 'inet', 'topoweave-repair', 'postrouting'],
  ['ip', 'netns', 'exec', 'gw', 'nft', 'add', 'rule', 'inet', 'topoweave-repair', 'postrouting', 'counter'],
  ['ip', 'netns', 'exec', 'gw', 'nft', 'add', 'chain', 'inet', 'topoweave-repair', 'mine', dropAll],
  ['ip', 'netns', 'exec', 'gw', 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=0'],
  ['bridge', '-n', 'gw', 'fdb', 'del', '00:00:00:00:00:00', 'dev', 'vx0', 'dst', '192.0.2.9'],
  ['ip', '-n', 'gw', 'link', 'set', 'lo', 'down'],
  ['ip', '-n', 'gw', 'link', 'set', 'wan', 'alias', 'mine now'],
];

let before = '';
beforeAll(async () => {
  before = dump();
  await expectCode(0, 'apply', file);
});
afterAll(async () => {
  await expectCode(0, 'destroy', '--all');
  folder.remove();
  expect(dump()).toBe(before);
});

for (const removal of removals) {
  test(`repairs: ${removal.join(' ')}`, async () => {
    sh(...(removal as [string, ...string[]]));
    await expectCode(2, 'plan', '--detailed-exitcode', file);
    await expectCode(0, 'apply', file);
    const { stdout } = await expectCode(0, 'plan', '--detailed-exitcode', file);
    expect(stdout).toContain('No changes');
  });
}

test('random removals, several at once, are always repaired', async () => {
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray([...removals], { minLength: 2, maxLength: 6 }), async (chosen) => {
      for (const removal of chosen) {
        try {
          sh(...(removal as [string, ...string[]]));
        } catch {
          // An earlier one took it along already.
        }
      }
      await expectCode(0, 'apply', file);
      await expectCode(0, 'plan', '--detailed-exitcode', file);
    }),
    { numRuns: 25, seed: 20, endOnFailure: true },
  );
  expect(namespaces()).toEqual(['alice', 'gw', 'isp', 'web']);
  expect(ip('gw', 'route')).toContain('default via 192.0.2.1');
});
