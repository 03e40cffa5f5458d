import type { LinkNames } from '../../../kinds/link-codec.ts';
import type { IpNexthop, IpRoute } from '../../../observe/live.ts';
import { readAddress } from '../bytes.ts';
import { AF_INET, AF_INET6, AF_UNSPEC, RTA, RTM_GETROUTE } from '../constants.ts';
import { AttributeReader, requestHeader } from '../message.ts';
import { nameOf, tosName } from '../names.ts';
import type { NetlinkSocket } from '../socket.ts';

/** Size of struct rtmsg. */
const HEADER_SIZE = 12;
const TABLE_LOCAL = 255;
const PROTOCOL_KERNEL = 2;
const CLONED = 0x200;

type MutableRoute = { -readonly [key in keyof IpRoute]: IpRoute[key] };

/**
 * The routes of the socket's namespace, as `ip -j -d route show table all` prints them (iproute2 6.1, print_route in
 * ip/iproute.c). Of those that the kernel itself keeps in the table `local`, only what tells that they are there: no file
 * can declare them, and there are several for each address.
 */
export function readRoutes(socket: NetlinkSocket, names: LinkNames): IpRoute[] {
  return socket.list(RTM_GETROUTE, requestHeader(HEADER_SIZE, AF_UNSPEC), (bytes, start, end) => {
    const family = bytes[start];
    if (family !== AF_INET && family !== AF_INET6) return undefined;
    if ((bytes.readUInt32LE(start + 8) & CLONED) !== 0) return undefined;
    return bytes[start + 4] === TABLE_LOCAL && bytes[start + 5] === PROTOCOL_KERNEL
      ? decodeOwn(bytes, start, end, names)
      : decodeRoute(bytes, start, end, names);
  });
}

/** For one message after the other. */
const reader = new AttributeReader(Buffer.alloc(0), 0, 0);

function decodeOwn(bytes: Buffer, start: number, end: number, names: LinkNames): IpRoute {
  const attributes = reader.reset(bytes, start + HEADER_SIZE, end);
  const device = attributes.u32(RTA.OIF);
  const type = bytes[start + 7] ?? 0;
  return {
    type: types[type] ?? String(type),
    dst: destination(attributes, bytes[start + 1] ?? 0, bytes[start] ?? 0),
    table: 'local',
    protocol: 'kernel',
    ...(device === undefined ? undefined : { dev: names.nameOf(device) }),
  };
}

function decodeRoute(bytes: Buffer, start: number, end: number, names: LinkNames): IpRoute {
  const attributes = reader.reset(bytes, start + HEADER_SIZE, end);
  const family = bytes[start] ?? 0;
  const type = bytes[start + 7] ?? 0;
  const flags = bytes.readUInt32LE(start + 8);
  const route: MutableRoute = {
    type: types[type] ?? String(type),
    dst: destination(attributes, bytes[start + 1] ?? 0, family),
    table: nameOf('rt_tables', attributes.u32(RTA.TABLE) ?? bytes[start + 4] ?? 0),
    protocol: nameOf('rt_protos', bytes[start + 5] ?? 0),
    scope: nameOf('rt_scopes', bytes[start + 6] ?? 0),
    flags: flagNames(flags),
  };
  addGateway(route, attributes);
  const device = attributes.u32(RTA.OIF);
  if (device !== undefined) route.dev = names.nameOf(device);
  const source = attributes.value(RTA.PREFSRC);
  if (source !== undefined) route.prefsrc = readAddress(source);
  const metric = attributes.u32(RTA.PRIORITY);
  if (metric !== undefined) route.metric = metric;
  const metrics = attributes.nested(RTA.METRICS);
  if (metrics !== undefined) route.metrics = [readMetrics(metrics)];
  const multipath = attributes.value(RTA.MULTIPATH);
  if (multipath !== undefined) route.nexthops = readNexthops(multipath, names);
  const object = attributes.u32(RTA.NH_ID);
  if (object !== undefined) route.nhid = object;
  const tos = bytes[start + 3] ?? 0;
  if (tos !== 0) route.tos = tosName(tos);
  const preference = attributes.u8(RTA.PREF);
  if (preference !== undefined) route.pref = preferences[preference] ?? String(preference);
  return route;
}

function destination(attributes: AttributeReader, length: number, family: number): string {
  const bytes = attributes.value(RTA.DST);
  if (bytes === undefined) return length === 0 ? 'default' : `0/${length}`;
  const address = readAddress(bytes);
  return length === (family === AF_INET ? 32 : 128) ? address : `${address}/${length}`;
}

/** A gateway of the route's own family, or of the other one. */
function addGateway(target: { gateway?: string; via?: IpRoute['via'] }, attributes: AttributeReader): void {
  const gateway = attributes.value(RTA.GATEWAY);
  if (gateway !== undefined) target.gateway = readAddress(gateway);
  const via = attributes.value(RTA.VIA);
  if (via === undefined) return;
  const family = via.readUInt16LE(0) === AF_INET6 ? 'inet6' : 'inet';
  target.via = { family, host: readAddress(via.subarray(2)) };
}

type MutableNexthop = { -readonly [key in keyof IpNexthop]: IpNexthop[key] };

/** struct rtnexthop: length, flags, hops, ifindex; then attributes. */
function readNexthops(bytes: Buffer, names: LinkNames): IpNexthop[] {
  const hops: IpNexthop[] = [];
  for (let at = 0; at + 8 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 8 || at + length > bytes.length) throw new RangeError('a next hop is longer than its route');
    const hop: MutableNexthop = {
      dev: names.nameOf(bytes.readInt32LE(at + 4)),
      weight: (bytes[at + 3] ?? 0) + 1,
      flags: flagNames(bytes[at + 2] ?? 0),
    };
    addGateway(hop, new AttributeReader(bytes, at + 8, at + length));
    hops.push(hop);
    at += (length + 3) & ~3;
  }
  return hops;
}

/** linux/rtnetlink.h, RTAX_*: the numbers that a route's metrics have. */
const metricNames: Readonly<Record<number, string>> = {
  2: 'mtu',
  3: 'window',
  4: 'rtt',
  5: 'rttvar',
  6: 'ssthresh',
  7: 'cwnd',
  8: 'advmss',
  9: 'reordering',
  10: 'hoplimit',
  11: 'initcwnd',
  13: 'rto_min',
  14: 'initrwnd',
  15: 'quickack',
};

function readMetrics(attributes: AttributeReader): Readonly<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const [number, name] of Object.entries(metricNames)) {
    const value = attributes.u32(Number(number));
    if (value !== undefined) found[name] = value;
  }
  return found;
}

const types: Readonly<Record<number, string>> = {
  0: 'none',
  1: 'unicast',
  2: 'local',
  3: 'broadcast',
  4: 'anycast',
  5: 'multicast',
  6: 'blackhole',
  7: 'unreachable',
  8: 'prohibit',
  9: 'throw',
  10: 'nat',
};

const preferences: Readonly<Record<number, string>> = { 0: 'medium', 1: 'high', 3: 'low' };

/** In iproute2's order (print_rt_flags); RTNH_F_* and RTM_F_* of linux/rtnetlink.h. */
const flagBits: readonly (readonly [string, number])[] = [
  ['dead', 0x1],
  ['onlink', 0x4],
  ['pervasive', 0x2],
  ['offload', 0x8],
  ['trap', 0x40],
  ['notify', 0x100],
  ['linkdown', 0x10],
  ['unresolved', 0x20],
  ['rt_offload', 0x4000],
  ['rt_trap', 0x8000],
  ['rt_offload_failed', 0x20000000],
];

const noFlags: readonly string[] = [];

export function flagNames(flags: number): readonly string[] {
  if (flags === 0) return noFlags;
  return flagBits.filter(([, bit]) => (flags & bit) !== 0).map(([name]) => name);
}
