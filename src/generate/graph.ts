/** A node of a shape. Hosts have one link and forward nothing. */
export interface GraphNode {
  readonly name: string;
  readonly isHost: boolean;
}

/** A shape: nodes in their order, and links between two of them. */
export interface Graph {
  readonly nodes: readonly GraphNode[];
  /** Pairs of indexes; of equally short paths, that over the link that comes first is taken. */
  readonly links: readonly (readonly [number, number])[];
  /** Packets are spread over all shortest paths, instead of the first one. */
  readonly isMultipath: boolean;
  /** There may be several ways, so that an answer may come back on another one. */
  readonly hasCircles: boolean;
}

export interface GraphBuilder {
  readonly router: (name: string) => number;
  readonly host: (name: string, at: number) => number;
  readonly link: (a: number, b: number) => void;
  readonly build: (kind?: { readonly isMultipath?: boolean; readonly hasCircles?: boolean }) => Graph;
}

export function graphBuilder(): GraphBuilder {
  const nodes: GraphNode[] = [];
  const links: [number, number][] = [];
  const node = (name: string, isHost: boolean) => nodes.push({ name, isHost }) - 1;
  return {
    router: (name) => node(name, false),
    host: (name, at) => {
      const index = node(name, true);
      links.push([at, index]);
      return index;
    },
    link: (a, b) => {
      links.push([a, b]);
    },
    build: ({ isMultipath = false, hasCircles = isMultipath } = {}) => ({
      nodes,
      links,
      isMultipath,
      hasCircles,
    }),
  };
}

/** The neighbours of each node, in the order of the links. */
export function neighborsOf({ nodes, links }: Graph): number[][] {
  const neighbors: number[][] = nodes.map(() => []);
  for (const [a, b] of links) {
    neighbors[a]?.push(b);
    neighbors[b]?.push(a);
  }
  return neighbors;
}

/** How many links away each node is; -1: it cannot be reached. */
export function distancesFrom(start: number, neighbors: readonly (readonly number[])[]): Int32Array {
  const distances = new Int32Array(neighbors.length).fill(-1);
  distances[start] = 0;
  const queue = [start];
  for (let at = 0; at < queue.length; at += 1) {
    const node = queue[at] ?? 0;
    for (const next of neighbors[node] ?? []) {
      if (distances[next] !== -1) continue;
      distances[next] = (distances[node] ?? 0) + 1;
      queue.push(next);
    }
  }
  return distances;
}
