import type { LinkNames } from '../../../kinds/link-codec.ts';
import type { IpNeighbor } from '../../../observe/live.ts';
import { readAddress, readMac } from '../bytes.ts';
import { AF_UNSPEC, NDA, NTF, RTM_GETNEIGH } from '../constants.ts';
import { AttributeReader, requestHeader } from '../message.ts';
import { nameOf } from '../names.ts';
import type { NetlinkSocket } from '../socket.ts';

/** Size of struct ndmsg: family, padding, ifindex, state, flags, type. */
const HEADER_SIZE = 12;
const FLAGS_OFFSET = 10;
/** NUD_NOARP: multicast and loopback entries, which `ip neigh` leaves out; and what has no state at all. */
const NOARP = 0x40;

/** linux/neighbour.h, NUD_*, in iproute2's order (print_neigh_state in ip/ipneigh.c). */
const states: readonly (readonly [bit: number, name: string])[] = [
  [0x01, 'INCOMPLETE'],
  [0x02, 'REACHABLE'],
  [0x04, 'STALE'],
  [0x08, 'DELAY'],
  [0x10, 'PROBE'],
  [0x20, 'FAILED'],
  [0x80, 'PERMANENT'],
];

/** The ARP and NDP entries of the socket's namespace, as `ip -j -d neigh show` prints them. */
export function readNeighbors(socket: NetlinkSocket, names: LinkNames): IpNeighbor[] {
  return socket.list(RTM_GETNEIGH, requestHeader(HEADER_SIZE, AF_UNSPEC), (bytes, start, end) => {
    const state = bytes.readUInt16LE(start + 8);
    const attributes = new AttributeReader(bytes, start + HEADER_SIZE, end);
    const address = attributes.value(NDA.DST);
    if (address === undefined || state === 0 || (state & NOARP) !== 0) return undefined;
    const mac = attributes.value(NDA.LLADDR);
    const flags = bytes[start + FLAGS_OFFSET] ?? 0;
    return {
      dst: readAddress(address),
      dev: names.nameOf(bytes.readInt32LE(start + 4)),
      ...(mac === undefined ? {} : { lladdr: readMac(mac) }),
      ...((flags & NTF.ROUTER) === 0 ? {} : { router: null }),
      state: states.filter(([bit]) => (state & bit) !== 0).map(([, name]) => name),
      ...protocolOf(attributes),
    };
  });
}

/** Addresses that the namespace answers for in the place of others, as `ip -j -d neigh show proxy` prints them. */
export function readProxies(socket: NetlinkSocket, names: LinkNames): IpNeighbor[] {
  const header = requestHeader(HEADER_SIZE, AF_UNSPEC);
  header[FLAGS_OFFSET] = NTF.PROXY;
  return socket.list(RTM_GETNEIGH, header, (bytes, start, end) => {
    const attributes = new AttributeReader(bytes, start + HEADER_SIZE, end);
    const address = attributes.value(NDA.DST);
    const index = bytes.readInt32LE(start + 4);
    if (address === undefined || ((bytes[start + FLAGS_OFFSET] ?? 0) & NTF.PROXY) === 0) return undefined;
    return {
      dst: readAddress(address),
      // Without an interface it holds for all of them.
      dev: index === 0 ? '*' : names.nameOf(index),
      proxy: null,
      ...protocolOf(attributes),
    };
  });
}

function protocolOf(attributes: AttributeReader): { protocol?: string } {
  const protocol = attributes.u8(NDA.PROTOCOL) ?? 0;
  return protocol === 0 ? {} : { protocol: nameOf('rt_protos', protocol) };
}
