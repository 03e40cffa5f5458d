import { type Bridge, bridgeOf, type Interface, type OvsBridge } from '../../topology/model.ts';
import { interfaceKey } from '../normalize/context.ts';
import type { Network } from '../normalize/network.ts';
import type { Report } from '../normalize/problem.ts';
import { isTunnel } from '../normalize/underlay.ts';
import type { Subject } from './rules.ts';

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
  const bridges = new Map<string, Bridge | OvsBridge>();
  for (const item of topology.interfaces) {
    if (item.kind === 'bridge' && !item.parameters.stp) bridges.set(keyOf(item), item);
    if (isOvs(item) && !item.stp && !item.rstp) bridges.set(keyOf(item), item);
  }
  for (const cycle of findCycles(createGraph(topology.interfaces, bridges, network))) {
    const loop = cycle.flatMap((node) => bridges.get(node) ?? []);
    const [first] = loop;
    if (first === undefined) continue;
    const names = loop.map(({ name }) => name).sort();
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

function createGraph(
  interfaces: readonly Interface[],
  bridges: ReadonlyMap<string, Bridge | OvsBridge>,
  network: Network,
): Graph {
  const graph = new Map<string, Edge[]>();
  let links = 0;
  const connect = (a: string, b: string) => {
    links += 1;
    edgesOf(graph, a).push({ to: b, link: links });
    edgesOf(graph, b).push({ to: a, link: links });
  };
  for (const { namespace, name, ports } of [...bridges.values()].filter(isOvs)) {
    for (const { form } of ports) {
      if (form.is !== 'patch' || form.bridge < name) continue;
      const other = interfaceKey(namespace, form.bridge);
      if (bridges.has(other)) connect(interfaceKey(namespace, name), other);
    }
  }
  for (const item of interfaces) {
    const bridge = masterKey(item);
    if (bridge === undefined || !bridges.has(bridge)) continue;
    if (isTunnel(item)) connect(bridge, interfaceKey('', item.name));
    if (item.kind !== 'veth') continue;
    const peer = network.interfaceOf(item.peer.namespace, item.peer.name);
    const other = peer && masterKey(peer);
    if (peer === undefined || other === undefined || !bridges.has(other)) continue;
    if (keyOf(item) < keyOf(peer)) connect(bridge, other);
  }
  return graph;
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

function masterKey(item: Interface): string | undefined {
  const bridge = bridgeOf(item);
  return bridge === undefined ? undefined : interfaceKey(item.namespace, bridge);
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
