import type { Bridge, Interface, Topology } from '../../topology/model.ts';
import { interfaceKey } from '../normalize/context.ts';

/** A VLAN tag that frames of the topology may carry. */
export interface Tag {
  readonly protocol: string;
  readonly id: number;
}

/** The bridges that filter VLANs, and the tags that matter: those that some interface takes off. */
export interface Tags {
  /** Empty where the topology has no VLANs. */
  readonly all: readonly Tag[];
  readonly bridgeOf: (item: Interface) => Bridge | undefined;
}

export function findTags({ interfaces }: Topology): Tags {
  const bridges = new Map<string, Bridge>();
  for (const item of interfaces) {
    if (item.kind === 'bridge') bridges.set(interfaceKey(item.namespace, item.name), item);
  }
  const bridgeOf = (item: Interface) =>
    item.kind === 'bridge'
      ? item
      : item.master === undefined
        ? undefined
        : bridges.get(interfaceKey(item.namespace, item.master));
  const found = new Map<string, Tag>();
  const add = (tag: Tag) => found.set(tagText(tag), tag);
  for (const item of interfaces) {
    if (item.kind === 'vlan')
      add({ protocol: String(item.settings['protocol']), id: Number(item.settings['id']) });
    if (item.vlans === undefined) continue;
    const protocol = bridgeOf(item)?.parameters['vlan-protocol'] ?? '802.1Q';
    if (item.vlans.native !== undefined) add({ protocol, id: item.vlans.native });
    // A VLAN that only trunks have: one stands for the whole range.
    for (const { first } of item.vlans.trunks) add({ protocol, id: first });
  }
  return { all: [...found.values()], bridgeOf };
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
export function insideNode(item: Interface, bridge: Bridge, tag?: Tag): string | undefined {
  const key = interfaceKey(bridge.namespace, bridge.name);
  const { vlans } = item;
  if (vlans === undefined) return wireNode(bridge, tag);
  // No interface has a name with a number sign behind a blank.
  const inside = (vlan: number) => `${key} #${vlan}`;
  if (tag === undefined) return vlans.native === undefined ? undefined : inside(vlans.native);
  if (tag.protocol !== bridge.parameters['vlan-protocol']) return wireNode(bridge, tag);
  const { id } = tag;
  return vlans.trunks.some(({ first, last }) => first <= id && id <= last) ? inside(id) : undefined;
}

function tagText({ protocol, id }: Tag): string {
  return `${protocol} ${id}`;
}
