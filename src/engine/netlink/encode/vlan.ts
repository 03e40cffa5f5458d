import {
  AF_BRIDGE,
  BRIDGE_FLAGS_SELF,
  BRIDGE_VLAN_INFO,
  IFLA,
  IFLA_BRIDGE_FLAGS,
  IFLA_BRIDGE_VLAN_INFO,
  RTM_DELLINK,
  RTM_SETLINK,
} from '../constants.ts';
import type { MessageWriter } from '../message.ts';
import type { Encode } from './encode.ts';

/** A VLAN or a range of them, with the flags of both ends. */
interface VlanRange {
  readonly first: number;
  readonly last: number;
  flags: number;
}

/**
 * `bridge vlan add|del dev NAME [self] vid A[-B] [pvid] [untagged]` (iproute2 6.1, vlan_modify in bridge/vlan.c). Behind the
 * first, further `vid` groups may follow, which iproute2 does not know: all changes of a port are one message.
 */
export const encodeVlan: Encode = (words, writer, sequence, context) => {
  const [verb, dev, name = '', ...rest] = words;
  if ((verb !== 'add' && verb !== 'del') || dev !== 'dev') return false;
  const isSelf = rest[0] === 'self';
  const ranges = readRanges(isSelf ? rest.slice(1) : rest);
  if (ranges === undefined) return false;
  const index = context.ifindex(name);
  writer.begin(verb === 'add' ? RTM_SETLINK : RTM_DELLINK, 0, sequence);
  // struct ifinfomsg: family, type, index, flags, change.
  for (const value of [AF_BRIDGE, index, 0, 0]) writer.u32(value);
  writer.nest(IFLA.AF_SPEC, () => {
    if (isSelf) writer.attributeU16(IFLA_BRIDGE_FLAGS, BRIDGE_FLAGS_SELF);
    for (const range of ranges) writeRange(range, writer);
  });
  writer.end();
  return true;
};

function readRanges(words: readonly string[]): VlanRange[] | undefined {
  const ranges: VlanRange[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const range = ranges.at(-1);
    if (words[at] === 'vid') {
      at += 1;
      const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(words[at] ?? '') ?? [];
      if (first === undefined) return undefined;
      ranges.push({ first: Number(first), last: Number(last), flags: 0 });
    } else if (words[at] === 'pvid' && range !== undefined) {
      range.flags |= BRIDGE_VLAN_INFO.PVID;
    } else if (words[at] === 'untagged' && range !== undefined) {
      range.flags |= BRIDGE_VLAN_INFO.UNTAGGED;
    } else {
      return undefined;
    }
  }
  return ranges.length === 0 ? undefined : ranges;
}

/** struct bridge_vlan_info: flags, id; a range is two of them. */
function writeRange({ first, last, flags }: VlanRange, writer: MessageWriter): void {
  const write = (vlan: number, mark: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt16LE(flags | mark);
    bytes.writeUInt16LE(vlan, 2);
    writer.attributeBytes(IFLA_BRIDGE_VLAN_INFO, bytes);
  };
  if (first === last) {
    write(first, 0);
    return;
  }
  write(first, BRIDGE_VLAN_INFO.RANGE_BEGIN);
  write(last, BRIDGE_VLAN_INFO.RANGE_END);
}
