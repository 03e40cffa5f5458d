// The labs that are measured, as data. Each candidate makes what it needs from the same description:
//   namespaces: name → { forwarding, routes: [[destination, next hop]] }
//   bridges:    name → { namespace, addresses, stp }
//   links:      [end, end], an end being { namespace, name, addresses, bridge }

const shapes = {
  chain: ({ size }) => chain(size),
  star: ({ size }) => star(size),
  tree: ({ size }) => tree(size),
  'fat-tree': ({ size }) => fatTree(size),
  linear: ({ size }) => linear(size),
  torus: ({ size }) => torus(size),
};

/** `without` names candidates that would take too long; `mininet` marks the shapes that Mininet has as well. */
const cases = [
  { shape: 'chain', size: 10, says: '10 routers in a row, 9 links' },
  { shape: 'chain', size: 100, says: '100 routers in a row, 99 links' },
  { shape: 'chain', size: 1000, says: '1,000 routers in a row, 999 links' },
  { shape: 'chain', size: 4000, says: '4,000 routers in a row, 3,999 links', without: ['ip'] },
  { shape: 'star', size: 100, says: '100 hosts on one bridge' },
  { shape: 'star', size: 1000, says: '1,000 hosts on one bridge' },
  { shape: 'tree', size: 10, says: 'a bridge, 10 bridges below it, 10 hosts on each of them', mininet: true },
  { shape: 'fat-tree', size: 4, says: '20 bridges, 16 hosts, 48 links', mininet: true },
  { shape: 'fat-tree', size: 6, says: '45 bridges, 54 hosts, 162 links', mininet: true },
  { shape: 'linear', size: 100, says: '100 bridges in a row, a host on each, 199 links', mininet: true },
  { shape: 'torus', size: 10, says: '10 × 10 routers, each with 6 neighbours, 300 links' },
];

/** The cases of a run, with their names; `only` (`chain-10,linear-100`) selects some. */
export function selectCases(only) {
  const all = cases.map((entry) => ({ ...entry, name: `${entry.shape}-${entry.size}` }));
  if (only === undefined || only === '') return all;
  return only.split(',').map((name) => selectCase(all, name));
}

/** A chain or a star may have any size; the others have the one of the list. */
function selectCase(all, name) {
  const found = all.find((entry) => entry.name === name);
  if (found !== undefined) return found;
  const [, shape, digits] = /^(chain|star)-(\d+)$/.exec(name) ?? [];
  if (shape === undefined) throw new Error(`no such case: ${name} (${all.map((entry) => entry.name)})`);
  return { shape, size: Number(digits), name, says: shape, without: Number(digits) > 2000 ? ['ip'] : [] };
}

export function describe(entry) {
  return { name: entry.name, ...shapes[entry.shape](entry) };
}

// --- routers ---

/** N routers in a row; the default route of each leads to the one before it. */
function chain(size) {
  const link = (i, host) => `10.${(i >> 14) & 255}.${(i >> 6) & 255}.${(i & 63) * 4 + host}`;
  const namespaces = {};
  const links = [];
  for (let i = 0; i < size; i += 1) {
    namespaces[`r${i}`] = router(i === 0 ? link(0, 2) : link(i - 1, 1));
    if (i + 1 === size) break;
    links.push([end(`r${i}`, 'right', `${link(i, 1)}/30`), end(`r${i + 1}`, 'left', `${link(i, 2)}/30`)]);
  }
  return { namespaces, bridges: {}, links };
}

/** A square of routers whose edges are joined, with one diagonal for each router: three links for each. */
function torus(size) {
  const name = (x, y) => `r${x % size}-${y % size}`;
  const directions = [
    ['east', 'west', 1, 0],
    ['south', 'north', 0, 1],
    ['southeast', 'northwest', 1, 1],
  ];
  const namespaces = {};
  const links = [];
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) {
      for (const [near, far, dx, dy] of directions) {
        const base = `10.1.${links.length >> 6}.`;
        const host = (links.length & 63) * 4;
        if (near === 'east') namespaces[name(x, y)] = router(`${base}${host + 2}`);
        links.push([
          end(name(x, y), near, `${base}${host + 1}/30`),
          end(name(x + dx, y + dy), far, `${base}${host + 2}/30`),
        ]);
      }
    }
  }
  return { namespaces, bridges: {}, links };
}

// --- bridges and hosts ---

/** One namespace with a bridge, and N hosts on it. */
function star(size) {
  const namespaces = { hub: plain() };
  const bridges = { lan: { namespace: 'hub', addresses: ['10.0.0.1/16'], stp: false } };
  const links = [];
  for (let i = 0; i < size; i += 1) {
    namespaces[`h${i}`] = { forwarding: false, routes: [['default', '10.0.0.1']] };
    links.push([
      end(`h${i}`, 'eth0', `10.0.${(i + 2) >> 8}.${(i + 2) & 255}/16`),
      { ...end('hub', `h${i}`), bridge: 'lan' },
    ]);
  }
  return { namespaces, bridges, links };
}

/** Mininet's `tree,2,N`: two levels of switches, N hosts on each of the lower ones. */
function tree(fanout) {
  const lab = switches();
  const root = lab.bridge();
  for (let i = 0; i < fanout; i += 1) {
    const below = lab.bridge();
    lab.trunk(root, below);
    for (let j = 0; j < fanout; j += 1) lab.host(below);
  }
  return lab.description;
}

/** Mininet's `linear,N`: N switches in a row, a host on each. */
function linear(size) {
  const lab = switches();
  let last;
  for (let i = 0; i < size; i += 1) {
    const next = lab.bridge();
    lab.host(next);
    if (last !== undefined) lab.trunk(last, next);
    last = next;
  }
  return lab.description;
}

/** k pods of k/2 edge and k/2 aggregation switches, (k/2)² core switches, k/2 hosts on each edge switch. */
function fatTree(k) {
  // There are loops: without the spanning tree protocol one frame would circle for ever and cost CPU time.
  const lab = switches({ stp: true });
  const half = k / 2;
  const core = Array.from({ length: half * half }, () => lab.bridge());
  for (let pod = 0; pod < k; pod += 1) {
    const aggregation = Array.from({ length: half }, () => lab.bridge());
    aggregation.forEach((bridge, row) => {
      for (let i = 0; i < half; i += 1) lab.trunk(core[row * half + i], bridge);
    });
    for (let i = 0; i < half; i += 1) {
      const edge = lab.bridge();
      for (const bridge of aggregation) lab.trunk(bridge, edge);
      for (let j = 0; j < half; j += 1) lab.host(edge);
    }
  }
  return lab.description;
}

/** Bridges s1, s2 … in the one namespace `net`, hosts h1, h2 … on them: the names that Mininet uses. */
function switches({ stp = false } = {}) {
  const description = { namespaces: { net: plain() }, bridges: {}, links: [] };
  const { namespaces, bridges, links } = description;
  let hosts = 0;
  return {
    description,
    bridge() {
      const name = `s${Object.keys(bridges).length + 1}`;
      bridges[name] = { namespace: 'net', addresses: [], stp };
      return name;
    },
    trunk(a, b) {
      links.push([
        { ...end('net', `${a}-${b}`), bridge: a },
        { ...end('net', `${b}-${a}`), bridge: b },
      ]);
    },
    host(bridge) {
      hosts += 1;
      const name = `h${hosts}`;
      namespaces[name] = plain();
      links.push([
        end(name, 'eth0', `10.0.${hosts >> 8}.${hosts & 255}/16`),
        { ...end('net', `${bridge}-${name}`), bridge },
      ]);
    },
  };
}

// --- parts ---

function router(gateway) {
  return { forwarding: true, routes: [['default', gateway]] };
}

function plain() {
  return { forwarding: false, routes: [] };
}

function end(namespace, name, ...addresses) {
  return { namespace, name, addresses, bridge: undefined };
}
