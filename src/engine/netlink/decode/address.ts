import type { IpAddress } from '../../../observe/live.ts';
import { readAddress } from '../bytes.ts';
import { AF_INET, AF_INET6, AF_UNSPEC, IFA, IFA_F, RTM_GETADDR } from '../constants.ts';
import { AttributeReader, requestHeader } from '../message.ts';
import { nameOf } from '../names.ts';
import type { NetlinkSocket } from '../socket.ts';

/** Size of struct ifaddrmsg: family, prefix length, flags, scope, index. */
const HEADER_SIZE = 8;

type MutableAddress = { -readonly [key in keyof IpAddress]: IpAddress[key] };

/**
 * The addresses of the socket's namespace by ifindex, as the `addr_info` of `ip -j -d address show` (iproute2 6.1,
 * print_addrinfo in ip/ipaddress.c).
 */
export function readAddresses(socket: NetlinkSocket): Map<number, IpAddress[]> {
  const found = new Map<number, IpAddress[]>();
  const onAddress = (bytes: Buffer, start: number, end: number) => {
    const family = bytes[start];
    if (family !== AF_INET && family !== AF_INET6) return;
    const index = bytes.readUInt32LE(start + 4);
    const address = decodeAddress(bytes, start, end);
    const list = found.get(index);
    if (list === undefined) found.set(index, [address]);
    else list.push(address);
  };
  socket.dump(RTM_GETADDR, requestHeader(HEADER_SIZE, AF_UNSPEC), onAddress, () => found.clear());
  return found;
}

/** For one message after the other. */
const reader = new AttributeReader(Buffer.alloc(0), 0, 0);

function decodeAddress(bytes: Buffer, start: number, end: number): IpAddress {
  const attributes = reader.reset(bytes, start + HEADER_SIZE, end);
  const isV4 = bytes[start] === AF_INET;
  const flags = attributes.u32(IFA.FLAGS) ?? bytes[start + 2] ?? 0;
  const peer = attributes.value(IFA.ADDRESS);
  // Without IFA_LOCAL the address itself stands in IFA_ADDRESS, as for most IPv6 addresses.
  const local = attributes.value(IFA.LOCAL) ?? peer;
  const address: MutableAddress = {
    family: isV4 ? 'inet' : 'inet6',
    local: local === undefined ? '' : readAddress(local),
    prefixlen: bytes[start + 1] ?? 0,
    scope: nameOf('rt_scopes', bytes[start + 3] ?? 0),
  };
  if (peer !== undefined && local !== undefined && !peer.equals(local)) address.address = readAddress(peer);
  const label = attributes.text(IFA.LABEL);
  if (label !== undefined) address.label = label;
  if ((flags & IFA_F.PERMANENT) === 0) address.dynamic = true;
  // One bit, two meanings: a further IPv4 address of a subnet, a temporary IPv6 one.
  if ((flags & IFA_F.SECONDARY) !== 0) address[isV4 ? 'secondary' : 'temporary'] = true;
  if ((flags & IFA_F.NODAD) !== 0) address.nodad = true;
  if ((flags & IFA_F.TENTATIVE) !== 0) address.tentative = true;
  if ((flags & IFA_F.DADFAILED) !== 0) address.dadfailed = true;
  if ((flags & IFA_F.MANAGETEMPADDR) !== 0) address.mngtmpaddr = true;
  if ((flags & IFA_F.DEPRECATED) !== 0) address.deprecated = true;
  if ((flags & IFA_F.NOPREFIXROUTE) !== 0) address.noprefixroute = true;
  // Read in place: every address has them, and a Buffer of its own for each would be felt.
  const broadcast = attributes.offset(IFA.BROADCAST);
  if (broadcast !== undefined)
    address.broadcast = `${bytes[broadcast]}.${bytes[broadcast + 1]}.${bytes[broadcast + 2]}.${bytes[broadcast + 3]}`;
  // struct ifa_cacheinfo: preferred, valid, and two times of the kernel's own.
  const times = attributes.offset(IFA.CACHEINFO);
  if (times !== undefined) {
    address.valid_life_time = bytes.readUInt32LE(times + 4);
    address.preferred_life_time = bytes.readUInt32LE(times);
  }
  return address;
}
