import { readAddress } from '../engine/netlink/bytes.ts';
import type { AttributeReader, MessageWriter } from '../engine/netlink/message.ts';
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
const IFLA_VXLAN = {
  ID: 1,
  GROUP: 2,
  LINK: 3,
  LOCAL: 4,
  TTL: 5,
  TOS: 6,
  LEARNING: 7,
  AGEING: 8,
  LIMIT: 9,
  PORT_RANGE: 10,
  PROXY: 11,
  RSC: 12,
  L2MISS: 13,
  L3MISS: 14,
  PORT: 15,
  GROUP6: 16,
  LOCAL6: 17,
  UDP_CSUM: 18,
  UDP_ZERO_CSUM6_TX: 19,
  UDP_ZERO_CSUM6_RX: 20,
  GBP: 23,
  LABEL: 26,
  TTL_INHERIT: 28,
  DF: 29,
} as const;

/** A flag: to be there is its value. */
function writeFlag(writer: MessageWriter, attribute: number): void {
  writer.attributeBytes(attribute, new Uint8Array());
}

const ttl: WordWriter = (value, writer, context) => {
  if (value !== 'inherit')
    return number((to, byte) => to.attributeU8(IFLA_VXLAN.TTL, byte))(value, writer, context);
  writeFlag(writer, IFLA_VXLAN.TTL_INHERIT);
  return 2;
};

/** `FIRST-LAST`; ip-link(8) has two words there, which `encode` joins. */
const portRange: WordWriter = (value, writer) => {
  const [, first, last] = /^(\d+)-(\d+)$/.exec(value) ?? [];
  if (first === undefined || last === undefined) return 0;
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16BE(Number(first));
  bytes.writeUInt16BE(Number(last), 2);
  writer.attributeBytes(IFLA_VXLAN.PORT_RANGE, bytes);
  return 2;
};

const words: Readonly<Record<string, WordWriter>> = {
  id: number((writer, value) => writer.attributeU32(IFLA_VXLAN.ID, value)),
  local: address(IFLA_VXLAN.LOCAL, IFLA_VXLAN.LOCAL6),
  remote: address(IFLA_VXLAN.GROUP, IFLA_VXLAN.GROUP6),
  group: address(IFLA_VXLAN.GROUP, IFLA_VXLAN.GROUP6),
  dev: (value, writer, context) => {
    writer.attributeU32(IFLA_VXLAN.LINK, context.ifindex(value));
    return 2;
  },
  dstport: number((writer, value) => writer.attributeU16be(IFLA_VXLAN.PORT, value)),
  srcport: portRange,
  ttl,
  tos: tos(IFLA_VXLAN.TOS),
  df: df(IFLA_VXLAN.DF),
  flowlabel: label(IFLA_VXLAN.LABEL),
  ageing: number((writer, value) => writer.attributeU32(IFLA_VXLAN.AGEING, value)),
  maxaddress: number((writer, value) => writer.attributeU32(IFLA_VXLAN.LIMIT, value)),
  ...onOffWords('learning', IFLA_VXLAN.LEARNING),
  ...onOffWords('proxy', IFLA_VXLAN.PROXY),
  ...onOffWords('rsc', IFLA_VXLAN.RSC),
  ...onOffWords('l2miss', IFLA_VXLAN.L2MISS),
  ...onOffWords('l3miss', IFLA_VXLAN.L3MISS),
  ...onOffWords('udpcsum', IFLA_VXLAN.UDP_CSUM),
  ...onOffWords('udp6zerocsumtx', IFLA_VXLAN.UDP_ZERO_CSUM6_TX),
  ...onOffWords('udp6zerocsumrx', IFLA_VXLAN.UDP_ZERO_CSUM6_RX),
  gbp: (_value, writer) => {
    writeFlag(writer, IFLA_VXLAN.GBP);
    return 1;
  },
};

/** VXLAN as iproute2 6.1 writes and prints it (ip/iplink_vxlan.c). */
export const vxlanCodec: LinkCodec = {
  encode: (line, writer, context) => {
    const at = line.indexOf('srcport') + 1;
    const joined =
      at === 0 ? line : [...line.slice(0, at), `${line[at]}-${line[at + 1]}`, ...line.slice(at + 2)];
    return encodeWords(words, joined, writer, context);
  },
  decode: (data, names) => {
    const link = data.u32(IFLA_VXLAN.LINK) ?? 0;
    const limit = data.u32(IFLA_VXLAN.LIMIT) ?? 0;
    const inherits = data.has(IFLA_VXLAN.TTL_INHERIT) && data.u8(IFLA_VXLAN.TTL_INHERIT) !== 0;
    return {
      id: data.u32(IFLA_VXLAN.ID) ?? 0,
      ...group(data),
      ...decodeAddress(data, 'local', IFLA_VXLAN.LOCAL),
      ...decodeAddress(data, 'local6', IFLA_VXLAN.LOCAL6),
      ...(link === 0 ? {} : { link: names.nameOf(link) }),
      ...ports(data.value(IFLA_VXLAN.PORT_RANGE)),
      port: data.u16be(IFLA_VXLAN.PORT) ?? 0,
      learning: data.u8(IFLA_VXLAN.LEARNING) !== 0,
      // An inherited one is left out of the JSON.
      ...(inherits ? {} : { ttl: data.u8(IFLA_VXLAN.TTL) ?? 0 }),
      ...decodeShared(data, IFLA_VXLAN),
      ageing: data.u32(IFLA_VXLAN.AGEING) ?? 0,
      ...(limit === 0 ? {} : { limit }),
      ...(data.has(IFLA_VXLAN.GBP) ? { gbp: true } : {}),
      ...decodeSwitches(data),
    };
  },
};

function decodeSwitches(data: AttributeReader): Record<string, boolean> {
  const shown = decodeBits(data, {
    udp_csum: IFLA_VXLAN.UDP_CSUM,
    udp_zero_csum6_tx: IFLA_VXLAN.UDP_ZERO_CSUM6_TX,
    udp_zero_csum6_rx: IFLA_VXLAN.UDP_ZERO_CSUM6_RX,
  });
  const rare = decodeBits(data, {
    proxy: IFLA_VXLAN.PROXY,
    rsc: IFLA_VXLAN.RSC,
    l2miss: IFLA_VXLAN.L2MISS,
    l3miss: IFLA_VXLAN.L3MISS,
  });
  // Those that are off are left out of the JSON.
  return { ...shown, ...Object.fromEntries(Object.entries(rare).filter(([, isOn]) => isOn)) };
}

function ports(bytes: Buffer | undefined): Record<string, object> {
  if (bytes === undefined) return {};
  return { port_range: { low: bytes.readUInt16BE(0), high: bytes.readUInt16BE(2) } };
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
