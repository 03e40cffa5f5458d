import { afterAll, beforeEach, expect, test } from 'vitest';
import { expectCode, ip, sh, topoweave, workFolder } from '../support/host.ts';

// The first IPv4 address of a subnet is the primary one, and so the source of what is sent there: the order of the file is
// a part of what it says.
const folder = workFolder();
beforeEach(async () => {
  await topoweave('destroy', 'order');
});
afterAll(async () => {
  await topoweave('destroy', 'order');
  folder.remove();
});

function fileWith(name: string, addresses: readonly string[]): string {
  return folder.write(
    name,
    `name: order
namespaces: [order-a, order-b]
links:
  - endpoints:
      order-a:eth0: [${addresses.join(', ')}]
      order-b:eth0: 198.51.100.7/24
`,
  );
}

function addresses(): string[] {
  const [link] = JSON.parse(ip('order-a', '-j', '-4', 'address', 'show', 'dev', 'eth0')) as {
    addr_info: { local: string; secondary?: boolean }[];
  }[];
  return (link?.addr_info ?? []).map(({ local, secondary }) => `${local}${secondary ? ' secondary' : ''}`);
}

function source(): string {
  const [route] = JSON.parse(ip('order-a', '-j', 'route', 'get', '198.51.100.7')) as { prefsrc: string }[];
  return route?.prefsrc ?? '';
}

function promoteSecondaries(): void {
  const path = '/proc/sys/net/ipv4/conf/all/promote_secondaries';
  sh('nsenter', '--net=/run/netns/order-a', 'sh', '-c', `echo 1 >${path}`);
}

const [two, one] = ['198.51.100.2/24', '198.51.100.1/24'];

test.each([false, true])(
  'the first one of the file is the primary one (promote_secondaries: %s)',
  async (promotes) => {
    const file = fileWith('order.yaml', [
      two,
      one,
      '10.0.0.1/8',
      '{ address: 10.0.0.5, peer: 198.51.100.9/24 }',
    ]);
    await expectCode(0, 'apply', file);
    if (promotes) promoteSecondaries();
    expect(source()).toBe('198.51.100.2');
    expect(addresses()).toEqual(['198.51.100.2', '10.0.0.1', '198.51.100.1 secondary', '10.0.0.5 secondary']);
    await expectCode(0, 'plan', '--detailed-exitcode', file);
    // Another order in the file.
    const other = fileWith('other.yaml', [one, two, '10.0.0.1/8']);
    const { stdout } = await expectCode(2, 'plan', '--detailed-exitcode', other);
    expect(stdout).toContain('behind: (none) -> 198.51.100.1/24');
    await expectCode(0, 'apply', other);
    expect(source()).toBe('198.51.100.1');
    await expectCode(0, 'plan', '--detailed-exitcode', other);
    // Back, with the third one: as a fresh apply makes it.
    await expectCode(0, 'apply', file);
    expect(addresses().filter((text) => text !== '10.0.0.1')).toEqual([
      '198.51.100.2',
      '198.51.100.1 secondary',
      '10.0.0.5 secondary',
    ]);
    // The primary one is lost; with promote_secondaries another takes its place.
    ip('order-a', 'address', 'del', two, 'dev', 'eth0');
    await expectCode(2, 'plan', '--detailed-exitcode', file);
    await expectCode(0, 'apply', file);
    expect(source()).toBe('198.51.100.2');
    await expectCode(0, 'plan', '--detailed-exitcode', file);
    // One in front of all others, and one less.
    const more = fileWith('more.yaml', ['198.51.100.3/24', two]);
    await expectCode(0, 'apply', more);
    expect(addresses()).toEqual(['198.51.100.3', '198.51.100.2 secondary']);
    await expectCode(0, 'apply', fileWith('less.yaml', [two]));
    expect(addresses()).toEqual(['198.51.100.2']);
  },
);

test('what the file does not order is not compared: one address for each subnet, and IPv6', async () => {
  const first = fileWith('first.yaml', ['10.1.0.1/24', '10.2.0.1/24', '"fd00::1/64"', '"fd00::2/64"']);
  await expectCode(0, 'apply', first);
  const second = fileWith('second.yaml', ['"fd00::2/64"', '"fd00::1/64"', '10.2.0.1/24', '10.1.0.1/24']);
  await expectCode(0, 'plan', '--detailed-exitcode', second);
});
