import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runLane } from './lanes.ts';
import { type Options, readOptions, usage } from './options.ts';
import { emptyTally, printTally, writeTally } from './tally.ts';

// The long attack: argv is the folder of the built attack, and the options. See docs/reliability.md.

const root = process.cwd();
const [built = '', ...args] = process.argv.slice(2);
const print = (text: string) => process.stdout.write(text);
const work = mkdtempSync(join(tmpdir(), 'topoweave-long-'));

try {
  const options = readOptions(args);
  if (options === undefined) print(usage);
  else process.exitCode = await attack(options);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
  process.exitCode = 64;
} finally {
  rmSync(work, { recursive: true, force: true });
}

/** One lane for each engine, side by side: most of the time each waits for the kernel. */
async function attack(options: Options): Promise<number> {
  const began = Date.now();
  const until = began + options.minutes * 60_000;
  print(`seed ${options.seed}; ${options.minutes} minutes; engines ${options.engines.join(' and ')}\n`);
  const tally = emptyTally();
  const stopped = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => stopped.abort());
  const { signal } = stopped;
  await Promise.all(
    options.engines.map((engine, at) => {
      const seed = options.seed + at * 10_000_000;
      return runLane({ root, built, work, engine, options, tally, until, seed, signal, print });
    }),
  );
  const about = { minutes: (Date.now() - began) / 60_000, seed: options.seed };
  printTally(print, tally, about);
  if (options.write) writeTally(root, tally, about);
  return tally.findings.length === 0 ? 0 : 1;
}
