import type { Device, Interface, Topology } from '../../topology/model.ts';
import { interfaceKey } from '../normalize/context.ts';
import { isTunnel } from '../normalize/underlay.ts';

/** The layer-2 segments of a topology: what one Ethernet frame can reach. */
export interface Segments {
  /** Two interfaces are in one segment when this is the same. */
  readonly of: (item: Interface) => number;
}

/**
 * Joins the ends of veth pairs, bridges and bonds with their ports, the ends of tunnels, and what is on top of an
 * interface with it (union-find with path halving).
 */
export function findSegments({ interfaces }: Topology): Segments {
  const numbers = new Map<string, number>();
  const parents: number[] = [];
  const numberOf = (key: string): number => {
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, parents.length);
    return parents.push(parents.length) - 1;
  };
  const root = (key: string): number => {
    let current = numberOf(key);
    for (;;) {
      const parent: number = parents[current] ?? current;
      if (parent === current) return current;
      const above = parents[parent] ?? parent;
      parents[current] = above;
      current = above;
    }
  };
  const join = (a: string, b: string) => {
    const from = root(a);
    parents[from] = root(b);
  };
  // Members of a VRF share routes and no frames.
  const vrfs = new Set(interfaces.filter(({ kind }) => kind === 'vrf').map(keyOf));
  for (const item of interfaces) {
    const key = keyOf(item);
    if (item.kind === 'veth') join(key, interfaceKey(item.peer.namespace, item.peer.name));
    if (item.master !== undefined && !vrfs.has(interfaceKey(item.namespace, item.master)))
      join(key, interfaceKey(item.namespace, item.master));
    if (sharesSegment(item)) join(key, interfaceKey(item.link.namespace, item.link.name));
    // No namespace has an empty name, so this key is the tunnel's alone.
    if (isTunnel(item)) join(key, interfaceKey('', item.name));
  }
  joinVlans(interfaces.filter(isVlan), { root, join });
  return { of: (item) => root(keyOf(item)) };
}

type OnTop = Device & { readonly link: NonNullable<Device['link']> };

/** macvlan and ipvlan send the frames of the interface below. */
function sharesSegment(item: Interface): item is OnTop {
  return (
    (item.kind === 'macvlan' || item.kind === 'macvtap' || item.kind === 'ipvlan') && item.link !== undefined
  );
}

function isVlan(item: Interface): item is OnTop {
  return item.kind === 'vlan' && item.link !== undefined;
}

interface Union {
  readonly root: (key: string) => number;
  readonly join: (a: string, b: string) => void;
}

/** One VLAN in one segment is a segment; joining two may join the segments of VLANs inside of them, and so on. */
function joinVlans(vlans: readonly OnTop[], { root, join }: Union): void {
  // In a circle of VLANs, which another rule reports, each round would join something new.
  for (let round = 0, isNew = true; isNew && round <= vlans.length; round += 1) {
    isNew = false;
    for (const vlan of vlans) {
      const { link, settings } = vlan;
      const below = root(interfaceKey(link.namespace, link.name));
      // No namespace has an empty name, so this key is the VLAN's alone.
      const shared = interfaceKey('', `vlan ${below} ${settings['protocol']} ${settings['id']}`);
      if (root(shared) === root(keyOf(vlan))) continue;
      join(keyOf(vlan), shared);
      isNew = true;
    }
  }
}

/** How messages call an interface, as the file does. */
export function nameOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}:${name}`;
}

function keyOf({ namespace, name }: Interface): string {
  return interfaceKey(namespace, name);
}
