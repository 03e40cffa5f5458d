import { type Graph, type GraphBuilder, graphBuilder } from './graph.ts';

/** The sizes that a shape takes, by the names of their options, with their least and greatest value. */
export interface ShapeSpec {
  readonly summary: string;
  readonly sizes: Readonly<
    Record<string, { readonly preset: number; readonly least: number; readonly most: number }>
  >;
  readonly build: (sizes: Readonly<Record<string, number>>) => Graph;
}

const nodes = (preset: number, least: number, most = 4096) => ({ nodes: { preset, least, most } });

/** Routed shapes: every node is a namespace, every line between two of them a veth pair. */
export const shapes: Readonly<Record<string, ShapeSpec>> = {
  linear: { summary: 'routers in a row', sizes: nodes(4, 2), build: linear },
  star: { summary: 'hosts around one router', sizes: nodes(4, 1, 4095), build: star },
  ring: { summary: 'routers in a circle', sizes: nodes(4, 3), build: ring },
  tree: {
    summary: 'routers that branch, with hosts as the leaves',
    sizes: { depth: { preset: 2, least: 1, most: 11 }, fanout: { preset: 2, least: 1, most: 4095 } },
    build: tree,
  },
  grid: { summary: 'routers in rows and columns', sizes: square(1), build: (sizes) => grid(sizes, false) },
  torus: {
    summary: 'a grid whose edges are joined',
    sizes: square(3),
    build: (sizes) => grid(sizes, true),
  },
  'fat-tree': {
    summary: 'k pods of k/2 edge and k/2 aggregation routers, (k/2)² core routers, k/2 hosts at each edge',
    sizes: { k: { preset: 4, least: 2, most: 22 } },
    build: fatTree,
  },
  'leaf-spine': {
    summary: 'leaf routers, each linked to each spine router, with hosts at the leaves',
    sizes: {
      leaves: { preset: 4, least: 1, most: 1024 },
      spines: { preset: 2, least: 1, most: 127 },
      hosts: { preset: 2, least: 0, most: 1024 },
    },
    build: leafSpine,
  },
  mesh: { summary: 'routers, each linked to each', sizes: nodes(4, 2, 128), build: mesh },
};

type Sizes = Readonly<Record<string, number>>;

function square(least: number): ShapeSpec['sizes'] {
  return { rows: { preset: 3, least, most: 2048 }, columns: { preset: 3, least, most: 2048 } };
}

function linear({ nodes: size = 0 }: Sizes): Graph {
  const builder = graphBuilder();
  row(builder, size);
  return builder.build();
}

function ring({ nodes: size = 0 }: Sizes): Graph {
  const builder = graphBuilder();
  const routers = row(builder, size);
  builder.link(routers[size - 1] ?? 0, routers[0] ?? 0);
  return builder.build({ hasCircles: true });
}

function row({ router, link }: GraphBuilder, size: number): number[] {
  const routers = Array.from({ length: size }, (_, index) => router(`r${index + 1}`));
  for (let i = 1; i < size; i += 1) link(i - 1, i);
  return routers;
}

function star({ nodes: size = 0 }: Sizes): Graph {
  const builder = graphBuilder();
  const hub = builder.router('hub');
  for (let i = 1; i <= size; i += 1) builder.host(`h${i}`, hub);
  return builder.build();
}

function mesh({ nodes: size = 0 }: Sizes): Graph {
  const builder = graphBuilder();
  for (let i = 0; i < size; i += 1) builder.router(`r${i + 1}`);
  for (let a = 0; a < size; a += 1) for (let b = a + 1; b < size; b += 1) builder.link(a, b);
  return builder.build({ hasCircles: size > 2 });
}

/** Each router before what is below it, so that a part of the tree has one range of addresses. */
function tree({ depth = 0, fanout = 0 }: Sizes): Graph {
  const builder = graphBuilder();
  let routers = 0;
  let hosts = 0;
  const grow = (level: number): number => {
    routers += 1;
    const root = builder.router(`r${routers}`);
    for (let i = 0; i < fanout; i += 1) {
      if (level === depth) {
        hosts += 1;
        builder.host(`h${hosts}`, root);
      } else {
        builder.link(root, grow(level + 1));
      }
    }
    return root;
  };
  grow(1);
  return builder.build();
}

/** The links between rows come first: packets go to the right row, then along it, and each row is one destination. */
function grid({ rows = 0, columns = 0 }: Sizes, isTorus: boolean): Graph {
  const builder = graphBuilder();
  const at = (y: number, x: number) => (y % rows) * columns + (x % columns);
  for (let y = 0; y < rows; y += 1) for (let x = 0; x < columns; x += 1) builder.router(`r${y + 1}-${x + 1}`);
  const reach = (size: number) => (isTorus ? size : size - 1);
  for (let y = 0; y < reach(rows); y += 1)
    for (let x = 0; x < columns; x += 1) builder.link(at(y, x), at(y + 1, x));
  for (let y = 0; y < rows; y += 1)
    for (let x = 0; x < reach(columns); x += 1) builder.link(at(y, x), at(y, x + 1));
  return builder.build({ hasCircles: rows > 1 && columns > 1 });
}

function fatTree({ k = 0 }: Sizes): Graph {
  const builder = graphBuilder();
  const half = k / 2;
  const core = Array.from({ length: half * half }, (_, index) => builder.router(`core${index + 1}`));
  let hosts = 0;
  for (let pod = 1; pod <= k; pod += 1) {
    const upper = Array.from({ length: half }, (_, index) => builder.router(`agg${pod}-${index + 1}`));
    upper.forEach((router, index) => {
      for (const above of core.slice(index * half, (index + 1) * half)) builder.link(above, router);
    });
    for (let i = 1; i <= half; i += 1) {
      const edge = builder.router(`edge${pod}-${i}`);
      for (const above of upper) builder.link(above, edge);
      for (let j = 0; j < half; j += 1) {
        hosts += 1;
        builder.host(`h${hosts}`, edge);
      }
    }
  }
  return builder.build({ isMultipath: true });
}

function leafSpine({ leaves = 0, spines = 0, hosts = 0 }: Sizes): Graph {
  const builder = graphBuilder();
  const above = Array.from({ length: spines }, (_, index) => builder.router(`spine${index + 1}`));
  let count = 0;
  for (let i = 1; i <= leaves; i += 1) {
    const leaf = builder.router(`leaf${i}`);
    for (const spine of above) builder.link(spine, leaf);
    for (let j = 0; j < hosts; j += 1) {
      count += 1;
      builder.host(`h${count}`, leaf);
    }
  }
  return builder.build({ isMultipath: true });
}
