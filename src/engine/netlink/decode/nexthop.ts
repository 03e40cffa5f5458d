import type { LinkNames } from '../../../kinds/link-codec.ts';
import type { IpNexthopObject } from '../../../observe/live.ts';
import { readAddress } from '../bytes.ts';
import { AF_UNSPEC, NHA, RTM_GETNEXTHOP } from '../constants.ts';
import { AttributeReader, requestHeader } from '../message.ts';
import { nameOf } from '../names.ts';
import type { NetlinkSocket } from '../socket.ts';
import { flagNames } from './route.ts';

/** Size of struct nhmsg: family, scope, protocol, reserved, flags. */
const HEADER_SIZE = 8;
/** Size of struct nexthop_grp: id, weight - 1, its high byte, reserved. */
const GROUP_ENTRY = 8;

type MutableNexthop = { -readonly [Key in keyof IpNexthopObject]: IpNexthopObject[Key] };

/** The nexthop objects of the socket's namespace, as `ip -j -d nexthop show` prints them (iproute2 6.1, ip/ipnexthop.c). */
export function readNexthops(socket: NetlinkSocket, names: LinkNames): IpNexthopObject[] {
  return socket.list(RTM_GETNEXTHOP, requestHeader(HEADER_SIZE, AF_UNSPEC), (bytes, start, end) => {
    const attributes = new AttributeReader(bytes, start + HEADER_SIZE, end);
    const nexthop: MutableNexthop = {
      id: attributes.u32(NHA.ID) ?? 0,
      scope: nameOf('rt_scopes', bytes[start + 1] ?? 0),
      protocol: nameOf('rt_protos', bytes[start + 2] ?? 0),
      flags: flagNames(bytes.readUInt32LE(start + 4)),
    };
    const group = attributes.value(NHA.GROUP);
    if (group !== undefined) nexthop.group = readGroup(group);
    const gateway = attributes.value(NHA.GATEWAY);
    if (gateway !== undefined) nexthop.gateway = readAddress(gateway);
    const device = attributes.u32(NHA.OIF);
    if (device !== undefined) nexthop.dev = names.nameOf(device);
    if (attributes.has(NHA.BLACKHOLE)) nexthop.blackhole = null;
    if (attributes.has(NHA.FDB)) nexthop.fdb = null;
    return nexthop;
  });
}

function readGroup(bytes: Buffer): { id: number; weight?: number }[] {
  const members: { id: number; weight?: number }[] = [];
  for (let at = 0; at + GROUP_ENTRY <= bytes.length; at += GROUP_ENTRY) {
    const [id, weight] = [bytes.readUInt32LE(at), (bytes[at + 4] ?? 0) + 1];
    members.push(weight === 1 ? { id } : { id, weight });
  }
  return members;
}
