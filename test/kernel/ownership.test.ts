import { existsSync, readdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { reconcile } from '../../src/apply/reconcile.ts';
import { chooseEngine } from '../../src/engine/choose.ts';
import { dump, engineName, expectCode, ip, namespaces, sh, topoweave, workFolder } from '../support/host.ts';

const folder = workFolder();
let before = '';
beforeEach(() => {
  before = dump();
});
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
  expect(dump()).toBe(before);
});
afterAll(() => folder.remove());

const one = () => folder.write('one.yaml', 'name: one\nnamespaces: [a, b]\nlinks: [[a:eth0, b:eth0]]\n');
const two = () =>
  folder.write(
    'two.yaml',
    'name: two\nnamespaces: [c]\nbridges:\n  br-two: { addresses: 10.2.0.1/24, ports: { c:eth0: 10.2.0.2/24 } }\n',
  );

test('two labs live side by side, and destroying one leaves the other as it is', async () => {
  await expectCode(0, 'apply', one());
  await expectCode(0, 'apply', two());
  const { stdout } = await expectCode(0, 'status');
  expect(stdout).toMatch(/^one +2 +2 +\S+one\.yaml$/m);
  expect(stdout).toMatch(/^two +2 +3 +\S+two\.yaml$/m);
  await expectCode(0, 'plan', '--detailed-exitcode', one());
  await expectCode(0, 'destroy', 'one');
  await expectCode(0, 'plan', '--detailed-exitcode', two());
  expect(namespaces()).toEqual(['c']);
});

test('a sysctl of the host that two labs need stays until the last one goes', async () => {
  const lab = (name: string, subnet: string) =>
    folder.write(
      `${name}.yaml`,
      `name: ${name}\nnamespaces: [in-${name}]\nnetworks: { n-${name}: { subnet: ${subnet}, members: [in-${name}] } }\n`,
    );
  const forwarding = () => sh('sysctl', '-n', 'net.ipv4.ip_forward').trim();
  const files = { one: lab('one', '10.1.0.0/24'), two: lab('two', '10.2.0.0/24') };
  for (const [first, last] of [
    ['one', 'two'],
    ['two', 'one'],
  ] as const) {
    await expectCode(0, 'apply', files.one);
    await expectCode(0, 'apply', files.two);
    await expectCode(0, 'destroy', first);
    expect(forwarding()).toBe('1');
    await expectCode(0, 'plan', '--detailed-exitcode', files[last]);
    await expectCode(0, 'destroy', last);
    expect(forwarding()).toBe('0');
  }
});

test('links that go as a group: those of others stay, and one that somebody removed meanwhile is no failure', async () => {
  const names = Array.from({ length: 9 }, (_, index) => `m${index}`);
  const file = folder.write(
    'many.yaml',
    `name: many\nnamespaces: [${names.join(', ')}]\nbridges: { br-many: { ports: [${names.map((name) => `${name}:eth0`).join(', ')}] } }\n`,
  );
  ip('host', 'link', 'add', 'theirs', 'type', 'veth', 'peer', 'name', 'theirs-far');
  ip('host', 'link', 'set', 'theirs', 'group', '7');
  await expectCode(0, 'apply', file);
  const { engine } = chooseEngine(engineName);
  const ports = () => ip('host', '-br', 'link').match(/^m\d-eth0/gm) ?? [];
  expect(ports()).toHaveLength(9);
  await reconcile(
    engine,
    { lab: 'many', topology: undefined },
    {
      onFirstPlan: () => {
        ip('host', 'link', 'del', 'm4-eth0');
      },
    },
  );
  expect(ports()).toEqual([]);
  expect(ip('host', '-br', 'link')).toMatch(/^theirs@/m);
  ip('host', 'link', 'del', 'theirs');
});

test('what IPv6 forwarding does to routes that the machine learned is in the plan', async () => {
  const file = folder.write(
    'six.yaml',
    'name: six\nnamespaces: [a]\nnetworks: { n6: { subnet: "fd00:6::/64", members: [a] } }\n',
  );
  ip('host', 'link', 'add', 'wan6', 'type', 'veth', 'peer', 'name', 'wan6-far');
  ip('host', 'link', 'set', 'wan6', 'up');
  expect((await expectCode(0, 'plan', file)).stdout).not.toContain('router advertisements');
  ip('host', '-6', 'route', 'add', 'default', 'via', 'fe80::1', 'dev', 'wan6', 'proto', 'ra', 'onlink');
  const { stdout } = await expectCode(0, 'plan', file);
  expect(stdout).toContain('default routes from router advertisements go (wan6), where accept_ra is not 2');
  ip('host', 'link', 'del', 'wan6');
});

test("another lab's namespace in the way is named, and nothing is changed", async () => {
  await expectCode(0, 'apply', one());
  sh('sleep', '2.2');
  const clash = folder.write('clash.yaml', 'name: clash\nnamespaces: [a, z]\n');
  const now = dump();
  const { stderr } = await expectCode(1, 'apply', clash);
  expect(stderr).toContain("namespace a belongs to the lab 'one'");
  expect(dump()).toBe(now);
});

test("a stranger's objects in the way are named, and stay", async () => {
  ip('host', 'link', 'add', 'br-two', 'type', 'bridge');
  sh('ip', 'netns', 'add', 'c');
  const now = dump();
  const { stderr } = await expectCode(1, 'apply', two());
  expect(stderr).toContain('br-two in host is already there and does not belong to this lab');
  expect(stderr).toContain('namespace c is already there and does not belong to this lab');
  expect(dump()).toBe(now);
  sh('ip', 'netns', 'del', 'c');
  ip('host', 'link', 'del', 'br-two');
});

test('foreign objects are the same before and after', async () => {
  ip('host', 'link', 'add', 'foreign0', 'type', 'bridge');
  ip('host', 'address', 'add', '10.99.0.1/24', 'dev', 'foreign0');
  ip('host', 'link', 'set', 'foreign0', 'up');
  ip('host', 'route', 'add', '10.98.0.0/16', 'via', '10.99.0.2');
  sh('nft', 'add table inet stranger');
  // Until duplicate address detection has settled the stranger's own link-local address.
  sh('sleep', '2.2');
  const foreign = dump();
  await expectCode(0, 'apply', two());
  await expectCode(0, 'destroy', 'two');
  expect(dump()).toBe(foreign);
  sh('nft', 'delete table inet stranger');
  ip('host', 'link', 'del', 'foreign0');
});

test('what leaves the file leaves the system; what the user added stays', async () => {
  const full = folder.write(
    'lab.yaml',
    'name: lab\nnamespaces: [a, b, c]\nlinks: [[a:eth0, b:eth0], [b:eth1, c:eth0]]\n',
  );
  await expectCode(0, 'apply', full);
  ip('a', 'link', 'add', 'mine', 'type', 'bridge');
  ip('a', 'route', 'add', 'blackhole', '10.77.0.0/16');
  const less = folder.write('lab.yaml', 'name: lab\nnamespaces: [a, b]\nlinks: [[a:eth0, b:eth0]]\n');
  const { stdout } = await expectCode(0, 'plan', less);
  expect(stdout).toMatch(/- namespace {2}# not in the file/);
  await expectCode(0, 'apply', less);
  expect(namespaces()).toEqual(['a', 'b']);
  expect(ip('a', 'link')).toContain('mine');
  expect(ip('a', 'route')).toContain('10.77.0.0/16');
});

test('destroy works when the file is gone, changed, or broken, and by name', async () => {
  const file = one();
  await expectCode(0, 'apply', file);
  unlinkSync(file);
  await expectCode(0, 'destroy', file);
  expect(namespaces()).toEqual([]);
  await expectCode(0, 'apply', one());
  writeFileSync(file, 'name: one\nnamespaces: [other]\nlinks: nonsense\n');
  await expectCode(0, 'destroy', file);
  expect(namespaces()).toEqual([]);
  await expectCode(0, 'apply', one());
  await expectCode(0, 'destroy', 'one');
  const { stdout } = await expectCode(0, 'destroy', 'one');
  expect(stdout).toContain("there is no lab 'one'");
});

test('the record may be lost: the marks are enough', async () => {
  await expectCode(0, 'apply', one());
  for (const name of readdirSync('/run/topoweave').filter((entry) => entry.endsWith('.json')))
    unlinkSync(`/run/topoweave/${name}`);
  await expectCode(0, 'plan', '--detailed-exitcode', one());
  await expectCode(0, 'destroy', 'one');
  expect(namespaces()).toEqual([]);
});

test('the file that a killed `ip netns add` leaves is explained and repaired', async () => {
  sh('mkdir', '-p', '/run/netns');
  writeFileSync('/run/netns/a', '', { mode: 0o000 });
  const { stdout } = await expectCode(2, 'plan', '--detailed-exitcode', one());
  expect(stdout).toMatch(/-\/\+ namespace/);
  await expectCode(0, 'apply', one());
  await expectCode(0, 'plan', '--detailed-exitcode', one());
});

test('a file with content under /run/netns is in the way', async () => {
  sh('mkdir', '-p', '/run/netns');
  writeFileSync('/run/netns/a', 'precious');
  const { stderr } = await expectCode(1, 'apply', one());
  expect(stderr).toContain('/run/netns/a is in the way and is no namespace');
  unlinkSync('/run/netns/a');
});

test('a veth that a killed run left in the host is removed', async () => {
  await expectCode(0, 'apply', one());
  const group = (JSON.parse(ip('a', '-j', 'link', 'show', 'eth0')) as { group: string }[])[0]?.group ?? '';
  ip('host', 'link', 'add', 'left0', 'group', group, 'type', 'veth', 'peer', 'name', 'left1', 'group', group);
  const { stdout } = await expectCode(2, 'plan', '--detailed-exitcode', one());
  expect(stdout).toMatch(/- veth left0/);
  await expectCode(0, 'apply', one());
  expect(ip('host', 'link')).not.toContain('left0');
});

test("the host's sysctls, addresses on lo and routes come back as they were", async () => {
  const file = folder.write(
    'host.yaml',
    `name: hostlab
namespaces:
  host:
    forwarding: true
    sysctls: { net.ipv4.conf.all.rp_filter: 2 }
    interfaces: { lo: { addresses: 10.255.0.1/32 } }
    routes: [{ to: 10.254.0.0/16, type: blackhole }]
  a: { routes: { default: 10.0.0.1 } }
links:
  - endpoints: { host:to-a: 10.0.0.1/24, a:eth0: 10.0.0.2/24 }
`,
  );
  await expectCode(0, 'apply', file);
  expect(ip('host', 'address', 'show', 'dev', 'lo')).toContain('10.255.0.1/32');
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  const less = folder.write(
    'host.yaml',
    'name: hostlab\nnamespaces:\n  a: {}\nlinks:\n  - endpoints: { host:to-a: 10.0.0.1/24, a:eth0: 10.0.0.2/24 }\n',
  );
  await expectCode(0, 'apply', less);
  expect(sh('cat', '/proc/sys/net/ipv4/ip_forward').trim()).toBe('0');
  expect(ip('host', 'route')).not.toContain('10.254.0.0/16');
  expect(existsSync('/run/topoweave/hostlab.json')).toBe(true);
  // The same address, given by somebody else after the lab gave it up, is theirs.
  ip('host', 'address', 'add', '10.255.0.1/32', 'dev', 'lo');
  await expectCode(0, 'plan', '--detailed-exitcode', less);
  ip('host', 'address', 'del', '10.255.0.1/32', 'dev', 'lo');
});

test('without root, and with a foreign record folder, it refuses', async () => {
  sh('chmod', '0777', '/run/topoweave');
  const { code, stderr } = await topoweave('apply', one());
  expect(code).toBe(1);
  expect(stderr).toContain('/run/topoweave can be written by others');
  sh('chmod', '0700', '/run/topoweave');
});
