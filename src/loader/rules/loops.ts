import type { Interface, OvsBridge, Topology } from '../../topology/model.ts';
import { interfaceKey } from '../normalize/context.ts';
import type { Network } from '../normalize/network.ts';
import type { Report } from '../normalize/problem.ts';
import { isTunnel } from '../normalize/underlay.ts';
import type { Subject } from './rules.ts';
import { findTags, insideNode, insideOvs, isSpare, type Switch, type Tag, wireNode } from './tags.ts';

interface Edge {
  readonly to: string;
  /** Both directions of one link have the same number. */
  readonly link: number;
}

/** Bridges and tunnels as nodes, what joins them as edges. */
type Graph = ReadonlyMap<string, readonly Edge[]>;

/**
 * Frames circle for ever in a loop of bridges unless one of them runs the spanning tree protocol. Bridges with it are
 * left out of the graph: what then still is a loop has none. One loop is shown for each connected part.
 */
export function checkLoops({ topology, network }: Subject, report: Report): void {
  const bridges = new Map<string, Switch>();
  for (const item of topology.interfaces) {
    if (item.kind === 'bridge' && !item.parameters.stp) bridges.set(keyOf(item), item);
    if (isOvs(item) && !item.stp && !item.rstp) bridges.set(keyOf(item), item);
  }
  if (bridges.size === 0) return;
  const said = new Set<string>();
  const { graph, owners } = createGraph(topology, bridges, network);
  for (const cycle of findCycles(graph)) {
    const loop = [...new Set(cycle.flatMap((node) => owners.get(node) ?? []))];
    const [first] = loop;
    if (first === undefined) continue;
    const names = loop.map(({ name }) => name).sort();
    // The same bridges may form a loop in each of their VLANs.
    const text = names.join(' ');
    if (said.has(text)) continue;
    said.add(text);
    const form = loop.length === 1 ? 'forms a loop with itself' : 'form a loop';
    const none = loop.length === 1 ? 'does not have' : loop.length === 2 ? 'neither has' : 'none has';
    report({
      severity: 'warning',
      code: 'bridge-loop',
      message: `${joinNames(names)} ${form} and ${none} stp: true`,
      place: first.place,
      help: loop.every(isOvs)
        ? 'set rstp: true at the bridges, or take one link out'
        : 'set stp: true under parameters of the bridges, or take one link out',
    });
  }
}

/** A node is a VLAN of a bridge, or a whole bridge that does not filter; `owners` says of which bridge. */
function createGraph(
  topology: Topology,
  bridges: ReadonlyMap<string, Switch>,
  network: Network,
): { graph: Graph; owners: ReadonlyMap<string, Switch> } {
  const graph = new Map<string, Edge[]>();
  const owners = new Map<string, Switch>();
  let links = 0;
  const connect = (a: string, b: string) => {
    links += 1;
    edgesOf(graph, a).push({ to: b, link: links });
    edgesOf(graph, b).push({ to: a, link: links });
  };
  const owned = (bridge: Switch | undefined, node: string | undefined) => {
    if (bridge !== undefined && node !== undefined) owners.set(node, bridge);
    return node;
  };
  const { all, switchesOf } = findTags(topology);
  const nodeOf = (item: Interface, bridge: Switch | undefined, tag: Tag | undefined) =>
    owned(bridge, bridge && insideNode(item, bridge, tag));
  const portOf = (item: Interface) =>
    switchesOf(item).filter((bridge) => bridges.has(keyOf(bridge)) && !isSpare(item, bridge));
  const isFiltering = [...bridges.values()].some((bridge) => isOvs(bridge) || bridge.vlans !== undefined);
  // Bridges that do not filter pass tagged frames as all others: one graph tells of all.
  const tags = isFiltering ? [undefined, ...all] : [undefined];
  for (const item of topology.interfaces) {
    const [bridge, second] = portOf(item);
    if (bridge === undefined) continue;
    const peer = item.kind === 'veth' ? network.interfaceOf(item.peer.namespace, item.peer.name) : undefined;
    const [far] = peer !== undefined && keyOf(item) < keyOf(peer) ? portOf(peer) : [];
    for (const tag of tags) {
      if (isOvs(item)) connectPatches(item, tag);
      const node = nodeOf(item, bridge, tag);
      if (node === undefined) continue;
      if (isTunnel(item)) connect(node, wireNode({ namespace: '', name: item.name }, tag));
      const others = [nodeOf(item, second, tag), peer && nodeOf(peer, far, tag)];
      for (const other of others) if (other !== undefined) connect(node, other);
    }
  }
  return { graph, owners };

  function connectPatches(bridge: OvsBridge, tag: Tag | undefined): void {
    for (const { vlan, form } of bridge.ports) {
      // Each patch has a port in both bridges: it is one edge.
      if (form.is !== 'patch' || form.bridge < bridge.name) continue;
      const other = bridges.get(interfaceKey(bridge.namespace, form.bridge));
      const end =
        other !== undefined && isOvs(other) ? other.ports.find(({ name }) => name === form.peer) : undefined;
      if (other === undefined || !isOvs(other) || end === undefined) continue;
      const [near, far] = [insideOvs(bridge, vlan, tag), insideOvs(other, end.vlan, tag)];
      if (near === undefined || far === undefined) continue;
      owners.set(near, bridge).set(far, other);
      connect(near, far);
    }
  }
}

/** Depth first: an edge back to a node on the way closes a circle. */
function findCycles(graph: Graph): string[][] {
  const cycles: string[][] = [];
  const visited = new Set<string>();
  for (const start of [...graph.keys()].sort()) {
    if (visited.has(start)) continue;
    const cycle = searchPart(graph, start, visited);
    if (cycle !== undefined) cycles.push(cycle);
  }
  return cycles;
}

function searchPart(graph: Graph, start: string, visited: Set<string>): string[] | undefined {
  let cycle: string[] | undefined;
  const way: { node: string; link: number; next: number }[] = [{ node: start, link: 0, next: 0 }];
  const depth = new Map([[start, 0]]);
  visited.add(start);
  for (let top = way.at(-1); top !== undefined; top = way.at(-1)) {
    const edge = graph.get(top.node)?.[top.next];
    top.next += 1;
    if (edge === undefined) {
      depth.delete(top.node);
      way.pop();
      continue;
    }
    if (edge.link === top.link) continue;
    const closes = depth.get(edge.to);
    if (closes !== undefined) cycle ??= way.slice(closes).map(({ node }) => node);
    if (visited.has(edge.to)) continue;
    visited.add(edge.to);
    depth.set(edge.to, way.length);
    way.push({ node: edge.to, link: edge.link, next: 0 });
  }
  return cycle;
}

function edgesOf(graph: Map<string, Edge[]>, node: string): Edge[] {
  const edges = graph.get(node) ?? [];
  graph.set(node, edges);
  return edges;
}

function isOvs(item: Interface): item is OvsBridge {
  return item.kind === 'ovs-bridge';
}

function keyOf({ namespace, name }: Interface): string {
  return interfaceKey(namespace, name);
}

/** `a, b and c` */
function joinNames(names: readonly string[]): string {
  if (names.length < 2) return names.join('');
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
