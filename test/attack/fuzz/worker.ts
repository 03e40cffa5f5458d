import { mkdirSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fuzz } from './fuzz.ts';
import { readLives } from './lives.ts';

/** One run of the fuzzers in a process of its own, which may run out of memory or into a loop. */
interface Order {
  readonly root: string;
  readonly seed: number;
  readonly inputs: number;
  /** Where the input that is being tried is, and those that failed. */
  readonly folder: string;
}

const { root, seed, inputs, folder } = JSON.parse(process.argv[2] ?? '{}') as Order;
mkdirSync(folder, { recursive: true });
const current = join(folder, 'current.yaml');
const report = await fuzz({
  ...{ root, seed, inputs },
  lives: readLives(root),
  onInput: (input) => writeFileSync(current, input),
});
const findings = report.findings.map((finding, at) => {
  const path = join(folder, `${finding.seed}-${at}.yaml`);
  writeFileSync(path, finding.input);
  return { ...finding, input: path };
});
writeSync(1, `${JSON.stringify({ report: { ...report, findings } })}\n`);
