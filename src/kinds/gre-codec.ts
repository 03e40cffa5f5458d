import { readAddress } from '../engine/netlink/bytes.ts';
import type { AttributeReader, MessageWriter } from '../engine/netlink/message.ts';
import type { LinkCodec } from './link-codec.ts';
import {
  decodeAddresses,
  decodeIpv4,
  decodeIpv6,
  GRE_FLAGS,
  parseTunnel,
  type TunnelParameters,
  writeAddresses,
  writeIpv4,
  writeIpv6,
} from './tunnel-parameters.ts';

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
  IGNORE_DF: 19,
} as const;

/** GRE as iproute2 6.1 writes and prints it: ip/link_gre.c over IPv4, ip/link_gre6.c over IPv6. */
export function greCodec(isV6: boolean): LinkCodec {
  return {
    encode: (words, writer, context) => {
      const parameters = parseTunnel(words);
      if (parameters === undefined || parameters.mode !== undefined) return false;
      writeFlags(parameters, writer);
      writeAddresses(parameters, IFLA_GRE, writer, context.ifindex);
      if (isV6) {
        writeIpv6(parameters, IFLA_GRE, writer);
        return true;
      }
      writeIpv4(parameters, IFLA_GRE, writer);
      const { ignoreDf } = parameters;
      if (ignoreDf !== undefined) writer.attributeU8(IFLA_GRE.IGNORE_DF, ignoreDf ? 1 : 0);
      return true;
    },
    decode: (data, names) => ({
      ...decodeAddresses(data, IFLA_GRE, names),
      ...(isV6 ? decodeIpv6(data, IFLA_GRE) : decodeIpv4(data, IFLA_GRE)),
      ...(!isV6 && (data.u8(IFLA_GRE.IGNORE_DF) ?? 0) !== 0 ? { ignore_df: true } : {}),
      ...decodeFlags(data, 'i', IFLA_GRE.IFLAGS, IFLA_GRE.IKEY),
      ...decodeFlags(data, 'o', IFLA_GRE.OFLAGS, IFLA_GRE.OKEY),
    }),
  };
}

function writeFlags(
  { inputFlags, outputFlags, inputKey, outputKey }: TunnelParameters,
  writer: MessageWriter,
): void {
  const key = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  writer.attributeBytes(IFLA_GRE.IKEY, key(inputKey));
  writer.attributeBytes(IFLA_GRE.OKEY, key(outputKey));
  writer.attributeU16be(IFLA_GRE.IFLAGS, inputFlags);
  writer.attributeU16be(IFLA_GRE.OFLAGS, outputFlags);
}

/** A key reads as a dotted quad. */
function decodeFlags(
  data: AttributeReader,
  side: 'i' | 'o',
  number: number,
  keyNumber: number,
): Record<string, unknown> {
  const flags = data.u16be(number) ?? 0;
  const key = data.value(keyNumber);
  return {
    ...((flags & GRE_FLAGS.key) !== 0 && key !== undefined ? { [`${side}key`]: readAddress(key) } : {}),
    ...((flags & GRE_FLAGS.seq) !== 0 ? { [`${side}seq`]: true } : {}),
    ...((flags & GRE_FLAGS.csum) !== 0 ? { [`${side}csum`]: true } : {}),
  };
}
