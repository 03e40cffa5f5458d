import type { Adopted, Bridge, Interface, OvsBridge, OvsVlan, Topology } from '../../topology/model.ts';
import { interfaceKey } from '../normalize/context.ts';

/** A VLAN tag that frames of the topology may carry. */
export interface Tag {
  readonly protocol: string;
  readonly id: number;
}

/** What passes frames between its ports. */
export type Switch = Bridge | OvsBridge | AdoptedBridge;

type AdoptedBridge = Adopted & { readonly isBridge: true };

/** The bridges, and the tags that matter: those that some interface takes off. */
export interface Tags {
  /** Empty where the topology has no VLANs. */
  readonly all: readonly Tag[];
  /** What an interface is a port of; an internal port of Open vSwitch may be one of a Linux bridge as well. */
  readonly switchesOf: (item: Interface) => readonly Switch[];
}

export function isSwitch(item: Interface): item is Switch {
  if (item.kind === 'adopted') return item.isBridge === true;
  return item.kind === 'bridge' || item.kind === 'ovs-bridge';
}

export function findTags({ interfaces }: Topology): Tags {
  const bridges = new Map<string, Switch>();
  for (const item of interfaces) {
    if (isSwitch(item)) bridges.set(interfaceKey(item.namespace, item.name), item);
  }
  const named = (namespace: string, name: string | undefined) =>
    name === undefined ? undefined : bridges.get(interfaceKey(namespace, name));
  const switchesOf = (item: Interface) => {
    const { namespace, master, ovsBridge } = item;
    const found = [isSwitch(item) ? item : undefined, named(namespace, master), named(namespace, ovsBridge)];
    return found.filter((bridge) => bridge !== undefined);
  };
  const found = new Map<string, Tag>();
  const add = (tag: Tag) => found.set(tagText(tag), tag);
  for (const item of interfaces) {
    if (item.kind === 'vlan')
      add({ protocol: String(item.settings['protocol']), id: Number(item.settings['id']) });
    for (const vlan of ovsVlansOf(item)) {
      for (const id of [vlan.tag, vlan.native, ...vlan.trunks.map(firstOf)])
        if (id !== undefined) add({ protocol: '802.1Q', id });
    }
    if (item.vlans === undefined) continue;
    const bridge = switchesOf(item).find(({ kind }) => kind === 'bridge');
    const protocol = (bridge?.kind === 'bridge' && bridge.parameters['vlan-protocol']) || '802.1Q';
    if (item.vlans.native !== undefined) add({ protocol, id: item.vlans.native });
    // A VLAN that only trunks have: one stands for the whole range.
    for (const { first } of item.vlans.trunks) add({ protocol, id: first });
  }
  return { all: [...found.values()], switchesOf };
}

/** The VLANs of the ports that an interface brings, each port at one interface: a bridge brings all but the internal ones. */
function ovsVlansOf(item: Interface): readonly OvsVlan[] {
  if (item.kind === 'ovs-internal') return [item.vlan];
  return item.kind === 'ovs-bridge' ? item.ports.map(({ vlan }) => vlan) : [];
}

/** Of `20-30` or `20`. */
function firstOf(range: string): number {
  return Number(range.split('-')[0]);
}

/** The frames on the wire of an interface that carry a tag, or none. */
export function wireNode({ namespace, name }: { namespace: string; name: string }, tag?: Tag): string {
  const key = interfaceKey(namespace, name);
  return tag === undefined ? key : `${key} ${tagText(tag)}`;
}

/**
 * Where such frames of a port get to in its bridge: into a VLAN, or, in a bridge that does not filter, to all ports as
 * they are. undefined: nowhere. The bridge's own interface is a port like the others.
 */
export function insideNode(item: Interface, bridge: Switch, tag?: Tag): string | undefined {
  if (bridge.kind === 'ovs-bridge') return insideOvs(bridge, vlanOf(item, bridge), tag);
  const key = interfaceKey(bridge.namespace, bridge.name);
  const { vlans } = item;
  // What an adopted bridge filters is not known here.
  if (vlans === undefined || bridge.kind === 'adopted') return wireNode(bridge, tag);
  const inside = (vlan: number) => vlanNode(key, vlan);
  if (tag === undefined) return vlans.native === undefined ? undefined : inside(vlans.native);
  if (tag.protocol !== bridge.parameters['vlan-protocol']) return wireNode(bridge, tag);
  const { id } = tag;
  return vlans.trunks.some(({ first, last }) => first <= id && id <= last) ? inside(id) : undefined;
}

/**
 * The same for a port of Open vSwitch: with a tag it is an access port, and without one a trunk of all VLANs, or of those
 * that it names. Packets without a tag are in no VLAN, which is the bridge's own (ovs-vswitchd.conf.db(5), Port, VLANs).
 */
export function insideOvs(bridge: OvsBridge, vlan: OvsVlan, tag?: Tag): string | undefined {
  const key = interfaceKey(bridge.namespace, bridge.name);
  const untagged = vlan.tag ?? vlan.native;
  const isOpen = vlan.trunks.length === 0;
  if (tag === undefined) return untagged === undefined ? (isOpen ? key : undefined) : vlanNode(key, untagged);
  if (tag.protocol !== '802.1Q') return wireNode(bridge, tag);
  if (vlan.tag !== undefined) return undefined;
  return isOpen || tag.id === vlan.native || vlan.trunks.some((range) => isInRange(range, tag.id))
    ? vlanNode(key, tag.id)
    : undefined;
}

/** No interface has a name with a number sign behind a blank. */
function vlanNode(key: string, vlan: number): string {
  return `${key} #${vlan}`;
}

function isInRange(range: string, id: number): boolean {
  const [first = 0, last = first] = range.split('-').map(Number);
  return first <= id && id <= last;
}

const allVlans: OvsVlan = { tag: undefined, trunks: [], native: undefined };

interface Attached {
  readonly vlan: OvsVlan;
  /** In a bond another member stands for it too. */
  readonly isSpare: boolean;
}

const attachedTo = new WeakMap<OvsBridge, ReadonlyMap<string, Attached>>();

/** The ports that are interfaces, alone or in a bond. */
function attachedOf(bridge: OvsBridge): ReadonlyMap<string, Attached> {
  const known = attachedTo.get(bridge);
  if (known !== undefined) return known;
  const found = new Map<string, Attached>();
  for (const { name, vlan, form } of bridge.ports) {
    const members = form.is === 'bond' ? form.members : form.is === 'interface' ? [name] : [];
    for (const [at, member] of members.entries()) found.set(member, { vlan, isSpare: at > 0 });
  }
  attachedTo.set(bridge, found);
  return found;
}

function vlanOf(item: Interface, bridge: OvsBridge): OvsVlan {
  if (item.kind === 'ovs-internal') return item.vlan;
  return attachedOf(bridge).get(item.name)?.vlan ?? allVlans;
}

/** Whether it is in a bond, and not the first member: the bond passes each frame once. */
export function isSpare(item: Interface, bridge: Switch): boolean {
  return bridge.kind === 'ovs-bridge' && attachedOf(bridge).get(item.name)?.isSpare === true;
}

function tagText({ protocol, id }: Tag): string {
  return `${protocol} ${id}`;
}
