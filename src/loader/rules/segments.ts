import type { Interface, OvsVlan, Topology } from '../../topology/model.ts';
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
    for (const [one, other] of ovsSegments(item)) join(one, other);
    // No namespace has an empty name, so this key is the tunnel's alone.
    if (isTunnel(item)) join(key, interfaceKey('', item.name));
  }
  return { of: (item) => root(keyOf(item)) };
}

/** Ports of an Open vSwitch bridge: those with the same tag are in one segment, those without in the bridge's own. */
function ovsSegments(item: Interface): [string, string][] {
  const segment = (bridge: string, { tag }: OvsVlan) =>
    interfaceKey(item.namespace, tag === undefined ? bridge : `${bridge} ${tag}`);
  if (item.kind === 'ovs-internal') return [[keyOf(item), segment(item.ovsBridge, item.vlan)]];
  if (item.kind !== 'ovs-bridge') return [];
  return item.ports.flatMap(({ name, vlan, form }): [string, string][] => {
    const own = segment(item.name, vlan);
    if (form.is === 'interface') return [[interfaceKey(item.namespace, name), own]];
    if (form.is === 'bond') return form.members.map((member) => [interfaceKey(item.namespace, member), own]);
    // Both ports of a patch come by, each with its own bridge's segment; no namespace has an empty name.
    if (form.is === 'patch') return [[interfaceKey('', [name, form.peer].sort().join(' ')), own]];
    return [];
  });
}

/** How messages call an interface, as the file does. */
export function nameOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}:${name}`;
}

function keyOf({ namespace, name }: Interface): string {
  return interfaceKey(namespace, name);
}
