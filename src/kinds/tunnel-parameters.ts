import { addressBytes, readAddress } from '../engine/netlink/bytes.ts';
import type { AttributeReader, MessageWriter } from '../engine/netlink/message.ts';
import type { LinkNames } from './link-codec.ts';

/** linux/if_tunnel.h: what a packet of one direction has. */
export const GRE_FLAGS = { csum: 0x8000, key: 0x2000, seq: 0x1000 } as const;
/** linux/ip6_tunnel.h, IP6_TNL_F_*. */
const IGNORE_ENCAP_LIMIT = 0x1;
const USE_ORIG_TCLASS = 0x2;
const USE_ORIG_FLOWLABEL = 0x4;
/** IPV6_DEFAULT_TNL_ENCAP_LIMIT: what iproute2 asks for where nothing is said. */
const ENCAP_LIMIT = 4;
const TOS_INHERIT = 1;

/** The words of ip-link(8) for GRE and for IP in IP. */
export interface TunnelParameters {
  mode: string | undefined;
  local: Buffer | undefined;
  remote: Buffer | undefined;
  dev: string | undefined;
  inputFlags: number;
  outputFlags: number;
  inputKey: number;
  outputKey: number;
  ttl: number;
  /** `inherit` takes the inner packet's. */
  tos: number | 'inherit';
  pmtudisc: boolean;
  ignoreDf: boolean | undefined;
  encapLimit: number | 'none';
  flowLabel: number | 'inherit';
}

/** undefined where a word is not known. */
export function parseTunnel(words: readonly string[]): TunnelParameters | undefined {
  const found: TunnelParameters = {
    mode: undefined,
    local: undefined,
    remote: undefined,
    dev: undefined,
    inputFlags: 0,
    outputFlags: 0,
    inputKey: 0,
    outputKey: 0,
    ttl: 0,
    tos: 0,
    pmtudisc: true,
    ignoreDf: undefined,
    encapLimit: ENCAP_LIMIT,
    flowLabel: 0,
  };
  for (let at = 0; at < words.length; ) {
    if (parseSwitch(words[at] ?? '', found)) at += 1;
    else if (parseValue(words[at] ?? '', words[at + 1] ?? '', found)) at += 2;
    else return undefined;
  }
  return found;
}

/** Words without a value. */
function parseSwitch(word: string, found: TunnelParameters): boolean {
  const [, no, side, option] = /^(no)?([io])?(key|seq|csum)$/.exec(word) ?? [];
  if (option !== undefined && (no !== undefined || option !== 'key')) {
    setFlag(found, GRE_FLAGS[option as keyof typeof GRE_FLAGS], side, no === undefined);
    return true;
  }
  switch (word) {
    case 'pmtudisc':
    case 'nopmtudisc':
      found.pmtudisc = word === 'pmtudisc';
      return true;
    case 'ignore-df':
    case 'noignore-df':
      found.ignoreDf = word === 'ignore-df';
      return true;
    default:
      return false;
  }
}

function setFlag(found: TunnelParameters, flag: number, side: string | undefined, isOn: boolean): void {
  const set = (flags: number) => (isOn ? flags | flag : flags & ~flag);
  if (side !== 'o') found.inputFlags = set(found.inputFlags);
  if (side !== 'i') found.outputFlags = set(found.outputFlags);
}

function parseValue(word: string, value: string, found: TunnelParameters): boolean {
  switch (word) {
    case 'mode':
      found.mode = value;
      return value !== '';
    case 'local':
    case 'remote': {
      const address = value === 'any' ? undefined : addressBytes(value);
      found[word] = address;
      return value === 'any' || address !== undefined;
    }
    case 'dev':
      found.dev = value;
      return value !== '';
    case 'key':
    case 'ikey':
    case 'okey':
      setFlag(found, GRE_FLAGS.key, word === 'key' ? undefined : word.charAt(0), true);
      if (word !== 'okey') found.inputKey = Number(value);
      if (word !== 'ikey') found.outputKey = Number(value);
      return /^\d+$/.test(value);
    case 'ttl':
    case 'hoplimit':
      found.ttl = value === 'inherit' ? 0 : Number(value);
      return Number.isInteger(found.ttl);
    case 'tos':
    case 'tclass':
      found.tos = value === 'inherit' ? 'inherit' : Number(value);
      return value === 'inherit' || Number.isInteger(found.tos);
    case 'encaplimit':
      found.encapLimit = value === 'none' ? 'none' : Number(value);
      return value === 'none' || Number.isInteger(found.encapLimit);
    case 'flowlabel':
      found.flowLabel = value === 'inherit' ? 'inherit' : Number(value);
      return value === 'inherit' || Number.isInteger(found.flowLabel);
    default:
      return false;
  }
}

/** The numbers of attributes that IFLA_GRE_* and IFLA_IPTUN_* have in common, each its own. */
export interface CommonNumbers {
  readonly LINK: number;
  readonly LOCAL: number;
  readonly REMOTE: number;
  readonly TTL: number;
  readonly TOS: number;
  readonly PMTUDISC: number;
  readonly ENCAP_LIMIT: number;
  readonly FLOWINFO: number;
  readonly FLAGS: number;
}

export function writeAddresses(
  { local, remote, dev, ttl }: TunnelParameters,
  numbers: CommonNumbers,
  writer: MessageWriter,
  ifindex: (name: string) => number,
): void {
  if (local !== undefined) writer.attributeBytes(numbers.LOCAL, local);
  if (remote !== undefined) writer.attributeBytes(numbers.REMOTE, remote);
  if (dev !== undefined) writer.attributeU32(numbers.LINK, ifindex(dev));
  writer.attributeU8(numbers.TTL, ttl);
}

export function writeIpv4(
  { tos, pmtudisc }: TunnelParameters,
  numbers: CommonNumbers,
  writer: MessageWriter,
): void {
  writer.attributeU8(numbers.TOS, tos === 'inherit' ? TOS_INHERIT : tos);
  writer.attributeU8(numbers.PMTUDISC, pmtudisc ? 1 : 0);
}

export function writeIpv6(
  { tos, encapLimit, flowLabel }: TunnelParameters,
  numbers: CommonNumbers,
  writer: MessageWriter,
): void {
  writer.attributeU8(numbers.ENCAP_LIMIT, encapLimit === 'none' ? 0 : encapLimit);
  const flow = Buffer.alloc(4);
  flow.writeUInt32BE((tos === 'inherit' ? 0 : tos << 20) + (flowLabel === 'inherit' ? 0 : flowLabel));
  writer.attributeBytes(numbers.FLOWINFO, flow);
  writer.attributeU32(
    numbers.FLAGS,
    (encapLimit === 'none' ? IGNORE_ENCAP_LIMIT : 0) |
      (tos === 'inherit' ? USE_ORIG_TCLASS : 0) |
      (flowLabel === 'inherit' ? USE_ORIG_FLOWLABEL : 0),
  );
}

export function decodeAddresses(
  data: AttributeReader,
  numbers: CommonNumbers,
  names: LinkNames,
): Record<string, unknown> {
  const address = (number: number) => {
    const bytes = data.value(number);
    return bytes === undefined || bytes.every((byte) => byte === 0) ? 'any' : readAddress(bytes);
  };
  const link = data.u32(numbers.LINK) ?? 0;
  return {
    remote: address(numbers.REMOTE),
    local: address(numbers.LOCAL),
    ...(link === 0 ? {} : { link: names.nameOf(link) }),
    ttl: data.u8(numbers.TTL) ?? 0,
  };
}

export function decodeIpv4(data: AttributeReader, numbers: CommonNumbers): Record<string, unknown> {
  const tos = data.u8(numbers.TOS) ?? 0;
  return {
    ...(tos === 0 ? {} : { tos: `0x${tos.toString(16)}` }),
    pmtudisc: (data.u8(numbers.PMTUDISC) ?? 0) !== 0,
  };
}

/** A flag stands in place of the value that it overrides. */
export function decodeIpv6(data: AttributeReader, numbers: CommonNumbers): Record<string, unknown> {
  const flow = data.value(numbers.FLOWINFO)?.readUInt32BE(0) ?? 0;
  const flags = data.u32(numbers.FLAGS) ?? 0;
  const has = (flag: number) => (flags & flag) !== 0;
  const hex = (value: number, digits: number) => `0x${value.toString(16).padStart(digits, '0')}`;
  return {
    ...(has(IGNORE_ENCAP_LIMIT)
      ? { ip6_tnl_f_ign_encap_limit: true }
      : { encap_limit: data.u8(numbers.ENCAP_LIMIT) ?? 0 }),
    ...(has(USE_ORIG_TCLASS)
      ? { ip6_tnl_f_use_orig_tclass: true }
      : { tclass: hex((flow >>> 20) & 0xff, 2) }),
    ...(has(USE_ORIG_FLOWLABEL)
      ? { ip6_tnl_f_use_orig_flowlabel: true }
      : { flowlabel: hex(flow & 0xfffff, 5) }),
  };
}
