import { compareNames } from '../../lib/collections.ts';
import { parseCidr } from '../../lib/ip.ts';
import type { WireguardDevice, WireguardLivePeer } from '../../observe/live.ts';
import { fingerprint, readKeyFile } from '../../system/wireguard-keys.ts';
import { addressBytes, readAddress } from './bytes.ts';
import { AF_INET, AF_INET6, NETLINK_GENERIC, NLA_F_NESTED } from './constants.ts';
import { errnoText, SystemCallError } from './errors.ts';
import { AttributeReader, eachAttribute, MessageWriter } from './message.ts';
import { NetlinkSocket } from './socket.ts';

/** linux/genetlink.h. */
const GENL_ID_CTRL = 16;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR = { FAMILY_ID: 1, FAMILY_NAME: 2 } as const;
/** Size of struct genlmsghdr: command, version, two reserved bytes. */
const GENL_HEADER = 4;

/** linux/wireguard.h. */
const WG_CMD_GET_DEVICE = 0;
const WG_CMD_SET_DEVICE = 1;
const DEVICE = { IFNAME: 2, PRIVATE_KEY: 3, PUBLIC_KEY: 4, LISTEN_PORT: 6, FWMARK: 7, PEERS: 8 } as const;
const PEER = {
  PUBLIC_KEY: 1,
  PRESHARED_KEY: 2,
  FLAGS: 3,
  ENDPOINT: 4,
  KEEPALIVE: 5,
  ALLOWED_IPS: 9,
} as const;
const ALLOWED_IP = { FAMILY: 1, ADDRESS: 2, LENGTH: 3 } as const;
const REMOVE_ME = 1;
const REPLACE_ALLOWED_IPS = 2;

const NO_KEY = Buffer.alloc(32);
const ENOENT = 2;

let familyId: number | undefined;

/** The devices of the namespace that the thread is in, by name, without their secrets. One that went is left out. */
export function readWireguard(names: readonly string[]): WireguardDevice[] {
  return withSocket((socket, family) =>
    names.flatMap((name) => {
      try {
        return readDevice(socket, family, name);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENODEV') return [];
        throw error;
      }
    }),
  );
}

/**
 * Performs `wg set`, in its own words, in the namespace that the thread is in; keys are read from the files that it
 * names.
 *
 * @throws Error with the kernel's words; TopoweaveError when a key file is not fit.
 */
export function setWireguard([verb, name = '', ...words]: readonly string[]): void {
  if (verb !== 'set') throw new Error(`wg ${verb} is not known`);
  withSocket((socket, family) => {
    const writer = new MessageWriter();
    try {
      begin(writer, family, WG_CMD_SET_DEVICE, socket.nextSequence());
      writer.attributeText(DEVICE.IFNAME, name);
      writeSettings(writer, words);
      writer.end();
      const [refusal] = socket.transact(writer, 1);
      if (refusal !== undefined) throw new Error(refusal.text ?? errnoText(refusal.errno));
    } finally {
      // There was a key in it.
      writer.bytes.fill(0);
    }
  });
}

function withSocket<T>(work: (socket: NetlinkSocket, family: number) => T): T {
  const socket = new NetlinkSocket(undefined, NETLINK_GENERIC);
  try {
    familyId ??= findFamily(socket);
    return work(socket, familyId);
  } finally {
    socket.close();
  }
}

/** The number of the generic netlink family; the kernel gives it when the module is loaded, which asking does. */
function findFamily(socket: NetlinkSocket): number {
  let found: number | undefined;
  const name = Buffer.from('wireguard\0');
  const request = Buffer.alloc(GENL_HEADER + 4 + 12);
  request.set([CTRL_CMD_GETFAMILY, 1]);
  request.writeUInt16LE(4 + name.length, GENL_HEADER);
  request.writeUInt16LE(CTRL_ATTR.FAMILY_NAME, GENL_HEADER + 2);
  request.set(name, GENL_HEADER + 4);
  socket.get(GENL_ID_CTRL, [request], (bytes, start, end) => {
    found = new AttributeReader(bytes, start + GENL_HEADER, end).u16(CTRL_ATTR.FAMILY_ID);
  });
  if (found === undefined) throw new SystemCallError('this kernel has no WireGuard', ENOENT);
  return found;
}

function begin(writer: MessageWriter, family: number, command: number, sequence: number): void {
  writer.begin(family, 0, sequence);
  writer.u8(command);
  writer.u8(1);
  writer.u16(0);
}

/** The words of `wg set` behind the interface (wg(8)): those of the device, then those of one peer. */
function writeSettings(writer: MessageWriter, words: readonly string[]): void {
  const at = words.indexOf('peer');
  const own = at < 0 ? words : words.slice(0, at);
  for (let index = 0; index < own.length; index += 2)
    writeOwn(writer, own[index] ?? '', own[index + 1] ?? '');
  if (at < 0) return;
  writer.nest(DEVICE.PEERS | NLA_F_NESTED, () => {
    writer.nest(NLA_F_NESTED, () => writePeer(writer, words.slice(at + 1)));
  });
}

function writeOwn(writer: MessageWriter, word: string, value: string): void {
  switch (word) {
    case 'private-key':
      writer.attributeBytes(DEVICE.PRIVATE_KEY, readKeyFile(value));
      return;
    case 'listen-port':
      writer.attributeU16(DEVICE.LISTEN_PORT, Number(value));
      return;
    case 'fwmark':
      writer.attributeU32(DEVICE.FWMARK, value === 'off' ? 0 : Number(value));
      return;
    default:
      throw new Error(`wg set … ${word} is not known`);
  }
}

function writePeer(writer: MessageWriter, [key = '', ...words]: readonly string[]): void {
  writer.attributeBytes(PEER.PUBLIC_KEY, Buffer.from(key, 'base64'));
  if (words[0] === 'remove') {
    writer.attributeU32(PEER.FLAGS, REMOVE_ME);
    return;
  }
  for (let at = 0; at < words.length; at += 2) writePeerWord(writer, words[at] ?? '', words[at + 1] ?? '');
}

function writePeerWord(writer: MessageWriter, word: string, value: string): void {
  switch (word) {
    case 'preshared-key':
      writer.attributeBytes(PEER.PRESHARED_KEY, value === '/dev/null' ? NO_KEY : readKeyFile(value));
      return;
    case 'endpoint':
      writer.attributeBytes(PEER.ENDPOINT, socketAddress(value));
      return;
    case 'persistent-keepalive':
      writer.attributeU16(PEER.KEEPALIVE, value === 'off' ? 0 : Number(value));
      return;
    case 'allowed-ips':
      writer.attributeU32(PEER.FLAGS, REPLACE_ALLOWED_IPS);
      writer.nest(PEER.ALLOWED_IPS | NLA_F_NESTED, () => {
        for (const prefix of value.split(',')) if (prefix !== '') writeAllowedIp(writer, prefix);
      });
      return;
    default:
      throw new Error(`wg set … peer … ${word} is not known`);
  }
}

function writeAllowedIp(writer: MessageWriter, prefix: string): void {
  const cidr = parseCidr(prefix);
  const bytes = addressBytes(cidr?.address ?? '');
  if (cidr === undefined || bytes === undefined) throw new Error(`${prefix} is not a prefix`);
  writer.nest(NLA_F_NESTED, () => {
    writer.attributeU16(ALLOWED_IP.FAMILY, cidr.family === 4 ? AF_INET : AF_INET6);
    writer.attributeBytes(ALLOWED_IP.ADDRESS, bytes);
    writer.attributeU8(ALLOWED_IP.LENGTH, cidr.prefixLength);
  });
}

/** struct sockaddr_in and sockaddr_in6: family, port in network byte order, address; for IPv6 the flow before it. */
function socketAddress(endpoint: string): Buffer {
  const colon = endpoint.lastIndexOf(':');
  const address = addressBytes(endpoint.slice(0, colon).replace(/^\[(.*)\]$/, '$1'));
  if (address === undefined) throw new Error(`${endpoint} is not an address and a port`);
  const isV4 = address.length === 4;
  const bytes = Buffer.alloc(isV4 ? 16 : 28);
  bytes.writeUInt16LE(isV4 ? AF_INET : AF_INET6, 0);
  bytes.writeUInt16BE(Number(endpoint.slice(colon + 1)), 2);
  bytes.set(address, isV4 ? 4 : 8);
  return bytes;
}

/** A peer while its parts come in. */
interface PeerDraft extends Omit<WireguardLivePeer, 'allowedIps'> {
  readonly allowedIps: string[];
}

/**
 * A device comes in several messages when it has many peers, and so does a peer with many prefixes: then its next part
 * has only the public key and the rest of them (wg_get_device_dump in drivers/net/wireguard/netlink.c).
 */
function readDevice(socket: NetlinkSocket, family: number, name: string): WireguardDevice {
  let own = { publicKey: 'none', port: 0, fwmark: 0 };
  const peers = new Map<string, PeerDraft>();
  const writer = new MessageWriter();
  begin(writer, family, WG_CMD_GET_DEVICE, 0);
  writer.attributeText(DEVICE.IFNAME, name);
  writer.end();
  const header = writer.bytes.subarray(16, writer.length);
  socket.dump(
    family,
    header,
    (bytes, start, end) => {
      const device = new AttributeReader(bytes, start + GENL_HEADER, end);
      // Not even in our memory longer than it takes.
      device.value(DEVICE.PRIVATE_KEY)?.fill(0);
      const port = device.u16(DEVICE.LISTEN_PORT);
      if (port !== undefined) {
        const publicKey = device.value(DEVICE.PUBLIC_KEY)?.toString('base64') ?? 'none';
        own = { publicKey, port, fwmark: device.u32(DEVICE.FWMARK) ?? 0 };
      }
      eachNested(device.value(DEVICE.PEERS), (peer) => addPeer(peers, peer));
    },
    () => peers.clear(),
  );
  return {
    ifname: name,
    ...own,
    peers: [...peers.values()]
      .map((peer) => ({ ...peer, allowedIps: peer.allowedIps.sort(compareNames) }))
      .sort((a, b) => compareNames(a.publicKey, b.publicKey)),
  };
}

function addPeer(peers: Map<string, PeerDraft>, peer: AttributeReader): void {
  const publicKey = peer.value(PEER.PUBLIC_KEY)?.toString('base64') ?? '';
  const secret = peer.value(PEER.PRESHARED_KEY);
  const presharedKey = secret === undefined || secret.equals(NO_KEY) ? 'none' : fingerprint(secret);
  secret?.fill(0);
  const known = peers.get(publicKey) ?? {
    publicKey,
    presharedKey,
    endpoint: readEndpoint(peer.value(PEER.ENDPOINT)),
    keepalive: peer.u16(PEER.KEEPALIVE) ?? 0,
    allowedIps: [],
  };
  peers.set(publicKey, known);
  eachNested(peer.value(PEER.ALLOWED_IPS), (entry) => {
    const address = entry.value(ALLOWED_IP.ADDRESS);
    if (address !== undefined)
      known.allowedIps.push(`${readAddress(address)}/${entry.u8(ALLOWED_IP.LENGTH) ?? 0}`);
  });
}

function readEndpoint(bytes: Buffer | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  const port = bytes.readUInt16BE(2);
  return bytes.readUInt16LE(0) === AF_INET
    ? `${readAddress(bytes.subarray(4, 8))}:${port}`
    : `[${readAddress(bytes.subarray(8, 24))}]:${port}`;
}

/** The entries of a list, each with attributes of its own. */
function eachNested(list: Buffer | undefined, visit: (entry: AttributeReader) => void): void {
  if (list === undefined) return;
  eachAttribute(list, (_type, start) => {
    // The length stands at the beginning of the header of four bytes, which it counts.
    visit(new AttributeReader(list, start, start - 4 + list.readUInt16LE(start - 4)));
  });
}
