import type { IpLink, LiveNamespace } from '../observe/live.ts';
import { hasPrimary } from '../topology/bond.ts';
import type { Device, Interface, Topology } from '../topology/model.ts';
import { registerPortCodec, tableCodec, u32 } from './link-codec.ts';
import type { Attributes, ChangeClass, Command, LiveResource, Resource, Value } from './resource.ts';

/**
 * What a link is to the bond or VRF that is its master. Bridges need none of this: a port stays as it is, while the
 * kernel takes a member of a bond only when it is down (bond_enslave in drivers/net/bonding/bond_main.c), and sets one of
 * a VRF down and up (cycle_netdev in drivers/net/vrf.c).
 */
type MasterKind = 'bond' | 'vrf';

/** Nothing of a bond's member is compared: IFLA_BOND_SLAVE_* of linux/if_link.h say how it does. */
registerPortCodec('bond', { encode: () => false, decode: () => ({}) });
registerPortCodec('vrf', tableCodec({ table: u32(1) }));

const masters = new WeakMap<Topology, ReadonlyMap<string, Device>>();

/** The bond or VRF that an interface is a member of. */
export function masterOf(topology: Topology, { namespace, master }: Interface): Device | undefined {
  if (master === undefined) return undefined;
  const known = masters.get(topology) ?? mastersOf(topology);
  masters.set(topology, known);
  return known.get(`${namespace}/${master}`);
}

function mastersOf({ interfaces }: Topology): Map<string, Device> {
  const found = new Map<string, Device>();
  for (const item of interfaces) {
    if (item.kind === 'bond' || item.kind === 'vrf') found.set(`${item.namespace}/${item.name}`, item);
  }
  return found;
}

/** `master-kind` says how the master is set and is never compared: a name has one kind. */
export function lowerMember(topology: Topology, item: Interface): Attributes {
  const master = masterOf(topology, item);
  if (master === undefined) return {};
  const { primary } = master.settings;
  // Where another member is the primary, that one's own attribute says all.
  const says = master.kind === 'bond' && hasPrimary(master.settings) && (primary ?? item.name) === item.name;
  return { 'master-kind': master.kind, ...(says ? { primary: primary !== undefined } : {}) };
}

export function readMember({ master, linkinfo, ifname }: IpLink, { links }: LiveNamespace): Attributes {
  const kind = linkinfo?.info_slave_kind;
  if (kind === 'vrf') return { 'master-kind': kind };
  if (kind !== 'bond') return {};
  const bond = links.find((link) => link.ifname === master)?.linkinfo?.info_data;
  return { 'master-kind': kind, primary: bond?.['primary'] === ifname };
}

/** The class of a change that concerns the master. */
export function memberClass(
  attribute: string,
  wanted: Resource,
  live: LiveResource,
): ChangeClass | undefined {
  if (attribute !== 'master') return undefined;
  return isMember(wanted.attributes) || isMember(live.attributes) ? 'bounce' : 'in-place';
}

export function isMember(attributes: Attributes): boolean {
  return attributes['master-kind'] !== undefined;
}

/** A bond sets its members up, and down when it lets them go (bond_enslave, __bond_release_one). */
export function lostWithMaster({ attributes }: LiveResource): string[] {
  const kind = attributes['master-kind'] as MasterKind | undefined;
  if (kind !== 'bond') return ['master'];
  return attributes['primary'] === true ? ['master', 'state', 'primary'] : ['master', 'state'];
}

/**
 * What follows on the message that makes a link a member. One message for both would not do: before 6.4, the kernel sets
 * the link up first and then gives it to the bond, which refuses it (do_setlink in net/core/rtnetlink.c).
 */
export function memberCommands(resource: Resource): Command[] {
  const { namespace, label, attributes } = resource;
  const primary = attributes['primary'] === true ? primaryCommands(resource, true) : [];
  // The state down too: the bond has set the link up.
  const args = ['link', 'set', 'dev', label, String(attributes['state'])];
  return [{ tool: 'ip', namespace, args }, ...primary];
}

/**
 * The primary is set when its member is in the bond: the kernel takes the index of a device. No primary at all cannot be
 * said in the words of ip-link(8), but that of `lo`, which can never be a member, is none.
 */
export function primaryCommands(
  { namespace, label, attributes }: Resource,
  primary: Value | undefined,
): Command[] {
  const bond = String(attributes['master']);
  const name = primary === true ? label : 'lo';
  return [{ tool: 'ip', namespace, args: ['link', 'set', 'dev', bond, 'type', 'bond', 'primary', name] }];
}
