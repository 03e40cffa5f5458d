import { readAddress, readMac } from '../bytes.ts';
import { AF_UNSPEC, NDA, RTM_GETNEIGH } from '../constants.ts';
import { AttributeReader, requestHeader } from '../message.ts';
import type { NetlinkSocket } from '../socket.ts';
import type { LinkNames } from './link.ts';

/** A neighbour, as `ip -j -d neigh show` prints it. */
export interface IpNeighbor {
  readonly dst: string;
  readonly dev: string;
  readonly lladdr?: string;
  readonly state: readonly string[];
}

/** Size of struct ndmsg. */
const HEADER_SIZE = 12;
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

/** The ARP and NDP entries of the socket's namespace. */
export function readNeighbors(socket: NetlinkSocket, names: LinkNames): IpNeighbor[] {
  return socket.list(RTM_GETNEIGH, requestHeader(HEADER_SIZE, AF_UNSPEC), (bytes, start, end) => {
    const state = bytes.readUInt16LE(start + 8);
    const attributes = new AttributeReader(bytes, start + HEADER_SIZE, end);
    const address = attributes.value(NDA.DST);
    if (address === undefined || state === 0 || (state & NOARP) !== 0) return undefined;
    const mac = attributes.value(NDA.LLADDR);
    return {
      dst: readAddress(address),
      dev: names.nameOf(bytes.readInt32LE(start + 4)),
      ...(mac === undefined ? {} : { lladdr: readMac(mac) }),
      state: states.filter(([bit]) => (state & bit) !== 0).map(([, name]) => name),
    };
  });
}
