import { prefixesOf } from './addresses.ts';
import { distancesFrom, type Graph, neighborsOf } from './graph.ts';

/** A route of a node: where to, and over which neighbours. */
export interface PlannedRoute {
  readonly to: string;
  readonly over: readonly number[];
}

/**
 * Shortest paths from each node to each, as few routes as possible: the neighbours that most nodes are behind get the
 * default route, and nodes that follow one another and have the same way become one prefix.
 */
export function planRoutes(graph: Graph): PlannedRoute[][] {
  const neighbors = neighborsOf(graph);
  const ways = waysOf(graph, neighbors);
  return graph.nodes.map((_, node) => routesOf(node, ways[node] ?? [], neighbors[node] ?? []));
}

/** For each node, by destination, what it is sent over: one value for one set of neighbours. */
type Ways = (readonly number[] | undefined)[];

/** A host is where its router is; so only those of routers are looked for, which saves most of the time. */
function waysOf({ nodes, isMultipath }: Graph, neighbors: readonly (readonly number[])[]): Ways[] {
  const ways = nodes.map((): Ways => new Array(nodes.length).fill(undefined));
  const sets = new Map<string, readonly number[]>();
  const shared = (over: readonly number[]) => {
    const id = over.join();
    const known = sets.get(id) ?? over;
    sets.set(id, known);
    return known;
  };
  const isEnd = (node: number) => neighbors[node]?.length === 1;
  for (const destination of nodes.keys()) {
    if (nodes[destination]?.isHost) continue;
    const distances = distancesFrom(destination, neighbors);
    const hosts = (neighbors[destination] ?? []).filter((next) => nodes[next]?.isHost);
    for (const node of nodes.keys()) {
      // Whatever is at an end of the graph sends all to its one neighbour.
      if (node === destination || isEnd(node)) continue;
      const nearer = (next: number) => (distances[next] ?? 0) < (distances[node] ?? 0);
      const all = isMultipath
        ? (neighbors[node] ?? []).filter(nearer)
        : [(neighbors[node] ?? []).find(nearer) ?? 0];
      const over = shared(all);
      const own = ways[node] ?? [];
      own[destination] = over;
      for (const host of hosts) own[host] = over;
    }
    for (const host of hosts) (ways[destination] ?? [])[host] = shared([host]);
  }
  return ways;
}

function routesOf(node: number, ways: Ways, neighbors: readonly number[]): PlannedRoute[] {
  if (neighbors.length === 1) return [{ to: 'default', over: neighbors }];
  const counts = new Map<readonly number[], number>();
  for (const over of ways) if (over !== undefined) counts.set(over, (counts.get(over) ?? 0) + 1);
  const [main] = [...counts].sort(([, a], [, b]) => b - a)[0] ?? [];
  if (main === undefined) return [];
  const routes: PlannedRoute[] = [{ to: 'default', over: main }];
  for (let first = 0; first < ways.length; first += 1) {
    const over = ways[first];
    if (over === undefined || over === main) continue;
    let last = first;
    // The node itself may be in a prefix of others: its own addresses are more exact.
    while (
      last + 1 < ways.length &&
      (ways[last + 1] === over || (last + 1 === node && ways[last + 2] === over))
    )
      last += 1;
    for (const to of prefixesOf(first, last)) routes.push({ to, over });
    first = last;
  }
  return routes;
}
