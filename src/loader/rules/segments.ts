import type { Device, Interface, Topology } from '../../topology/model.ts';
import { interfaceKey } from '../normalize/context.ts';
import { isTunnel } from '../normalize/underlay.ts';
import { findTags, insideNode, insideOvs, isSwitch, type Tag, wireNode } from './tags.ts';

/** The layer-2 segments of a topology: what one Ethernet frame can reach. */
export interface Segments {
  /** Two interfaces are in one segment when this is the same. */
  readonly of: (item: Interface) => number;
}

/**
 * Joins the ends of veth pairs, bridges and bonds with their ports, the ends of tunnels, what is on top of an
 * interface with it, and the VLANs of all of them (union-find with path halving).
 */
export function findSegments(topology: Topology): Segments {
  const { interfaces } = topology;
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
  const { all: tags, switchesOf } = findTags(topology);
  const carriers = findCarriers(interfaces);
  const bonds = new Set(interfaces.filter(({ kind }) => kind === 'bond').map(keyOf));
  for (const item of interfaces) {
    const switches = switchesOf(item);
    // Tags are followed only where somebody could take them off.
    const wires = carriers.has(keyOf(item)) ? [undefined, ...tags] : [undefined];
    for (const tag of wires) {
      const own = wireNode(item, tag);
      if (item.kind === 'veth') join(own, wireNode(item.peer, tag));
      for (const bridge of switches) {
        const inside = insideNode(item, bridge, tag);
        if (inside !== undefined) join(own, inside);
      }
      for (const [inside, patch] of patchesOf(item, tag)) join(inside, patch);
      if (sharesSegment(item)) join(own, wireNode(item.link, tag));
      if (item.master !== undefined && bonds.has(interfaceKey(item.namespace, item.master)))
        join(own, wireNode({ namespace: item.namespace, name: item.master }, tag));
      // No namespace has an empty name, so this node is the tunnel's alone.
      if (isTunnel(item)) join(own, wireNode({ namespace: '', name: item.name }, tag));
    }
    if (item.kind !== 'vlan' || item.link === undefined) continue;
    const tag = { protocol: String(item.settings['protocol']), id: Number(item.settings['id']) };
    join(keyOf(item), wireNode(item.link, tag));
  }
  return { of: (item) => root(keyOf(item)) };
}

/** Each patch of an Open vSwitch bridge, with a node that both of its ends have. */
function patchesOf(item: Interface, tag: Tag | undefined): [string, string][] {
  if (item.kind !== 'ovs-bridge') return [];
  return item.ports.flatMap(({ name, vlan, form }): [string, string][] => {
    const inside = form.is === 'patch' ? insideOvs(item, vlan, tag) : undefined;
    if (form.is !== 'patch' || inside === undefined) return [];
    // No namespace has an empty name, and no interface one with a blank.
    return [[inside, wireNode({ namespace: '', name: [name, form.peer].sort().join(' ') }, tag)]];
  });
}

/** Interfaces on whose wire tagged frames may mean something: trunks, ports of bridges that pass all, what is below a VLAN. */
function findCarriers(interfaces: readonly Interface[]): Set<string> {
  const carriers = new Set<string>();
  for (const item of interfaces) {
    if (item.kind === 'vlan' && item.link !== undefined)
      carriers.add(interfaceKey(item.link.namespace, item.link.name));
    const isPort = isSwitch(item) || item.master !== undefined || item.ovsBridge !== undefined;
    const isOpen = item.vlans === undefined && isPort;
    if (isOpen || (item.vlans !== undefined && item.vlans.trunks.length > 0)) carriers.add(keyOf(item));
  }
  return carriers;
}

type OnTop = Device & { readonly link: NonNullable<Device['link']> };

/** macvlan and ipvlan send the frames of the interface below. */
function sharesSegment(item: Interface): item is OnTop {
  return (
    (item.kind === 'macvlan' || item.kind === 'macvtap' || item.kind === 'ipvlan') && item.link !== undefined
  );
}

/** How messages call an interface, as the file does. */
export function nameOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}:${name}`;
}

function keyOf({ namespace, name }: Interface): string {
  return interfaceKey(namespace, name);
}
