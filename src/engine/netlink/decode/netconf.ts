import type { IpNetconf } from '../../../observe/live.ts';
import { AF_INET, AF_INET6, RTM_GETNETCONF } from '../constants.ts';
import { AttributeReader } from '../message.ts';
import type { NetlinkSocket } from '../socket.ts';

const NETCONFA_IFINDEX = 1;
const NETCONFA_FORWARDING = 2;
/** NETCONFA_IFINDEX_ALL: net.ipv4.conf.all and net.ipv6.conf.all, as a signed number -1. */
const ALL = 0xffffffff;
/** struct netconfmsg is one byte, aligned. */
const HEADER_SIZE = 4;

/** The entries `all` of `ip -j netconf show`: whether the namespace forwards. Without IPv6 there is one less. */
export function readNetconf(socket: NetlinkSocket): IpNetconf[] {
  const found: IpNetconf[] = [];
  for (const [number, family] of [
    [AF_INET, 'inet'],
    [AF_INET6, 'inet6'],
  ] as const) {
    const request = Buffer.alloc(HEADER_SIZE + 8);
    request[0] = number;
    request.writeUInt16LE(8, HEADER_SIZE);
    request.writeUInt16LE(NETCONFA_IFINDEX, HEADER_SIZE + 2);
    request.writeUInt32LE(ALL, HEADER_SIZE + 4);
    socket.get(RTM_GETNETCONF, request, (bytes, start, end) => {
      const forwarding = new AttributeReader(bytes, start + HEADER_SIZE, end).u32(NETCONFA_FORWARDING);
      found.push({
        family,
        interface: 'all',
        ...(forwarding === undefined ? {} : { forwarding: forwarding !== 0 }),
      });
    });
  }
  return found;
}
