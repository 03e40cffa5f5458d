import { afterAll, afterEach, expect, test } from 'vitest';
import { dump, expectCode, ifindex, ip, sh, workFolder } from '../support/host.ts';

const folder = workFolder();
afterAll(() => folder.remove());
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
});

const lab = (left: string, port: string, bridge = '', routes = '') =>
  folder.write(
    'names.yaml',
    `name: names
namespaces:
  a: { ${routes} }
  b: {}
  c: {}
links:
  - endpoints: { ${left}, b:eth0: 10.0.0.2/24 }
bridges:
  ${bridge || 'br0: {'} namespace: b, ports: { ${port} } }
`,
  );

async function settle(file: string): Promise<string> {
  await expectCode(2, 'plan', '--detailed-exitcode', file);
  const { stdout } = await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  return stdout;
}

test('a renamed interface is the same one, with its addresses and routes', async () => {
  const routes = (dev: string) =>
    `routes: [{ to: 10.9.0.0/16, via: 10.0.0.2, dev: ${dev} }], sysctls: { net.ipv4.conf.${dev}.log_martians: 1 }`;
  const before = '{ addresses: [10.0.0.1/24, "2001:db8::1/64"] }';
  await settle(lab(`a:old: ${before}`, 'c:eth0: 10.1.0.1/24', '', routes('old')));
  ip('a', 'route', 'add', '10.8.0.0/16', 'via', '10.0.0.2');
  const index = ifindex('a', 'old');
  const after = '{ was: old, addresses: [10.0.0.1/24, "2001:db8::1/64", 10.0.0.3/24] }';
  const file = lab(`a:uplink: ${after}`, 'c:eth0: 10.1.0.1/24', '', routes('uplink'));
  const { stdout } = await expectCode(2, 'plan', '--detailed-exitcode', file);
  expect(stdout).toMatch(/~ veth uplink[^\n]*\n\s+name: old -> uplink/);
  await settle(file);
  expect(ifindex('a', 'uplink')).toBe(index);
  // What somebody else added is still there where the kernel renames a running interface.
  if (!stdout.includes('goes down'))
    expect(ip('a', 'route')).toContain('10.8.0.0/16 via 10.0.0.2 dev uplink');
  sh('ip', 'netns', 'exec', 'a', 'ping', '-c1', '-W5', '10.0.0.2');
});

test('addresses that leave the file go from an interface that is renamed in the same run', async () => {
  await settle(lab('a:old: [10.0.0.1/24, 10.5.0.1/24]', 'c:eth0: 10.1.0.1/24'));
  const index = ifindex('a', 'old');
  await settle(lab('a:new: { was: old, addresses: 10.0.0.1/24 }', 'c:eth0: 10.1.0.1/24'));
  expect(ifindex('a', 'new')).toBe(index);
  expect(ip('a', 'address', 'show', 'dev', 'new')).not.toContain('10.5.0.1');
});

test('a port, its near end and its bridge are renamed', async () => {
  await settle(lab('a:eth0: 10.0.0.1/24', 'c:eth0: 10.1.0.1/24'));
  const [far, near, bridge] = [ifindex('c', 'eth0'), ifindex('b', 'c-eth0'), ifindex('b', 'br0')];
  await settle(
    lab('a:eth0: 10.0.0.1/24', 'c:lan: { was: eth0, addresses: 10.1.0.1/24 }', 'sw0: { was: br0,'),
  );
  expect([ifindex('c', 'lan'), ifindex('b', 'c-lan'), ifindex('b', 'sw0')]).toEqual([far, near, bridge]);
  expect(ip('b', 'link', 'show', 'dev', 'c-lan')).toContain('master sw0');
});

test('from a short name to one that is too long for the kernel, and back', async () => {
  await settle(lab('a:eth0: 10.0.0.1/24', 'c:eth0: 10.1.0.1/24'));
  const index = ifindex('a', 'eth0');
  await settle(lab('a:uplink-to-the-provider: { was: eth0, addresses: 10.0.0.1/24 }', 'c:eth0: 10.1.0.1/24'));
  expect(ifindex('a', 'uplink-to-the-provider')).toBe(index);
  await settle(lab('a:eth0: { was: uplink-to-the-provider, addresses: 10.0.0.1/24 }', 'c:eth0: 10.1.0.1/24'));
  expect(ifindex('a', 'eth0')).toBe(index);
  expect(ip('a', 'link', 'show', 'dev', 'eth0')).not.toContain('altname');
});

test('an old name that belongs to another interface, or to nobody, means nothing', async () => {
  const mac = 'macaddress: "02:00:00:00:00:09", addresses: 10.0.0.1/24';
  await settle(lab(`a:eth0: { ${mac} }`, 'c:eth0: 10.1.0.1/24'));
  const file = lab(`a:eth0: { was: other, ${mac} }`, 'c:eth0: 10.1.0.1/24');
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  ip('a', 'link', 'add', 'stranger', 'type', 'veth', 'peer', 'name', 'stranger2');
  const taken = lab('a:eth1: { was: stranger, addresses: 10.0.0.1/24 }', 'c:eth0: 10.1.0.1/24');
  await settle(taken);
  expect(ip('a', 'link', 'show', 'dev', 'stranger')).toContain('stranger');
  ip('a', 'link', 'del', 'stranger');
});

test('an interface that is renamed and of another kind is made anew', async () => {
  const file = (interfaces: string) =>
    folder.write('kind.yaml', `name: names\nnamespaces: { a: {} }\n${interfaces}\n`);
  await settle(file('bridges: { br0: { namespace: a, addresses: 10.0.0.1/24 } }'));
  await settle(file('links: [{ endpoints: { "a:v0": { was: br0, addresses: 10.0.0.1/24 }, "a:v1": {} } }]'));
  expect(ip('a', 'link')).not.toContain('br0');
});

test('the whole name is put back when somebody takes it away; nothing is left in the end', async () => {
  const before = dump();
  const file = lab('a:uplink-to-the-provider: 10.0.0.1/24', 'c:ethernet-on-the-left: 10.1.0.1/24');
  await settle(file);
  ip('a', 'link', 'property', 'del', 'dev', 'uplink-to-the-provider', 'altname', 'uplink-to-the-provider');
  await settle(file);
  expect(ip('a', 'link')).toContain('altname uplink-to-the-provider');
  await expectCode(0, 'destroy', file);
  expect(dump()).toBe(before);
});
