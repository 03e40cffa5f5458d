import type { LinkNames } from '../../../kinds/link-codec.ts';
import type { FdbEntry } from '../../../observe/live.ts';
import { readAddress, readMac } from '../bytes.ts';
import { AF_BRIDGE, NDA, RTM_GETNEIGH } from '../constants.ts';
import { AttributeReader, requestHeader } from '../message.ts';
import type { NetlinkSocket } from '../socket.ts';

/** Size of struct ndmsg. */
const HEADER_SIZE = 12;

/** linux/neighbour.h, NUD_*, in the order in which `bridge` looks for them (state_n2a in bridge/fdb.c). */
const states: readonly (readonly [bit: number, name: string])[] = [
  [0x80, 'permanent'],
  [0x40, 'static'],
  [0x04, 'stale'],
  [0x02, ''],
];

/** linux/neighbour.h, NTF_*, in the order in which `bridge` prints them (fdb_print_flags). */
const flagBits: readonly (readonly [bit: number, name: string])[] = [
  [0x02, 'self'],
  [0x80, 'router'],
  [0x10, 'extern_learn'],
  [0x20, 'offload'],
  [0x04, 'master'],
  [0x40, 'sticky'],
];

/** The forwarding entries of bridges and vxlan devices, as `bridge -j fdb show` prints them. */
export function readFdb(socket: NetlinkSocket, names: LinkNames): FdbEntry[] {
  return socket.list(RTM_GETNEIGH, requestHeader(HEADER_SIZE, AF_BRIDGE), (bytes, start, end) => {
    const attributes = new AttributeReader(bytes, start + HEADER_SIZE, end);
    const mac = attributes.value(NDA.LLADDR);
    const destination = attributes.value(NDA.DST);
    const state = bytes.readUInt16LE(start + 8);
    const flags = bytes[start + 10] ?? 0;
    if (mac === undefined) return undefined;
    const vlan = attributes.u16(NDA.VLAN);
    const master = attributes.u32(NDA.MASTER);
    return {
      mac: readMac(mac),
      ifname: names.nameOf(bytes.readInt32LE(start + 4)),
      ...(destination === undefined ? {} : { dst: readAddress(destination) }),
      ...(vlan === undefined ? {} : { vlan }),
      flags: flagBits.flatMap(([bit, name]) => ((flags & bit) === 0 ? [] : [name])),
      ...(master === undefined ? {} : { master: names.nameOf(master) }),
      state: states.find(([bit]) => (state & bit) !== 0)?.[1] ?? `0x${state.toString(16)}`,
    };
  });
}
