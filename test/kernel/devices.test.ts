import { afterAll, afterEach, expect, test } from 'vitest';
import { folder, isKept, lab } from '../support/devices.ts';
import { expectCode, ifindex, ip, sh, topoweave } from '../support/host.ts';

afterAll(() => folder.remove());
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
});

/** What changes on the running interface, and what takes a new one: a name, what is there, what is wanted. */
const cases: readonly [name: string, before: string, after: string, kept: boolean][] = [
  ...(['macvlan', 'macvtap'] as const).flatMap((kind): [string, string, string, boolean][] => [
    [
      `${kind}: mode`,
      `x0: { type: ${kind}, link: eth0 }`,
      `x0: { type: ${kind}, link: eth0, mode: private }`,
      true,
    ],
    [
      `${kind}: mode passthru`,
      `x0: { type: ${kind}, link: eth0 }`,
      `x0: { type: ${kind}, link: eth0, mode: passthru }`,
      false,
    ],
    [
      `${kind}: from passthru to another mode`,
      `x0: { type: ${kind}, link: eth0, mode: passthru }`,
      `x0: { type: ${kind}, link: eth0, mode: vepa }`,
      false,
    ],
    [`${kind}: link`, `x0: { type: ${kind}, link: eth0 }`, `x0: { type: ${kind}, link: "host:up0" }`, false],
    [
      `${kind}: macaddress and mtu`,
      `x0: { type: ${kind}, link: eth0 }`,
      `x0: { type: ${kind}, link: eth0, macaddress: "02:00:00:00:00:99", mtu: 1400 }`,
      true,
    ],
  ]),
  ['macvlan and macvtap', 'x0: { type: macvlan, link: eth0 }', 'x0: { type: macvtap, link: eth0 }', false],
  ['tap: mtu', 'x0: { type: tap }', 'x0: { type: tap, mtu: 1400 }', true],
  ['tap: macaddress', 'x0: { type: tap }', 'x0: { type: tap, macaddress: "02:00:00:00:00:99" }', true],
  ['tap: user', 'x0: { type: tap }', 'x0: { type: tap, user: nobody }', false],
  ['tap: group', 'x0: { type: tap, group: 12 }', 'x0: { type: tap, group: 13 }', false],
  ['tap: multi-queue', 'x0: { type: tap }', 'x0: { type: tap, multi-queue: true }', false],
  ['tun: addresses', 'x0: { type: tun }', 'x0: { type: tun, addresses: 10.8.0.1/24 }', true],
  ['tap and tun', 'x0: { type: tap }', 'x0: { type: tun }', false],
];

for (const [name, before, after, kept] of cases) {
  test(`${name}: ${kept ? 'in place' : 'a new interface'}`, async () => {
    expect(await isKept('x0', before, after)).toBe(kept);
  });
}

test('the user of a tap device is the same by name and by number', async () => {
  await expectCode(0, 'apply', lab('x0: { type: tap, user: root, group: 0 }'));
  await expectCode(0, 'plan', '--detailed-exitcode', lab('x0: { type: tap, user: 0, group: root }'));
});

test('devices that went by hand come back, with what is on them', async () => {
  const file = lab(`
m0: { type: macvlan, link: eth0, addresses: 10.0.0.1/24 }
m1: { type: macvlan, link: "host:up0" }
tap0: { type: tap }
tun0: { type: tun, addresses: 10.8.0.1/24 }`);
  await expectCode(0, 'apply', file);
  for (const name of ['m0', 'tap0', 'tun0']) ip('a', 'link', 'del', 'dev', name);
  ip('host', 'link', 'del', 'dev', 'up0');
  await expectCode(2, 'plan', '--detailed-exitcode', file);
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
});

test('a larger mtu below comes first, and a smaller one takes what is on top along', async () => {
  const file = (mtu: number) =>
    folder.write(
      'mtu.yaml',
      `name: mtu
namespaces: { a: { interfaces: { m0: { type: macvlan, link: eth0 } } }, b: {} }
links: [{ endpoints: [a:eth0, b:eth0], mtu: ${mtu} }]
`,
    );
  for (const mtu of [1500, 9000, 1400]) {
    await expectCode(0, 'apply', file(mtu));
    await expectCode(0, 'plan', '--detailed-exitcode', file(mtu));
    expect(ip('a', 'link', 'show', 'dev', 'm0')).toContain(`mtu ${mtu}`);
  }
});

test('a tap device has its kernel parameters', async () => {
  await expectCode(0, 'apply', lab('x0: { type: tap, sysctls: { rp_filter: 2, ipv6.disable_ipv6: 1 } }'));
  expect(sh('ip', 'netns', 'exec', 'a', 'sysctl', '-n', 'net.ipv4.conf.x0.rp_filter').trim()).toBe('2');
});

test('devices of somebody else are not touched', async () => {
  ip('host', 'tuntap', 'add', 'dev', 'tap0', 'mode', 'tap');
  const index = ifindex('host', 'tap0');
  const file = folder.write(
    'foreign.yaml',
    'name: foreign\nnamespaces: { host: { interfaces: { tap0: { type: tap } } } }\n',
  );
  const { code, stderr } = await topoweave('apply', file);
  expect(code).toBe(1);
  expect(stderr).toContain('tap0 in host is already there');
  expect(ifindex('host', 'tap0')).toBe(index);
  ip('host', 'link', 'del', 'dev', 'tap0');
});
