import { isIPv6 } from 'node:net';

/**
 * Addresses and prefixes as canonical texts and as big integers. Written by hand, for IPv6 on Node's own strict parser:
 * a lab of 4,000 namespaces makes tens of thousands of these, and an object of `ip-address` costs some twenty times as
 * much. The tests compare the two.
 */
export interface Ip {
  /** Canonical: IPv6 as in RFC 5952. */
  readonly address: string;
  readonly family: 4 | 6;
  readonly value: bigint;
}

/** An address with a prefix length: an interface's address, or a subnet when the host bits are zero. */
export interface Cidr extends Ip {
  readonly prefixLength: number;
  /** The subnet's first address. */
  readonly network: bigint;
}

/** Refuses what the kernel or another tool would read in another way: leading zeros, zone ids, short forms. */
export function parseIp(text: string): Ip | undefined {
  if (!text.includes(':')) {
    const value = ipv4Value(text);
    return value === undefined ? undefined : { address: text, family: 4, value: BigInt(value) };
  }
  // Not asked where no colon is: Node compiles its pattern at the first question, which takes 4 ms.
  if (text.includes('%') || !isIPv6(text)) return undefined;
  const value = ipv6Value(text);
  return { address: formatIp(value, 6), family: 6, value };
}

/** The one way to write an address, or undefined where the text is none. */
export function canonicalAddress(text: string): string | undefined {
  return parseIp(text)?.address;
}

/** The family of a text that is an address, a prefix or a range of them. */
export function familyOfAddress(text: string): 4 | 6 {
  return text.includes(':') ? 6 : 4;
}

/** `10.0.0.1/24`; undefined without a length. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  if (slash === -1) return undefined;
  const ip = parseIp(text.slice(0, slash));
  const length = text.slice(slash + 1);
  if (ip === undefined || !/^(0|[1-9][0-9]{0,2})$/.test(length)) return undefined;
  const prefixLength = Number(length);
  return prefixLength > addressBits(ip.family) ? undefined : withLength(ip, prefixLength);
}

/** An address with a prefix length that its family has. */
export function withLength(ip: Ip, prefixLength: number): Cidr {
  const { address, family, value } = ip;
  return { address, family, value, prefixLength, network: networkOf(ip, prefixLength) };
}

export function formatIp(value: bigint, family: 4 | 6): string {
  return family === 4 ? formatIpv4(value) : formatIpv6(value);
}

/** The subnet itself: `10.0.0.0/24` of `10.0.0.1/24`. */
export function formatNetwork({ network, family, prefixLength }: Cidr): string {
  return `${formatIp(network, family)}/${prefixLength}`;
}

export function addressBits(family: 4 | 6): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** The first address of the subnet of this length that the address is in. */
export function networkOf({ value, family }: Ip, prefixLength: number): bigint {
  if (prefixLength === addressBits(family)) return value;
  if (family === 4 && prefixLength > 0) {
    // Most addresses are of this kind, and numbers of 32 bits are much faster.
    const hostBits = 32 - prefixLength;
    return BigInt(((Number(value) >>> hostBits) << hostBits) >>> 0);
  }
  const hostBits = BigInt(addressBits(family) - prefixLength);
  return (value >> hostBits) << hostBits;
}

/** The last address of the subnet; for IPv4 its broadcast address. */
export function lastAddressOf({ network, family, prefixLength }: Cidr): bigint {
  return network + (1n << BigInt(addressBits(family) - prefixLength)) - 1n;
}

export function contains(cidr: Cidr, ip: Ip): boolean {
  return cidr.family === ip.family && networkOf(ip, cidr.prefixLength) === cidr.network;
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  return a.prefixLength <= b.prefixLength ? contains(a, b) : contains(b, a);
}

export function isMulticast({ value, family }: Ip): boolean {
  return family === 4 ? value >= 0xe0000000n && value <= 0xefffffffn : value >> 120n === 0xffn;
}

/** fe80::/10: means something only together with an interface. */
export function isLinkLocal({ value, family }: Ip): boolean {
  return family === 6 && value >> 118n === 0x3fan;
}

/** 127.0.0.0/8 and ::1. */
export function isLoopback({ value, family }: Ip): boolean {
  return family === 4 ? value >= 0x7f000000n && value <= 0x7fffffffn : value === 1n;
}

/** One address and no subnet: /32 or /128. */
export function isHostPrefix({ family, prefixLength }: { family: 4 | 6; prefixLength: number }): boolean {
  return prefixLength === addressBits(family);
}

/** Four numbers up to 255 without leading zeros, in one pass; undefined for anything else. */
function ipv4Value(text: string): number | undefined {
  let value = 0;
  let dots = 0;
  let byte = -1;
  for (let index = 0; index < text.length; index += 1) {
    const digit = text.charCodeAt(index) - 0x30;
    if (digit === -2 && byte >= 0 && dots < 3) {
      value = value * 256 + byte;
      dots += 1;
      byte = -1;
    } else if (digit < 0 || digit > 9 || byte === 0) return undefined;
    else {
      byte = byte < 0 ? digit : byte * 10 + digit;
      if (byte > 255) return undefined;
    }
  }
  return dots === 3 && byte >= 0 ? value * 256 + byte : undefined;
}

function ipv6Value(text: string): bigint {
  const [head = '', tail] = text.split('::');
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const zeros = new Array<number>(8 - left.length - right.length).fill(0);
  let value = 0n;
  for (const group of [...left, ...zeros, ...right]) value = (value << 16n) | BigInt(group);
  return value;
}

function groups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const value = ipv4Value(group) ?? 0;
    return [Math.floor(value / 65536), value % 65536];
  });
}

function formatIpv4(value: bigint): string {
  const number = Number(value);
  return [number >>> 24, (number >>> 16) & 255, (number >>> 8) & 255, number & 255].join('.');
}

function formatIpv6(value: bigint): string {
  const words: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) words.push(Number((value >> shift) & 0xffffn));
  return formatIpv6Words(words);
}

/**
 * An IPv6 address of eight words of 16 bits, like inet_ntop(3), which prints what the kernel has: mapped and compatible
 * addresses end in dotted form.
 */
export function formatIpv6Words(words: readonly number[]): string {
  const [from, length] = longestZeroRun(words);
  const isMapped = from === 0 && length === 5 && words[5] === 0xffff;
  if (isMapped || (from === 0 && length === 6)) {
    const [high = 0, low = 0] = words.slice(6);
    return `::${isMapped ? 'ffff:' : ''}${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  }
  let text = '';
  for (let index = 0; index < 8; index += 1) {
    if (length >= 2 && index === from) {
      text += '::';
      index += length - 1;
      continue;
    }
    if (text !== '' && !text.endsWith(':')) text += ':';
    text += (words[index] ?? 0).toString(16);
  }
  return text;
}

/** Where the longest run of zeros begins, and how many they are. */
function longestZeroRun(words: readonly number[]): [from: number, length: number] {
  let [bestFrom, bestLength, from] = [0, 0, 0];
  for (let index = 0; index < 8; index += 1) {
    if (words[index] !== 0) from = index + 1;
    else if (index + 1 - from > bestLength) [bestFrom, bestLength] = [from, index + 1 - from];
  }
  return [bestFrom, bestLength];
}
