// npm run bench [-- --write]: measures topoweave against a hand-written script, against the bare calls of the kernel
// and against Mininet; prints the page, or writes it to docs/performance.md. Build first.
//   BENCH_ONLY=chain-100,linear-100,filter-elements  some cases only      BENCH_ROUNDS=7  more rounds than 5
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { findCandidates } from './candidates.mjs';
import { measureGrowth, selectGrowing } from './growth.mjs';
import { isInside, runInside } from './host.mjs';
import { describeMachine } from './machine.mjs';
import { page } from './page.mjs';
import { measureCase, measureStart } from './rounds.mjs';
import { settle } from './settle.mjs';
import { selectCases } from './shapes.mjs';

const LEAST_ROUNDS = 5;
const write = process.argv.includes('--write');
const only = process.env.BENCH_ONLY;
const rounds = Number(process.env.BENCH_ROUNDS ?? LEAST_ROUNDS);

process.exitCode = isInside() ? await main() : runInside();

async function main() {
  if (write && !(rounds >= LEAST_ROUNDS)) {
    say(`a page needs at least ${LEAST_ROUNDS} rounds`);
    return 64;
  }
  const folder = mkdtempSync(join(tmpdir(), 'topoweave-bench-'));
  try {
    const results = await measureAll(folder);
    if (write) writeFileSync(resolve('docs/performance.md'), page(results));
    else process.stdout.write(page(results));
    return results.cases.some(({ failures }) => failures.length > 0) ? 1 : 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureAll(folder) {
  const candidates = findCandidates();
  const cases = [];
  await settle();
  const start = measureStart(rounds, folder);
  const { chosen, rest, isAlone } = selectGrowing(only);
  for (const entry of isAlone ? [] : selectCases(rest)) {
    const began = performance.now();
    cases.push(await measureCase(entry, candidates, rounds, folder, say));
    say(`${entry.name}: ${((performance.now() - began) / 1000).toFixed(0)} s in all`);
  }
  const growth = [];
  for (const entry of chosen) growth.push(await measureGrowth(entry, rounds, folder, say));
  return { growth, command: commandLine(), machine: describeMachine(), rounds, candidates, cases, start };
}

function commandLine() {
  const variables = ['BENCH_ONLY', 'BENCH_ROUNDS'].filter((name) => process.env[name] !== undefined);
  const settings = variables.map((name) => `${name}=${process.env[name]} `).join('');
  return `${settings}npm run bench${write ? ' -- --write' : ''}`;
}

function say(text) {
  process.stderr.write(`${text}\n`);
}
