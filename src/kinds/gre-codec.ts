import { addressBytes, readAddress } from '../engine/netlink/bytes.ts';
import type { LinkNames } from '../engine/netlink/decode/link.ts';
import type { AttributeReader, MessageWriter } from '../engine/netlink/message.ts';
import type { EncodeContext, LinkCodec } from './link-codec.ts';

/** linux/if_tunnel.h. */
const IFLA_GRE = {
  LINK: 1,
  IFLAGS: 2,
  OFLAGS: 3,
  IKEY: 4,
  OKEY: 5,
  LOCAL: 6,
  REMOTE: 7,
  TTL: 8,
  TOS: 9,
  PMTUDISC: 10,
  ENCAP_LIMIT: 11,
  FLOWINFO: 12,
  FLAGS: 13,
} as const;

/** GRE_KEY, as it stands in the flags of both directions. */
const KEY = 0x2000;
/** linux/ip6_tunnel.h. */
const IP6_TNL_F_USE_ORIG_TCLASS = 0x2;
/** IPV6_DEFAULT_TNL_ENCAP_LIMIT: what iproute2 asks for where nothing is said. */
const ENCAP_LIMIT = 4;
const TOS_INHERIT = 1;

interface Parameters {
  local: Buffer | undefined;
  remote: Buffer | undefined;
  dev: string | undefined;
  key: number | undefined;
  ttl: number;
  /** `inherit` takes the inner packet's. */
  tos: number | 'inherit';
}

/** GRE as iproute2 6.1 writes and prints it: ip/link_gre.c over IPv4, ip/link_gre6.c over IPv6. */
export function greCodec(isV6: boolean): LinkCodec {
  return {
    encode: (words, writer, context) => {
      const parameters = parse(words);
      if (parameters === undefined) return false;
      writeCommon(parameters, writer, context);
      if (isV6) writeV6(parameters, writer);
      else writeV4(parameters, writer);
      return true;
    },
    decode: (data, names) => (isV6 ? decodeV6(data, names) : decodeV4(data, names)),
  };
}

function parse(words: readonly string[]): Parameters | undefined {
  const found: Parameters = {
    local: undefined,
    remote: undefined,
    dev: undefined,
    key: undefined,
    ttl: 0,
    tos: 0,
  };
  for (let at = 0; at < words.length; at += 2) {
    if (words[at] === 'nokey') {
      found.key = undefined;
      at -= 1;
    } else if (!parseWord(words[at] ?? '', words[at + 1] ?? '', found)) {
      return undefined;
    }
  }
  return found;
}

function parseWord(word: string, value: string, found: Parameters): boolean {
  switch (word) {
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
      found.key = Number(value);
      return /^\d+$/.test(value);
    case 'ttl':
    case 'hoplimit':
      found.ttl = value === 'inherit' ? 0 : Number(value);
      return Number.isInteger(found.ttl);
    case 'tos':
    case 'tclass':
      found.tos = value === 'inherit' ? 'inherit' : Number(value);
      return value === 'inherit' || Number.isInteger(found.tos);
    default:
      return false;
  }
}

function writeCommon(
  { key, local, remote, dev, ttl }: Parameters,
  writer: MessageWriter,
  context: EncodeContext,
): void {
  const keyBytes = Buffer.alloc(4);
  keyBytes.writeUInt32BE(key ?? 0);
  const flags = Buffer.alloc(2);
  flags.writeUInt16BE(key === undefined ? 0 : KEY);
  writer.attributeBytes(IFLA_GRE.IKEY, keyBytes);
  writer.attributeBytes(IFLA_GRE.OKEY, keyBytes);
  writer.attributeBytes(IFLA_GRE.IFLAGS, flags);
  writer.attributeBytes(IFLA_GRE.OFLAGS, flags);
  if (local !== undefined) writer.attributeBytes(IFLA_GRE.LOCAL, local);
  if (remote !== undefined) writer.attributeBytes(IFLA_GRE.REMOTE, remote);
  if (dev !== undefined) writer.attributeU32(IFLA_GRE.LINK, context.ifindex(dev));
  writer.attributeU8(IFLA_GRE.TTL, ttl);
}

function writeV4({ tos }: Parameters, writer: MessageWriter): void {
  writer.attributeU8(IFLA_GRE.TOS, tos === 'inherit' ? TOS_INHERIT : tos);
  writer.attributeU8(IFLA_GRE.PMTUDISC, 1);
}

function writeV6({ tos }: Parameters, writer: MessageWriter): void {
  writer.attributeU8(IFLA_GRE.ENCAP_LIMIT, ENCAP_LIMIT);
  const flow = Buffer.alloc(4);
  flow.writeUInt32BE(tos === 'inherit' ? 0 : tos << 20);
  writer.attributeBytes(IFLA_GRE.FLOWINFO, flow);
  writer.attributeU32(IFLA_GRE.FLAGS, tos === 'inherit' ? IP6_TNL_F_USE_ORIG_TCLASS : 0);
}

function decodeV4(data: AttributeReader, names: LinkNames): Record<string, unknown> {
  const tos = data.u8(IFLA_GRE.TOS) ?? 0;
  return { ...decodeCommon(data, names), ...(tos === 0 ? {} : { tos: `0x${tos.toString(16)}` }) };
}

function decodeV6(data: AttributeReader, names: LinkNames): Record<string, unknown> {
  const tclass = ((data.value(IFLA_GRE.FLOWINFO)?.readUInt32BE(0) ?? 0) >>> 20) & 0xff;
  const inherits = ((data.u32(IFLA_GRE.FLAGS) ?? 0) & IP6_TNL_F_USE_ORIG_TCLASS) !== 0;
  return {
    ...decodeCommon(data, names),
    ...(inherits ? { tclass: 'inherit' } : { tclass: `0x${tclass.toString(16).padStart(2, '0')}` }),
  };
}

function decodeCommon(data: AttributeReader, names: LinkNames): Record<string, unknown> {
  const address = (number: number) => {
    const bytes = data.value(number);
    return bytes === undefined || bytes.every((byte) => byte === 0) ? 'any' : readAddress(bytes);
  };
  const link = data.u32(IFLA_GRE.LINK) ?? 0;
  return {
    remote: address(IFLA_GRE.REMOTE),
    local: address(IFLA_GRE.LOCAL),
    ...(link === 0 ? {} : { link: names.nameOf(link) }),
    ttl: data.u8(IFLA_GRE.TTL) ?? 0,
    ...key(data, 'ikey', IFLA_GRE.IFLAGS, IFLA_GRE.IKEY),
    ...key(data, 'okey', IFLA_GRE.OFLAGS, IFLA_GRE.OKEY),
  };
}

/** A key reads as a dotted quad. */
function key(data: AttributeReader, name: string, flags: number, number: number): Record<string, unknown> {
  const bytes = data.value(number);
  if (bytes === undefined || ((data.u16be(flags) ?? 0) & KEY) === 0) return {};
  return { [name]: readAddress(bytes) };
}
