import type { LinkCodec } from './link-codec.ts';
import {
  address,
  decodeAddress,
  decodeBits,
  decodeShared,
  df,
  encodeWords,
  label,
  number,
  onOffWords,
  tos,
  type WordWriter,
} from './udp-tunnel-codec.ts';

/** linux/if_link.h. */
const IFLA_GENEVE = {
  ID: 1,
  REMOTE: 2,
  TTL: 3,
  TOS: 4,
  PORT: 5,
  REMOTE6: 7,
  UDP_CSUM: 8,
  UDP_ZERO_CSUM6_TX: 9,
  UDP_ZERO_CSUM6_RX: 10,
  LABEL: 11,
  TTL_INHERIT: 12,
  DF: 13,
} as const;

const ttl: WordWriter = (value, writer, context) => {
  if (value !== 'inherit')
    return number((to, byte) => to.attributeU8(IFLA_GENEVE.TTL, byte))(value, writer, context);
  writer.attributeU8(IFLA_GENEVE.TTL_INHERIT, 1);
  return 2;
};

const words: Readonly<Record<string, WordWriter>> = {
  id: number((writer, value) => writer.attributeU32(IFLA_GENEVE.ID, value)),
  remote: address(IFLA_GENEVE.REMOTE, IFLA_GENEVE.REMOTE6),
  dstport: number((writer, value) => writer.attributeU16be(IFLA_GENEVE.PORT, value)),
  ttl,
  tos: tos(IFLA_GENEVE.TOS),
  df: df(IFLA_GENEVE.DF),
  flowlabel: label(IFLA_GENEVE.LABEL),
  ...onOffWords('udpcsum', IFLA_GENEVE.UDP_CSUM),
  // The attributes say that the checksum is zero, as the words do.
  ...onOffWords('udp6zerocsumtx', IFLA_GENEVE.UDP_ZERO_CSUM6_TX),
  ...onOffWords('udp6zerocsumrx', IFLA_GENEVE.UDP_ZERO_CSUM6_RX),
};

/** Geneve as iproute2 6.1 writes and prints it (ip/iplink_geneve.c). */
export const geneveCodec: LinkCodec = {
  encode: (line, writer, context) => encodeWords(words, line, writer, context),
  decode: (data) => {
    const inherits = (data.u8(IFLA_GENEVE.TTL_INHERIT) ?? 0) !== 0;
    return {
      id: data.u32(IFLA_GENEVE.ID) ?? 0,
      ...decodeAddress(data, 'remote', IFLA_GENEVE.REMOTE),
      ...decodeAddress(data, 'remote6', IFLA_GENEVE.REMOTE6),
      // An inherited one is left out of the JSON.
      ...(inherits ? {} : { ttl: data.u8(IFLA_GENEVE.TTL) ?? 0 }),
      ...decodeShared(data, IFLA_GENEVE),
      port: data.u16be(IFLA_GENEVE.PORT) ?? 0,
      ...decodeBits(data, {
        udp_csum: IFLA_GENEVE.UDP_CSUM,
        udp_zero_csum6_tx: IFLA_GENEVE.UDP_ZERO_CSUM6_TX,
        udp_zero_csum6_rx: IFLA_GENEVE.UDP_ZERO_CSUM6_RX,
      }),
    };
  },
};
