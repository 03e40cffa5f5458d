import fc from 'fast-check';
import { Address4, Address6 } from 'ip-address';
import { describe, expect, test } from 'vitest';
import {
  canonicalAddress,
  contains,
  formatIp,
  formatNetwork,
  isHostPrefix,
  isLinkLocal,
  isLoopback,
  isMulticast,
  lastAddressOf,
  overlaps,
  parseCidr,
  parseIp,
} from '../../../src/lib/ip.ts';

const value4 = fc.bigInt({ min: 0n, max: 2n ** 32n - 1n });
// Zeros in whole groups, which is what the short form is about.
const value6 = fc
  .array(fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 0xffffn })), { minLength: 8, maxLength: 8 })
  .map((groups) => groups.reduce((sum, group) => (sum << 16n) | group, 0n));
const ip = fc.oneof(
  value4.map((value) => ({ value, family: 4 as const })),
  value6.map((value) => ({ value, family: 6 as const })),
);
const cidr = fc.oneof(
  fc
    .tuple(value4, fc.integer({ min: 0, max: 32 }))
    .map(([value, length]) => `${formatIp(value, 4)}/${length}`),
  fc
    .tuple(value6, fc.integer({ min: 0, max: 128 }))
    .map(([value, length]) => `${formatIp(value, 6)}/${length}`),
);

function parsed(text: string) {
  const result = parseCidr(text);
  if (result === undefined) throw new Error(`${text} is not a prefix`);
  return result;
}

function reference(text: string): Address4 | Address6 {
  return text.includes(':') ? new Address6(text) : new Address4(text);
}

describe('canonical form', () => {
  test('an address survives being printed and read', () => {
    fc.assert(
      fc.property(ip, ({ value, family }) => {
        const address = formatIp(value, family);
        expect(parseIp(address)).toEqual({ address, family, value });
      }),
    );
  });

  test('every way to write an IPv6 address has one canonical form', () => {
    fc.assert(
      fc.property(value6, (value) => {
        const groups = Array.from({ length: 8 }, (_, index) => (value >> BigInt(112 - 16 * index)) & 0xffffn);
        const long = groups.map((group) => group.toString(16).toUpperCase().padStart(4, '0')).join(':');
        const canonical = canonicalAddress(long);
        expect(canonical).toBe(formatIp(value, 6));
        // ip-address prints mapped and compatible addresses without dots.
        if (!canonical?.includes('.')) expect(new Address6(long).correctForm()).toBe(canonical);
      }),
    );
  });

  test.each([
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::1', '::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::FFFF:c000:0201', '::ffff:192.0.2.1'],
    ['::192.0.2.1', '::192.0.2.1'],
    ['fe80:0::1', 'fe80::1'],
  ])('%s is %s', (text, expected) => {
    expect(canonicalAddress(text)).toBe(expected);
  });
});

describe('what is not an address', () => {
  test.each([
    '',
    '10.0.0',
    '10.0.0.01',
    '010.0.0.1',
    '10.0.0.256',
    '0x0a.0.0.1',
    '10.0.0.1/24',
    '1',
    ' 10.0.0.1',
  ])("'%s'", (text) => {
    expect(parseIp(text)).toBeUndefined();
  });

  test.each(['fe80::1%eth0', ':::', '2001:db8:::1', '1:2:3:4:5:6:7', 'g::1', '[::1]', '::ffff:1.2.3.256'])(
    "'%s'",
    (text) => {
      expect(parseIp(text)).toBeUndefined();
    },
  );

  test.each([
    '10.0.0.1',
    '10.0.0.1/33',
    '10.0.0.1/024',
    '10.0.0.1/',
    '10.0.0.1/-1',
    '::1/129',
    '10.0.0.1/24/8',
  ])("the prefix '%s'", (text) => {
    expect(parseCidr(text)).toBeUndefined();
  });
});

describe('subnets', () => {
  test('first and last address are those of ip-address', () => {
    fc.assert(
      fc.property(cidr, (text) => {
        const own = parsed(text);
        const other = reference(text);
        expect(own.network).toBe(other.startAddress().bigInt());
        expect(lastAddressOf(own)).toBe(other.endAddress().bigInt());
      }),
    );
  });

  test('contains and overlaps agree with ip-address', () => {
    fc.assert(
      fc.property(cidr, cidr, (a, b) => {
        const [left, right] = [parsed(a), parsed(b)];
        const isSameFamily = left.family === right.family;
        const isInside = isSameFamily && left.network <= right.value && right.value <= lastAddressOf(left);
        expect(contains(left, right)).toBe(isInside);
        const [other, another] = [reference(a), reference(b)];
        const expected = isSameFamily && (other.isInSubnet(another) || another.isInSubnet(other));
        expect(overlaps(left, right)).toBe(expected);
        expect(overlaps(right, left)).toBe(expected);
      }),
    );
  });

  test('a subnet contains each of its own addresses', () => {
    fc.assert(
      fc.property(cidr, fc.bigInt({ min: 0n, max: 2n ** 128n }), (text, offset) => {
        const subnet = parsed(text);
        const size = lastAddressOf(subnet) - subnet.network + 1n;
        const address = formatIp(subnet.network + (offset % size), subnet.family);
        expect(contains(subnet, parsed(`${address}/${subnet.prefixLength}`))).toBe(true);
      }),
    );
  });

  test('the network is printed with its length', () => {
    expect(formatNetwork(parsed('10.1.2.3/20'))).toBe('10.1.0.0/20');
    expect(formatNetwork(parsed('2001:db8::5/64'))).toBe('2001:db8::/64');
    expect(formatNetwork(parsed('10.1.2.3/0'))).toBe('0.0.0.0/0');
  });
});

test('special addresses', () => {
  const is = (check: (subject: ReturnType<typeof parsed>) => boolean, text: string) => check(parsed(text));
  expect(is(isMulticast, '224.0.0.1/4')).toBe(true);
  expect(is(isMulticast, '223.255.255.255/4')).toBe(false);
  expect(is(isMulticast, 'ff02::1/128')).toBe(true);
  expect(is(isLinkLocal, 'fe80::1/64')).toBe(true);
  expect(is(isLinkLocal, 'febf::1/64')).toBe(true);
  expect(is(isLinkLocal, 'fec0::1/64')).toBe(false);
  expect(is(isLoopback, '127.0.0.53/8')).toBe(true);
  expect(is(isLoopback, '::1/128')).toBe(true);
  expect(is(isHostPrefix, '10.0.0.1/32')).toBe(true);
  expect(is(isHostPrefix, '::1/127')).toBe(false);
});
