// Measures: cases in rounds, and the start of the program.
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { cli, prepare } from './candidates.mjs';
import { measure } from './measure.mjs';
import { settle, sweep } from './settle.mjs';
import { describe } from './shapes.mjs';
import { verify } from './verify.mjs';

/**
 * All candidates in each round, in another order each time, so that none always comes after the same one. A candidate
 * that fails is left out from then on; `failures` says so. → { samples: candidate → rounds → operation, failures }.
 */
export async function measureCase(entry, candidates, rounds, folder, say) {
  const description = describe(entry);
  const samples = {};
  const failures = [];
  const files = {};
  const attempt = async (candidate, work) => {
    try {
      return await work();
    } catch (error) {
      failures.push({ case: entry.name, candidate: candidate.title, message: error.message });
      say(`${entry.name}: ${candidate.title} failed: ${error.message}`);
      delete samples[candidate.key];
      await sweep();
    }
  };
  const broken = (candidate) => failures.some(({ candidate: title }) => title === candidate.title);

  for (const candidate of candidates.filter(({ takes }) => takes(entry))) {
    samples[candidate.key] = [];
    files[candidate.key] = await attempt(candidate, () => prepare(candidate, description, folder));
  }
  for (let round = 0; round < rounds; round += 1) {
    const now = candidates.filter((candidate) => candidate.key in files && !broken(candidate));
    for (const candidate of rotate(now, round)) {
      const result = await attempt(candidate, () =>
        candidate.run(files[candidate.key], () => round === 0 && verify(description)),
      );
      if (result === undefined) continue;
      samples[candidate.key].push(result);
      say(`${entry.name} ${round + 1}/${rounds} ${candidate.title}: ${brief(result)}`);
      await settle();
    }
  }
  return { entry, samples, failures };
}

/** The start of the program: many short runs, so more rounds. → program → rounds. */
export function measureStart(rounds, folder) {
  const empty = join(folder, 'empty.mjs');
  writeFileSync(empty, '');
  const programs = {
    'an empty node process': [empty],
    '--version': [cli, '--version'],
    'validate office.yaml': [cli, 'validate', resolve('topologies/office.yaml')],
  };
  const samples = Object.fromEntries(Object.keys(programs).map((name) => [name, []]));
  for (let round = 0; round < rounds * 3; round += 1)
    for (const [name, argv] of Object.entries(programs))
      samples[name].push(measure([process.execPath, ...argv]));
  return samples;
}

function rotate(list, by) {
  const start = list.length === 0 ? 0 : by % list.length;
  return [...list.slice(start), ...list.slice(0, start)];
}

function brief(result) {
  return Object.entries(result)
    .map(([operation, { wall }]) => `${operation} ${wall.toFixed(3)}`)
    .join(', ');
}
