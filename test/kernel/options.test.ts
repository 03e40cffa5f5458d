import { afterAll, afterEach, expect, test } from 'vitest';
import { dump, expectCode, ifindex, ip, workFolder } from '../support/host.ts';

const folder = workFolder();
afterEach(async () => {
  await expectCode(0, 'destroy', lab('{}'));
});
afterAll(() => folder.remove());

const lab = (options: string) =>
  folder.write(
    'options.yaml',
    `name: options
namespaces:
  a: { interfaces: { d0: { type: tap, options: ${options} } } }
  b: {}
links:
  - endpoints: { a:eth0: { addresses: 10.0.0.1/24, options: ${options} }, b:eth0: 10.0.0.2/24 }
bridges:
  br0: { namespace: b, options: ${options} }
`.replaceAll('options: {}', 'mtu: 1500'),
  );

interface Link {
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly txqlen: number;
  readonly gso_max_size: number;
  readonly gso_max_segs: number;
  readonly gro_max_size: number;
}

/** What is as in no other interface of its kind. */
function state(namespace: string, name: string): object {
  const text = ip(namespace, '-j', '-d', 'link', 'show', 'dev', name);
  const [link] = JSON.parse(text) as [Link];
  const { flags, txqlen, gso_max_size, gso_max_segs, gro_max_size } = link;
  const known = ['PROMISC', 'ALLMULTI', 'MULTICAST', 'NOARP'];
  return {
    flags: flags.filter((flag) => known.includes(flag)).sort(),
    txqlen,
    sizes: [gso_max_size, gso_max_segs, gro_max_size],
  };
}

const all =
  '{ promiscuous: true, all-multicast: true, multicast: false, arp: false, transmit-queue-length: 77, gso-max-size: 30000, gso-max-segments: 20, gro-max-size: 40000 }';
const changed = { flags: ['ALLMULTI', 'NOARP', 'PROMISC'], txqlen: 77, sizes: [30000, 20, 40000] };
const places = [
  ['a', 'd0'],
  ['a', 'eth0'],
  ['b', 'br0'],
] as const;

test('options of a new interface are there at once, and go when they leave the file', async () => {
  await expectCode(0, 'apply', lab('{}'));
  const usual = places.map(([namespace, name]) => state(namespace, name));
  await expectCode(0, 'destroy', lab('{}'));

  await expectCode(0, 'apply', lab(all));
  expect(places.map(([namespace, name]) => state(namespace, name))).toEqual([changed, changed, changed]);
  await expectCode(0, 'plan', '--detailed-exitcode', lab(all));
  const index = ifindex('a', 'eth0');
  await expectCode(0, 'apply', lab('{}'));
  expect(places.map(([namespace, name]) => state(namespace, name))).toEqual(usual);
  expect(ifindex('a', 'eth0')).toBe(index);
  await expectCode(0, 'plan', '--detailed-exitcode', lab('{}'));
});

test('options change in place, are drift when somebody changes them, and come back as they were', async () => {
  await expectCode(0, 'apply', lab('{}'));
  ip('a', 'link', 'set', 'dev', 'eth0', 'txqueuelen', '123');
  const index = ifindex('a', 'eth0');
  const { stdout } = await expectCode(2, 'plan', '--detailed-exitcode', lab('{ transmit-queue-length: 5 }'));
  expect(stdout).toContain('transmit-queue-length of eth0');
  await expectCode(0, 'apply', lab('{ transmit-queue-length: 5 }'));
  expect(state('a', 'eth0')).toMatchObject({ txqlen: 5 });
  ip('a', 'link', 'set', 'dev', 'eth0', 'txqueuelen', '6');
  await expectCode(2, 'plan', '--detailed-exitcode', lab('{ transmit-queue-length: 5 }'));
  await expectCode(0, 'apply', lab('{ transmit-queue-length: 5, promiscuous: true }'));
  expect(state('a', 'eth0')).toMatchObject({ txqlen: 5, flags: ['MULTICAST', 'PROMISC'] });
  await expectCode(0, 'apply', lab('{}'));
  expect(state('a', 'eth0')).toMatchObject({ txqlen: 123, flags: ['MULTICAST'] });
  expect(ifindex('a', 'eth0')).toBe(index);
});

test('nobody else sets what the file does not name', async () => {
  const before = dump();
  await expectCode(0, 'apply', lab('{}'));
  ip('b', 'link', 'set', 'dev', 'eth0', 'promisc', 'on');
  await expectCode(0, 'plan', '--detailed-exitcode', lab('{}'));
  await expectCode(0, 'destroy', lab('{}'));
  expect(dump()).toBe(before);
});
