// How the time grows with the number of equal things in one namespace: a plan that makes them all, one that changes
// nothing, one that changes one of them, and one that takes them away.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cli } from './candidates.mjs';
import { measure } from './measure.mjs';
import { settle } from './settle.mjs';

const lan = `bridges:
  lan: { namespace: gw, addresses: 10.0.0.1/24, ports: { web:eth0: 10.0.0.2/24, db:eth0: 10.0.0.3/24 } }
`;

/** `topology(size, isChanged)` gives the text of a file; in a changed one, one of the things is another. */
const growing = [
  {
    name: 'published-ports',
    title: 'Published ports',
    what: 'One router publishes ports of a machine behind it',
    things: 'ports',
    changed: 'one other target',
    sizes: [100, 1000, 5000],
    topology: (size, isChanged) => {
      const target = (at) => (isChanged && at === size - 1 ? 'db' : 'web');
      const ports = list(size, (at) => `"${10000 + at}:${target(at)}:${20000 + at}"`);
      return `name: published-ports
namespaces:
  gw: { forwarding: [ipv4], nat: { publish: [${ports}] } }
  web: { routes: { default: 10.0.0.1 } }
  db: { routes: { default: 10.0.0.1 } }
${lan}`;
    },
  },
  {
    name: 'filter-elements',
    title: 'Packet filter',
    what: 'One router accepts what comes from the addresses of a set',
    things: 'addresses',
    changed: 'one other address',
    sizes: [100, 1000, 10000],
    topology: (size, isChanged) => {
      const last = (at) => (isChanged && at === size - 1 ? '192.168.0.1' : `10.1.${at >> 8}.${at & 255}`);
      return `name: filter-elements
namespaces:
  gw:
    forwarding: true
    firewall:
      sets: { friends: [${list(size, last)}] }
      forward: { policy: drop, rules: [{ from: "@friends", action: accept }] }
  web:
  db:
${lan}`;
    },
  },
];

function list(size, item) {
  return Array.from({ length: size }, (_, at) => item(at)).join(', ');
}

/** The cases that a run's BENCH_ONLY leaves in, and the rest of it for the other cases. */
export function selectGrowing(only) {
  if (only === undefined || only === '') return { chosen: growing, rest: only, isAlone: false };
  const names = only.split(',');
  const rest = names.filter((name) => !growing.some((entry) => entry.name === name));
  const chosen = growing.filter(({ name }) => names.includes(name));
  return { chosen, rest: rest.join(','), isAlone: rest.length === 0 };
}

/** → { title, what, things, changed, samples: [{ size, rounds: [{ create, plan, change, destroy }] }] } */
export async function measureGrowth({ name, sizes, topology, ...words }, rounds, folder, say) {
  const samples = [];
  for (const size of sizes) {
    const file = join(folder, `${name}-${size}.yaml`);
    const changed = join(folder, `${name}-${size}-changed.yaml`);
    writeFileSync(file, topology(size, false));
    writeFileSync(changed, topology(size, true));
    const results = [];
    for (let round = 0; round < rounds; round += 1) {
      results.push({
        create: run('apply', file),
        plan: run('plan', '--detailed-exitcode', file),
        change: run('apply', changed),
        destroy: run('destroy', file),
      });
      say(`${name}-${size} ${round + 1}/${rounds}: create ${results.at(-1).create.wall.toFixed(3)}`);
      await settle();
    }
    samples.push({ size, rounds: results });
  }
  return { ...words, samples };
}

function run(...args) {
  return measure([process.execPath, cli, ...args], { TOPOWEAVE_ENGINE: 'netlink', CI: '1' });
}
