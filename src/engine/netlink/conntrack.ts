import type { Mapping, Target } from '../../kinds/publish.ts';
import { append } from '../../lib/collections.ts';
import { protocolNumber } from '../../lib/ip-protocol.ts';
import { readAddress } from './bytes.ts';
import { AF_INET, AF_INET6, AF_UNSPEC, NLA_F_NESTED } from './constants.ts';
import { readAddresses } from './decode/address.ts';
import { errnoText, SystemCallError } from './errors.ts';
import { loadLibc } from './libc.ts';
import { AttributeReader, MessageWriter } from './message.ts';
import { NetlinkSocket, type Refusal } from './socket.ts';

/** linux/netlink.h. */
const NETLINK_NETFILTER = 12;
/** linux/netfilter/nfnetlink.h: the subsystem is the upper byte of a message's type; then struct nfgenmsg. */
const NFNL_SUBSYS_CTNETLINK = 1 << 8;
const HEADER_SIZE = 4;
/** linux/netfilter/nfnetlink_conntrack.h. */
const IPCTNL_MSG_CT_GET = 1;
const IPCTNL_MSG_CT_DELETE = 2;
const CTA = { TUPLE_ORIG: 1, TUPLE_REPLY: 2, STATUS: 3, ID: 12, ZONE: 18 } as const;
const TUPLE = { IP: 1, PROTO: 2 } as const;
const IP = { V4_SRC: 1, V4_DST: 2, V6_SRC: 3, V6_DST: 4 } as const;
const PROTO = { NUMBER: 1, SRC_PORT: 2, DST_PORT: 3 } as const;
/** linux/netfilter/nf_conntrack_common.h. */
const IPS_DST_NAT = 1 << 5;

const ENOENT = 2;

/** What a kernel without the module nf_conntrack_netlink answers (nfnetlink_rcv_msg in net/netfilter/nfnetlink.c). */
const unavailable: readonly (string | undefined)[] = ['EINVAL', 'EPROTONOSUPPORT', 'EOPNOTSUPP'];

/** A connection that the kernel knows, as far as it matters here, with the attributes that name it. */
interface Connection {
  readonly family: number;
  readonly protocol: number;
  readonly port: number;
  readonly address: string;
  /** Who answers: the target where the destination is translated, else the destination itself. */
  readonly replies: Target;
  readonly isTranslated: boolean;
  readonly names: readonly (readonly [type: number, value: Buffer])[];
}

/**
 * Makes the kernel forget the connections of changed mappings, in the namespace that the thread is in: those that still
 * go where a port led before, and, of UDP, those that go nowhere because the port was not published when they began. The
 * next packet of such a connection is looked up again.
 *
 * @throws SystemCallError; Error with the kernel's words.
 */
export function forgetConnections(mappings: readonly Mapping[]): void {
  const socket = openSocket();
  if (socket === undefined) return;
  try {
    const index = new Map<string, Mapping[]>();
    for (const mapping of mappings) {
      const family = mapping.family === 4 ? AF_INET : AF_INET6;
      const protocol = protocolNumber(mapping.protocol) ?? 0;
      for (let { first: port } = mapping.port; port <= mapping.port.last; port += 1)
        append(index, keyOf({ family, protocol, port }), mapping);
    }
    const isOwn = ownAddresses();
    const stale = listConnections(socket, index).filter((connection) =>
      (index.get(keyOf(connection)) ?? []).some((mapping) => isStale(connection, mapping, isOwn)),
    );
    deleteAll(socket, stale);
  } finally {
    socket.close();
  }
}

function openSocket(): NetlinkSocket | undefined {
  try {
    return new NetlinkSocket(loadLibc(), NETLINK_NETFILTER);
  } catch (error) {
    if (unavailable.includes((error as NodeJS.ErrnoException).code)) return undefined;
    throw error;
  }
}

/** Whether an address is one of the namespace's own: asked only where a mapping names none. */
function ownAddresses(): (address: string) => boolean {
  let known: Set<string> | undefined;
  return (address) => {
    if (address.startsWith('127.')) return true;
    if (known === undefined) {
      const socket = new NetlinkSocket();
      try {
        known = new Set([...readAddresses(socket).values()].flat().map(({ local }) => local));
      } finally {
        socket.close();
      }
    }
    return known.has(address);
  };
}

function isStale(
  { port, address, replies, isTranslated, protocol }: Connection,
  mapping: Mapping,
  isOwn: (address: string) => boolean,
): boolean {
  if (mapping.address !== undefined && mapping.address !== address) return false;
  const offset = port - mapping.port.first;
  const leadsTo = (target: Target | undefined) =>
    target !== undefined && target.address === replies.address && target.port + offset === replies.port;
  if (isTranslated) return leadsTo(mapping.before) && !leadsTo(mapping.after);
  // A connection of TCP to the namespace itself has somebody who answers it.
  if (mapping.after === undefined || protocol === protocolNumber('tcp')) return false;
  return mapping.address !== undefined || isOwn(address);
}

/** Those to a port of the index. */
function listConnections(socket: NetlinkSocket, index: ReadonlyMap<string, unknown>): Connection[] {
  try {
    return socket.list(
      NFNL_SUBSYS_CTNETLINK | IPCTNL_MSG_CT_GET,
      Buffer.from([AF_UNSPEC, 0, 0, 0]),
      (bytes, start, end) => {
        const connection = decode(bytes, start, end);
        return connection !== undefined && index.has(keyOf(connection)) ? connection : undefined;
      },
    );
  } catch (error) {
    if (error instanceof SystemCallError && unavailable.includes(error.code)) return [];
    throw error;
  }
}

function keyOf({ family, protocol, port }: Pick<Connection, 'family' | 'protocol' | 'port'>): string {
  return `${family} ${protocol} ${port}`;
}

function decode(bytes: Buffer, start: number, end: number): Connection | undefined {
  const attributes = new AttributeReader(bytes, start + HEADER_SIZE, end);
  const original = readTuple(attributes.nested(CTA.TUPLE_ORIG));
  const reply = readTuple(attributes.nested(CTA.TUPLE_REPLY));
  if (original === undefined || reply === undefined) return undefined;
  const status = attributes.value(CTA.STATUS)?.readUInt32BE() ?? 0;
  const names = [CTA.TUPLE_ORIG, CTA.ID, CTA.ZONE].flatMap((type) => {
    const value = attributes.value(type);
    const isNested = type === CTA.TUPLE_ORIG;
    // The buffer is used again for the next answer.
    return value === undefined ? [] : [[isNested ? type | NLA_F_NESTED : type, Buffer.from(value)] as const];
  });
  return {
    family: bytes[start] ?? 0,
    protocol: original.protocol,
    port: original.to.port,
    address: original.to.address,
    replies: reply.from,
    isTranslated: (status & IPS_DST_NAT) !== 0,
    names,
  };
}

function readTuple(
  tuple: AttributeReader | undefined,
): { protocol: number; from: Target; to: Target } | undefined {
  const [ip, proto] = [tuple?.nested(TUPLE.IP), tuple?.nested(TUPLE.PROTO)];
  const source = ip?.value(IP.V4_SRC) ?? ip?.value(IP.V6_SRC);
  const destination = ip?.value(IP.V4_DST) ?? ip?.value(IP.V6_DST);
  const [sourcePort, destinationPort] = [proto?.u16be(PROTO.SRC_PORT), proto?.u16be(PROTO.DST_PORT)];
  if (source === undefined || destination === undefined) return undefined;
  // ICMP has no ports.
  if (sourcePort === undefined || destinationPort === undefined) return undefined;
  return {
    protocol: proto?.u8(PROTO.NUMBER) ?? 0,
    from: { address: readAddress(source), port: sourcePort },
    to: { address: readAddress(destination), port: destinationPort },
  };
}

function deleteAll(socket: NetlinkSocket, connections: readonly Connection[]): void {
  // So many that their acknowledgements fit into the buffer of the socket.
  const portion = 256;
  const writer = new MessageWriter();
  for (let from = 0; from < connections.length; from += portion) {
    writer.clear();
    const some = connections.slice(from, from + portion);
    for (const { family, names } of some) {
      writer.begin(NFNL_SUBSYS_CTNETLINK | IPCTNL_MSG_CT_DELETE, 0, socket.nextSequence());
      writer.u32(family);
      for (const [type, value] of names) writer.attributeBytes(type, value);
      writer.end();
    }
    // One that ended meanwhile is as good as deleted.
    const refused = socket.transact(writer, some.length).find((refusal: Refusal) => refusal.errno !== ENOENT);
    if (refused !== undefined)
      throw new Error(`cannot forget a connection: ${refused.text ?? errnoText(refused.errno)}`);
  }
}
