import type { Bridge, Interface, Topology } from '../../topology/model.ts';
import { interfaceKey } from '../normalize/context.ts';
import type { Network } from '../normalize/network.ts';
import type { Report } from '../normalize/problem.ts';
import { isTunnel } from '../normalize/underlay.ts';
import type { Subject } from './rules.ts';
import { findTags, insideNode, type Tag, wireNode } from './tags.ts';

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
  const bridges = new Map<string, Bridge>();
  for (const item of topology.interfaces) {
    if (item.kind === 'bridge' && !item.parameters.stp) bridges.set(keyOf(item), item);
  }
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
      help: 'set stp: true under parameters of the bridges, or take one link out',
    });
  }
}

/** A node is a VLAN of a bridge, or a whole bridge that does not filter; `owners` says of which bridge. */
function createGraph(
  topology: Topology,
  bridges: ReadonlyMap<string, Bridge>,
  network: Network,
): { graph: Graph; owners: ReadonlyMap<string, Bridge> } {
  const graph = new Map<string, Edge[]>();
  const owners = new Map<string, Bridge>();
  let links = 0;
  const connect = (a: string, b: string) => {
    links += 1;
    edgesOf(graph, a).push({ to: b, link: links });
    edgesOf(graph, b).push({ to: a, link: links });
  };
  const nodeOf = (item: Interface, tag?: Tag) => {
    const bridge = bridges.get(masterKey(item) ?? '');
    const node = bridge && insideNode(item, bridge, tag);
    if (bridge !== undefined && node !== undefined) owners.set(node, bridge);
    return node;
  };
  const isFiltering = [...bridges.values()].some(({ vlans }) => vlans !== undefined);
  // Bridges that do not filter pass tagged frames as all others: one graph tells of all.
  const tags = isFiltering ? [undefined, ...findTags(topology).all] : [undefined];
  for (const item of topology.interfaces) {
    if (!bridges.has(masterKey(item) ?? '')) continue;
    const peer = item.kind === 'veth' ? network.interfaceOf(item.peer.namespace, item.peer.name) : undefined;
    for (const tag of tags) {
      const node = nodeOf(item, tag);
      if (node === undefined) continue;
      if (isTunnel(item)) connect(node, wireNode({ namespace: '', name: item.name }, tag));
      const other = peer && nodeOf(peer, tag);
      if (peer !== undefined && other !== undefined && keyOf(item) < keyOf(peer)) connect(node, other);
    }
  }
  return { graph, owners };
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

function masterKey({ namespace, master }: Interface): string | undefined {
  return master === undefined ? undefined : interfaceKey(namespace, master);
}

function keyOf({ namespace, name }: Interface): string {
  return interfaceKey(namespace, name);
}

/** `a, b and c` */
function joinNames(names: readonly string[]): string {
  if (names.length < 2) return names.join('');
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
