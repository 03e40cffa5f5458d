import type { IpPortVlans } from '../../../observe/live.ts';
import {
  AF_BRIDGE,
  BRIDGE_VLAN_INFO,
  IFLA,
  IFLA_BRIDGE_VLAN_INFO,
  RTEXT_FILTER_BRVLAN_COMPRESSED,
  RTM_GETLINK,
} from '../constants.ts';
import { AttributeReader, eachAttribute, requestHeader } from '../message.ts';
import type { NetlinkSocket } from '../socket.ts';

/** Size of struct ifinfomsg. */
const HEADER_SIZE = 16;
const { PVID, UNTAGGED, RANGE_BEGIN, RANGE_END } = BRIDGE_VLAN_INFO;

/** The VLANs of every port of every bridge that filters; none from a kernel without VLAN filtering. */
export function readPortVlans(socket: NetlinkSocket): IpPortVlans[] {
  const extras = [IFLA.EXT_MASK, RTEXT_FILTER_BRVLAN_COMPRESSED] as const;
  const header = requestHeader(HEADER_SIZE, AF_BRIDGE, extras);
  return socket.list(RTM_GETLINK, header, (bytes, start, end) => {
    const attributes = new AttributeReader(bytes, start + HEADER_SIZE, end);
    const value = attributes.value(IFLA.AF_SPEC);
    const ifname = attributes.text(IFLA.IFNAME);
    if (value === undefined || ifname === undefined) return undefined;
    const vlans = readVlans(value);
    return vlans.length === 0 ? undefined : { ifname, vlans };
  });
}

/** One entry for each VLAN, or two, marked so, for a range. */
function readVlans(value: Buffer): IpPortVlans['vlans'] {
  const vlans: IpPortVlans['vlans'][number][] = [];
  let first = 0;
  eachAttribute(value, (type, start) => {
    if (type !== IFLA_BRIDGE_VLAN_INFO) return;
    const flags = value.readUInt16LE(start);
    const vlan = value.readUInt16LE(start + 2);
    if ((flags & RANGE_BEGIN) !== 0) {
      first = vlan;
      return;
    }
    const names = [
      ...((flags & PVID) === 0 ? [] : ['PVID']),
      ...((flags & UNTAGGED) === 0 ? [] : ['Egress Untagged']),
    ];
    vlans.push({
      ...((flags & RANGE_END) === 0 ? { vlan } : { vlan: first, vlanEnd: vlan }),
      flags: names,
    });
  });
  return vlans;
}
