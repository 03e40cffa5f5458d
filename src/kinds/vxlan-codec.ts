import { addressBytes, readAddress } from '../engine/netlink/bytes.ts';
import type { AttributeReader, MessageWriter } from '../engine/netlink/message.ts';
import type { EncodeContext, LinkCodec } from './link-codec.ts';

/** linux/if_link.h. */
const IFLA_VXLAN = {
  ID: 1,
  GROUP: 2,
  LINK: 3,
  LOCAL: 4,
  TTL: 5,
  TOS: 6,
  LEARNING: 7,
  PORT: 15,
  GROUP6: 16,
  LOCAL6: 17,
  TTL_INHERIT: 28,
} as const;

const TOS_INHERIT = 1;

/** VXLAN as iproute2 6.1 writes and prints it (ip/iplink_vxlan.c). */
export const vxlanCodec: LinkCodec = {
  encode: (words, writer, context) => {
    for (let at = 0; at < words.length; ) {
      const used = encodeWord(words[at] ?? '', words[at + 1] ?? '', writer, context);
      if (used === 0) return false;
      at += used;
    }
    return true;
  },
  decode: (data, names) => {
    const link = data.u32(IFLA_VXLAN.LINK) ?? 0;
    const tos = data.u8(IFLA_VXLAN.TOS) ?? 0;
    const inherits = data.has(IFLA_VXLAN.TTL_INHERIT) && data.u8(IFLA_VXLAN.TTL_INHERIT) !== 0;
    return {
      id: data.u32(IFLA_VXLAN.ID) ?? 0,
      ...group(data),
      ...address(data, 'local', IFLA_VXLAN.LOCAL),
      ...address(data, 'local6', IFLA_VXLAN.LOCAL6),
      ...(link === 0 ? {} : { link: names.nameOf(link) }),
      port: data.u16be(IFLA_VXLAN.PORT) ?? 0,
      learning: data.u8(IFLA_VXLAN.LEARNING) !== 0,
      // An inherited one is left out of the JSON.
      ...(inherits ? {} : { ttl: data.u8(IFLA_VXLAN.TTL) ?? 0 }),
      ...(tos === 0 ? {} : { tos: `0x${tos.toString(16)}` }),
    };
  },
};

/** Writes one word, with its value; returns how many words that were, 0 where it is not known. */
function encodeWord(word: string, value: string, writer: MessageWriter, context: EncodeContext): 0 | 1 | 2 {
  switch (word) {
    case 'learning':
    case 'nolearning':
      writer.attributeU8(IFLA_VXLAN.LEARNING, word === 'learning' ? 1 : 0);
      return 1;
    case 'local':
    case 'remote': {
      const bytes = addressBytes(value);
      if (bytes === undefined) return 0;
      const isV4 = bytes.length === 4;
      const own = isV4 ? IFLA_VXLAN.LOCAL : IFLA_VXLAN.LOCAL6;
      writer.attributeBytes(word === 'local' ? own : isV4 ? IFLA_VXLAN.GROUP : IFLA_VXLAN.GROUP6, bytes);
      return 2;
    }
    case 'dev':
      writer.attributeU32(IFLA_VXLAN.LINK, context.ifindex(value));
      return 2;
    case 'ttl':
      if (value === 'inherit') {
        // A flag: to be there is its value.
        writer.attributeBytes(IFLA_VXLAN.TTL_INHERIT, new Uint8Array());
        return 2;
      }
      return encodeNumber(value, (number) => writer.attributeU8(IFLA_VXLAN.TTL, number));
    case 'tos':
      return encodeNumber(value === 'inherit' ? String(TOS_INHERIT) : value, (number) =>
        writer.attributeU8(IFLA_VXLAN.TOS, number),
      );
    case 'id':
      return encodeNumber(value, (number) => writer.attributeU32(IFLA_VXLAN.ID, number));
    case 'dstport':
      return encodeNumber(value, (number) => writer.attributeU16be(IFLA_VXLAN.PORT, number));
    default:
      return 0;
  }
}

function encodeNumber(value: string, write: (number: number) => void): 0 | 2 {
  if (!/^(0x[0-9a-f]+|\d+)$/i.test(value)) return 0;
  write(Number(value));
  return 2;
}

/** The peer, or the multicast group that stands in the same attribute. */
function group(data: AttributeReader): Record<string, string> {
  for (const [number, suffix] of [
    [IFLA_VXLAN.GROUP, ''],
    [IFLA_VXLAN.GROUP6, '6'],
  ] as const) {
    const bytes = data.value(number);
    if (bytes === undefined || bytes.every((byte) => byte === 0)) continue;
    const isMulticast = bytes.length === 4 ? (bytes[0] ?? 0) >> 4 === 0xe : bytes[0] === 0xff;
    return { [`${isMulticast ? 'group' : 'remote'}${suffix}`]: readAddress(bytes) };
  }
  return {};
}

function address(data: AttributeReader, name: string, number: number): Record<string, string> {
  const bytes = data.value(number);
  return bytes === undefined || bytes.every((byte) => byte === 0) ? {} : { [name]: readAddress(bytes) };
}
