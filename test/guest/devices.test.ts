import { afterAll, afterEach, expect, test } from 'vitest';
import { expectCode, ifindex, ip, workFolder } from '../support/host.ts';

const folder = workFolder();
afterAll(() => folder.remove());
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
});

function lab(devices: string): string {
  return folder.write(
    'devices.yaml',
    `name: devices
namespaces:
  a:
    interfaces:
${devices.replace(/^/gm, '      ')}
  b: {}
links: [[a:eth0, b:eth0], [host:up0, b:up0]]
`,
  );
}

/** Applies both files, the second with a second plan that is empty; whether the interface is still the same one. */
async function isKept(name: string, before: string, after: string): Promise<boolean> {
  await expectCode(0, 'apply', lab(before));
  await expectCode(0, 'plan', '--detailed-exitcode', lab(before));
  const index = ifindex('a', name);
  await expectCode(2, 'plan', '--detailed-exitcode', lab(after));
  await expectCode(0, 'apply', lab(after));
  await expectCode(0, 'plan', '--detailed-exitcode', lab(after));
  return ifindex('a', name) === index;
}

/** What changes on the running interface, and what takes a new one: a name, what is there, what is wanted. */
const cases: readonly [name: string, before: string, after: string, kept: boolean][] = [
  ['dummy: mtu', 'x0: { type: dummy }', 'x0: { type: dummy, mtu: 1400 }', true],
  ['dummy: addresses', 'x0: { type: dummy }', 'x0: { type: dummy, addresses: 10.0.0.1/32 }', true],
  [
    'vlan: alias',
    'x0: { type: vlan, link: eth0, id: 1 }',
    'x0: { type: vlan, link: eth0, id: 1, alias: hi }',
    true,
  ],
  ['vlan: id', 'x0: { type: vlan, link: eth0, id: 1 }', 'x0: { type: vlan, link: eth0, id: 2 }', false],
  [
    'vlan: protocol',
    'x0: { type: vlan, link: eth0, id: 1 }',
    'x0: { type: vlan, link: eth0, id: 1, protocol: 802.1ad }',
    false,
  ],
  [
    'vlan: link',
    'x0: { type: vlan, link: eth0, id: 1 }',
    'x0: { type: vlan, link: "host:up0", id: 1 }',
    false,
  ],
  ['kind', 'x0: { type: dummy }', 'x0: { type: vlan, link: eth0, id: 1 }', false],
];

for (const [name, before, after, kept] of cases) {
  test(`${name}: ${kept ? 'in place' : 'a new interface'}`, async () => {
    expect(await isKept('x0', before, after)).toBe(kept);
  });
}

test('an interface on top of one of the host comes and goes with it', async () => {
  const file = lab('x0: { type: vlan, link: "host:up0", id: 9, addresses: 10.9.0.1/24 }');
  await expectCode(0, 'apply', file);
  expect(ip('a', '-d', 'link', 'show', 'dev', 'x0')).toContain('vlan protocol 802.1Q id 9');
  ip('host', 'link', 'del', 'dev', 'up0');
  await expectCode(2, 'plan', '--detailed-exitcode', file);
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
});
