// Published ports: how the time grows with their number, beside a plan that changes nothing and one that changes one port.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cli } from './candidates.mjs';
import { measure } from './measure.mjs';
import { settle } from './settle.mjs';

const NAME = 'published-ports';
const sizes = [100, 1000, 5000];

/** Whether a run's BENCH_ONLY leaves the case in, and the rest of it for the other cases. */
export function selectPublish(only) {
  if (only === undefined || only === '') return { isWanted: true, rest: only };
  const names = only.split(',');
  const rest = names.filter((name) => name !== NAME);
  return { isWanted: rest.length < names.length, rest: rest.join(','), isAlone: rest.length === 0 };
}

/** → [{ size, rounds: [{ create, plan, change, destroy }] }] */
export async function measurePublish(rounds, folder, say) {
  const samples = [];
  for (const size of sizes) {
    const file = join(folder, `${NAME}-${size}.yaml`);
    const changed = join(folder, `${NAME}-${size}-changed.yaml`);
    writeFileSync(file, topology(size, 'web'));
    writeFileSync(changed, topology(size, 'db'));
    const results = [];
    for (let round = 0; round < rounds; round += 1) {
      results.push({
        create: run('apply', file),
        plan: run('plan', '--detailed-exitcode', file),
        change: run('apply', changed),
        destroy: run('destroy', file),
      });
      say(`${NAME}-${size} ${round + 1}/${rounds}: create ${results.at(-1).create.wall.toFixed(3)}`);
      await settle();
    }
    samples.push({ size, rounds: results });
  }
  return samples;
}

function run(...args) {
  return measure([process.execPath, cli, ...args], { TOPOWEAVE_ENGINE: 'netlink', CI: '1' });
}

/** A router that publishes ports of two machines behind it; `target` gets the last one. */
function topology(size, target) {
  const ports = Array.from(
    { length: size },
    (_, at) => `"${10000 + at}:${at === size - 1 ? target : 'web'}:${20000 + at}"`,
  );
  return `name: ${NAME}
namespaces:
  gw: { forwarding: [ipv4], nat: { publish: [${ports.join(', ')}] } }
  web: { routes: { default: 10.0.0.1 } }
  db: { routes: { default: 10.0.0.1 } }
bridges:
  lan: { namespace: gw, addresses: 10.0.0.1/24, ports: { web:eth0: 10.0.0.2/24, db:eth0: 10.0.0.3/24 } }
`;
}
