import type { Interface, Topology } from '../../topology/model.ts';
import { interfaceKey } from '../normalize/context.ts';
import { isTunnel } from '../normalize/underlay.ts';

/** The layer-2 segments of a topology: what one Ethernet frame can reach. */
export interface Segments {
  /** Two interfaces are in one segment when this is the same. */
  readonly of: (item: Interface) => number;
}

/** Joins the ends of veth pairs, bridges and their ports, and the ends of tunnels (union-find with path halving). */
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
