import type { IpNetconf } from '../../../observe/live.ts';
import { AF_INET, AF_INET6, RTM_GETNETCONF } from '../constants.ts';
import { AttributeReader, requestHeader } from '../message.ts';
import type { NetlinkSocket } from '../socket.ts';

const NETCONFA_IFINDEX = 1;
const NETCONFA_FORWARDING = 2;
/** NETCONFA_IFINDEX_ALL: net.ipv4.conf.all and net.ipv6.conf.all, as a signed number -1. */
const ALL = 0xffffffff;
/** struct netconfmsg is one byte, aligned. */
const HEADER_SIZE = 4;

const requests = [AF_INET, AF_INET6].map((family) =>
  requestHeader(HEADER_SIZE, family, [NETCONFA_IFINDEX, ALL]),
);

/** The entries `all` of `ip -j netconf show`: whether the namespace forwards. Without IPv6 there is one less. */
export function readNetconf(socket: NetlinkSocket): IpNetconf[] {
  const found: IpNetconf[] = [];
  socket.get(RTM_GETNETCONF, requests, (bytes, start, end) => {
    const forwarding = new AttributeReader(bytes, start + HEADER_SIZE, end).u32(NETCONFA_FORWARDING);
    found.push({
      family: bytes[start] === AF_INET ? 'inet' : 'inet6',
      interface: 'all',
      ...(forwarding === undefined ? {} : { forwarding: forwarding !== 0 }),
    });
  });
  return found;
}
