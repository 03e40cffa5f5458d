import type { Interface, Topology } from '../../topology/model.ts';
import { interfaceKey } from '../normalize/context.ts';
import { isTunnel } from '../normalize/underlay.ts';

/** The layer-2 segments of a topology: what one Ethernet frame can reach. */
export interface Segments {
  /** Two interfaces are in one segment when this is the same. */
  readonly of: (item: Interface) => string;
}

/** Joins the ends of veth pairs, bridges and their ports, and the ends of tunnels (union-find with path halving). */
export function findSegments({ interfaces }: Topology): Segments {
  const parents = new Map<string, string>();
  const root = (key: string): string => {
    let current = key;
    for (;;) {
      const parent = parents.get(current);
      if (parent === undefined || parent === current) return current;
      const above = parents.get(parent) ?? parent;
      parents.set(current, above);
      current = above;
    }
  };
  const join = (a: string, b: string) => parents.set(root(a), root(b));
  for (const item of interfaces) {
    const key = keyOf(item);
    if (item.kind === 'veth') join(key, interfaceKey(item.peer.namespace, item.peer.name));
    if (item.master !== undefined) join(key, interfaceKey(item.namespace, item.master));
    // No namespace has an empty name, so this key is the tunnel's alone.
    if (isTunnel(item)) join(key, interfaceKey('', item.name));
  }
  return { of: (item) => root(keyOf(item)) };
}

/** How messages call an interface, as the file does. */
export function nameOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}:${name}`;
}

function keyOf({ namespace, name }: Interface): string {
  return interfaceKey(namespace, name);
}
