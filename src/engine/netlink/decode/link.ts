import { type LinkNames, linkCodec, portCodec } from '../../../kinds/link-codec.ts';
import type { IpAddress, IpLink } from '../../../observe/live.ts';
import { readAddress, readMac } from '../bytes.ts';
import { AF_UNSPEC, IFLA, IFLA_INFO, RTM_GETLINK } from '../constants.ts';
import { AttributeReader, eachAttribute, requestHeader } from '../message.ts';
import { nameOf } from '../names.ts';
import type { NetlinkSocket } from '../socket.ts';

/** Size of struct ifinfomsg: family, type, index, flags, change. */
const HEADER_SIZE = 16;
/** RTEXT_FILTER_SKIP_STATS: leaves the counters out, half of each message. */
const SKIP_STATS = 8;

interface RawLink {
  readonly index: number;
  readonly type: number;
  readonly flags: number;
  readonly name: string;
  readonly attributes: AttributeReader;
}

type MutableLink = { -readonly [key in keyof IpLink]: IpLink[key] };

/**
 * The links of the socket's namespace with their addresses, as `ip -j -d address show` (iproute2 6.1, ip/ipaddress.c) prints them, as far as
 * live.ts describes them.
 */
export function readLinks(
  socket: NetlinkSocket,
  addresses: ReadonlyMap<number, readonly IpAddress[]>,
): { links: IpLink[]; names: LinkNames } {
  const raw = dumpLinks(socket);
  const byIndex = new Map(raw.map((link) => [link.index, link]));
  const names = { nameOf: (index: number) => byIndex.get(index)?.name ?? `if${index}` };
  const links = raw.map((link) => {
    const decoded = decodeLink(link, names, byIndex);
    decoded.addr_info = addresses.get(link.index) ?? [];
    return decoded;
  });
  return { links, names };
}

/** Tells the ifindex and the name of each link. */
export function readLinkNames(socket: NetlinkSocket): LinkNames {
  const byIndex = new Map(dumpLinks(socket).map(({ index, name }) => [index, name]));
  return { nameOf: (index) => byIndex.get(index) ?? `if${index}` };
}

function dumpLinks(socket: NetlinkSocket): RawLink[] {
  const header = requestHeader(HEADER_SIZE, AF_UNSPEC, [IFLA.EXT_MASK, SKIP_STATS]);
  const decode = (bytes: Buffer, start: number, end: number): RawLink => {
    const attributes = new AttributeReader(bytes, start + HEADER_SIZE, end);
    return {
      index: bytes.readInt32LE(start + 4),
      type: bytes.readUInt16LE(start + 2),
      flags: bytes.readUInt32LE(start + 8),
      name: attributes.text(IFLA.IFNAME) ?? '',
      attributes,
    };
  };
  // Names of other links are needed, which may come in later answers.
  return socket.list(RTM_GETLINK, header, decode, 'keeps');
}

function decodeLink(raw: RawLink, names: LinkNames, byIndex: ReadonlyMap<number, RawLink>): MutableLink {
  const { attributes, index, type, flags } = raw;
  const link: MutableLink = {
    ifindex: index,
    ifname: raw.name,
    flags: flagNames(flags),
    mtu: attributes.u32(IFLA.MTU) ?? 0,
  };
  const queue = attributes.u32(IFLA.TXQLEN);
  // ip leaves a queue of no length out (print_queuelen in ip/ipaddress.c).
  if (queue) link.txqlen = queue;
  const gsoSize = attributes.u32(IFLA.GSO_MAX_SIZE);
  if (gsoSize !== undefined) link.gso_max_size = gsoSize;
  const gsoSegments = attributes.u32(IFLA.GSO_MAX_SEGS);
  if (gsoSegments !== undefined) link.gso_max_segs = gsoSegments;
  const groSize = attributes.u32(IFLA.GRO_MAX_SIZE);
  if (groSize !== undefined) link.gro_max_size = groSize;
  const qdisc = attributes.text(IFLA.QDISC);
  if (qdisc !== undefined) link.qdisc = qdisc;
  const below = attributes.u32(IFLA.LINK);
  if (below !== undefined) addLower(link, below, attributes.has(IFLA.LINK_NETNSID), names, byIndex);
  const master = attributes.u32(IFLA.MASTER);
  if (master !== undefined) link.master = names.nameOf(master);
  const operstate = attributes.u8(IFLA.OPERSTATE);
  if (operstate !== undefined) link.operstate = operstates[operstate] ?? String(operstate);
  const group = attributes.u32(IFLA.GROUP);
  if (group !== undefined) link.group = nameOf('group', group);
  const address = attributes.value(IFLA.ADDRESS);
  if (address !== undefined) link.address = linkAddress(address, type);
  const netns = attributes.s32(IFLA.LINK_NETNSID);
  if (netns !== undefined) link.link_netnsid = netns;
  const alias = attributes.text(IFLA.IFALIAS);
  if (alias !== undefined) link.ifalias = alias;
  if (attributes.has(IFLA.PROP_LIST)) {
    link.altnames = alternativeNames(attributes.value(IFLA.PROP_LIST) ?? Buffer.alloc(0));
  }
  const info = attributes.nested(IFLA.LINKINFO);
  if (info !== undefined) link.linkinfo = linkInfo(info, names);
  return link;
}

/** The peer or the parent: by name in the same namespace, by index in another one. */
function addLower(
  link: MutableLink,
  index: number,
  isElsewhere: boolean,
  names: LinkNames,
  byIndex: ReadonlyMap<number, RawLink>,
): void {
  if (index === 0) {
    // A tunnel that is bound to no device.
    (link as { link?: string | null }).link = null;
  } else if (isElsewhere) {
    link.link_index = index;
  } else {
    link.link = names.nameOf(index);
    if (((byIndex.get(index)?.flags ?? 0) & 1) === 0) link.flags = [...link.flags, 'M-DOWN'];
  }
}

function alternativeNames(list: Buffer): string[] {
  const names: string[] = [];
  eachAttribute(list, (type, start) => {
    if (type === IFLA.ALT_IFNAME) names.push(list.toString('utf8', start, list.indexOf(0, start)));
  });
  return names;
}

function linkInfo(info: AttributeReader, names: LinkNames): NonNullable<IpLink['linkinfo']> {
  const kind = info.text(IFLA_INFO.KIND);
  const data = info.nested(IFLA_INFO.DATA);
  const slaveKind = info.text(IFLA_INFO.SLAVE_KIND);
  const slaveData = info.nested(IFLA_INFO.SLAVE_DATA);
  // A kind without a codec is one that no lab can have: nothing reads what it says of itself.
  const own = data === undefined ? undefined : linkCodec(kind ?? '')?.decode(data, names);
  const ownAsPort =
    slaveData === undefined ? undefined : portCodec(slaveKind ?? '')?.decode(slaveData, names);
  return {
    ...(kind === undefined ? {} : { info_kind: kind }),
    ...(own === undefined ? {} : { info_data: own }),
    ...(slaveKind === undefined ? {} : { info_slave_kind: slaveKind }),
    ...(ownAsPort === undefined ? {} : { info_slave_data: ownAsPort }),
  };
}

const operstates = ['UNKNOWN', 'NOTPRESENT', 'DOWN', 'LOWERLAYERDOWN', 'TESTING', 'DORMANT', 'UP'];

/** In iproute2's order (print_link_flags), with the bits of linux/if.h. */
const flagBits: readonly (readonly [string, number])[] = [
  ['LOOPBACK', 0x8],
  ['BROADCAST', 0x2],
  ['POINTOPOINT', 0x10],
  ['MULTICAST', 0x1000],
  ['NOARP', 0x80],
  ['ALLMULTI', 0x200],
  ['PROMISC', 0x100],
  ['MASTER', 0x400],
  ['SLAVE', 0x800],
  ['DEBUG', 0x4],
  ['DYNAMIC', 0x8000],
  ['AUTOMEDIA', 0x4000],
  ['PORTSEL', 0x2000],
  ['NOTRAILERS', 0x20],
  ['UP', 0x1],
  ['LOWER_UP', 0x10000],
  ['DORMANT', 0x20000],
  ['ECHO', 0x40000],
];
const UP = 0x1;
const RUNNING = 0x40;
const flagCache = new Map<number, readonly string[]>();

function flagNames(flags: number): readonly string[] {
  const cached = flagCache.get(flags);
  if (cached !== undefined) return cached;
  const names = (flags & UP) !== 0 && (flags & RUNNING) === 0 ? ['NO-CARRIER'] : [];
  for (const [name, bit] of flagBits) if ((flags & bit) !== 0) names.push(name);
  flagCache.set(flags, names);
  return names;
}

/** ARPHRD_TUNNEL, ARPHRD_TUNNEL6, ARPHRD_SIT, ARPHRD_IPGRE, ARPHRD_IP6GRE: the address is the local endpoint. */
const tunnelTypes = new Set([768, 769, 776, 778, 823]);

function linkAddress(bytes: Buffer, type: number): string {
  return tunnelTypes.has(type) && (bytes.length === 4 || bytes.length === 16)
    ? readAddress(bytes)
    : readMac(bytes);
}
