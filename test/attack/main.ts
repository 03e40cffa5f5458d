import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { FuzzReport } from './fuzz/fuzz.ts';
import { attackedLabs } from './labs.ts';
import { type Options, type Part, readOptions, usage } from './options.ts';
import type { Report, Series } from './rounds.ts';
import { emptyTally, type Lane, printTally, type Tally, writeTally } from './tally.ts';

/** Rounds of one series: then another lab, or another attack, has its turn. */
const SERIES = 24;
const FUZZED = 400;

/** Milliseconds without a report, after which a series is given up. */
const PATIENCE = 600_000;

/** What a lane does in turn: the killer has the most to try. */
const turns: readonly Part[] = ['kill', 'chaos', 'kill', 'race', 'kill', 'fuzz'];

const root = process.cwd();
const here = process.argv[2] ?? '';
/** Inputs that failed: they are worth more than the run. */
const failed = join(tmpdir(), 'topoweave-fuzz-failed');
const work = mkdtempSync(join(tmpdir(), 'topoweave-long-'));
const running = new Set<ChildProcess>();
const print = (text: string) => process.stdout.write(text);

try {
  const options = readOptions(process.argv.slice(3));
  if (options === undefined) print(usage);
  else process.exitCode = await start(options);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
  process.exitCode = 64;
} finally {
  for (const child of running) child.kill('SIGKILL');
  rmSync(work, { recursive: true, force: true });
}

async function start(options: Options): Promise<number> {
  const began = Date.now();
  const until = began + options.minutes * 60_000;
  print(`seed ${options.seed}; ${options.minutes} minutes; engines ${options.engines.join(' and ')}\n`);
  const tally = emptyTally();
  const stopped = new AbortController();
  process.once('SIGINT', () => stopped.abort()).once('SIGTERM', () => stopped.abort());
  await Promise.all(
    options.engines.map((engine, at) =>
      lane({ engine, options, tally, until, signal: stopped.signal, seed: options.seed + at * 10_000_000 }),
    ),
  );
  const minutes = (Date.now() - began) / 60_000;
  printTally(print, tally, { minutes, seed: options.seed });
  if (options.write) writeTally(root, tally, { minutes, seed: options.seed });
  return tally.findings.length === 0 ? 0 : 1;
}

interface LaneOptions {
  readonly engine: string;
  readonly options: Options;
  readonly tally: Tally;
  readonly until: number;
  readonly seed: number;
  readonly signal: AbortSignal;
}

/** One engine, one series after the other. */
async function lane({ engine, options, tally, until, seed, signal }: LaneOptions): Promise<void> {
  const order = turns.filter((part) => options.parts.includes(part));
  const labs = options.labs ?? attackedLabs(root).map(({ name }) => name);
  let next = seed;
  for (let turn = 0; Date.now() < until && !signal.aborted; turn += 1) {
    const part = order[turn % order.length] ?? 'kill';
    // Each lab has each of the turns.
    const lab = labs[(turn + Math.floor(turn / order.length)) % labs.length] ?? '';
    const rounds = options.rounds ?? (part === 'fuzz' ? FUZZED : SERIES);
    const one: Lane = { engine, part, lab: part === 'fuzz' ? '' : lab };
    next +=
      part === 'fuzz'
        ? await fuzzSeries({ one, tally, seed: next, inputs: rounds })
        : await attackSeries(
            {
              root,
              engine,
              attack: part,
              lab,
              seed: next,
              rounds,
              until,
              calls: join(work, `${engine}-${lab}`),
            },
            one,
            tally,
          );
    if (options.rounds !== undefined) return;
  }
}

/** In a throw-away host of its own. Gives how many seeds were used. */
async function attackSeries(series: Series, one: Lane, tally: Tally): Promise<number> {
  let used = 0;
  while (used < series.rounds && Date.now() < (series.until ?? Number.POSITIVE_INFINITY)) {
    const rest = { ...series, seed: series.seed + used, rounds: series.rounds - used };
    const argv = [
      'dist/topoweave.js',
      'sandbox',
      '--',
      process.execPath,
      join(here, 'worker.mjs'),
      JSON.stringify(rest),
    ];
    const reports = await collect<Report>(argv, (report) => {
      tally.add(one, report);
      for (const finding of report.findings) printFinding(one, report.seed, finding);
      if (report.findings.length > 0) print(report.story.map((line) => `    ${line}\n`).join(''));
    });
    if (reports === 0) return Math.max(used, 1);
    used += reports;
  }
  return used;
}

async function fuzzSeries(options: {
  readonly one: Lane;
  readonly tally: Tally;
  readonly seed: number;
  readonly inputs: number;
}): Promise<number> {
  const { one, tally, seed, inputs } = options;
  const folder = join(failed, one.engine);
  const words = JSON.stringify({ root, seed, inputs, folder });
  const argv = ['--max-old-space-size=1024', join(here, 'fuzz.mjs'), words];
  const report = (found: FuzzReport) => {
    tally.addFuzz(one, found);
    for (const { wrong, text, input, seed: at } of found.findings)
      printFinding(one, at, { wrong, text: `${text}\n  input: ${input}` });
  };
  if ((await collect(argv, report)) > 0) return inputs;
  // It ran out of memory, or into a loop: what it was at is in a file.
  const input = join(folder, `ended-${seed}.yaml`);
  copyFileSync(join(folder, 'current.yaml'), input);
  const text = 'the process of the fuzzers did not end by itself';
  report({ counts: {}, findings: [{ wrong: 'hangs', text, seed, input }] });
  return inputs;
}

function printFinding(
  { engine, part, lab }: Lane,
  seed: number,
  finding: { wrong: string; text: string },
): void {
  const again =
    part === 'fuzz' ? `--only fuzz --engine ${engine}` : `--only ${part} --engine ${engine} --lab ${lab}`;
  print(
    `\nFOUND ${finding.wrong}: ${finding.text}\n  again: npm run test:long -- ${again} --seed ${seed} --rounds 1\n`,
  );
}

/** Runs a child that reports by lines of JSON; gives how many reports there were. */
async function collect<T>(argv: readonly string[], onReport: (report: T) => void): Promise<number> {
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'], cwd: root });
  running.add(child);
  // A series of rounds reports each; fuzzers report at their end, within a minute.
  const watch = () => setTimeout(() => child.kill('SIGKILL'), PATIENCE);
  let late = watch();
  let reports = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    clearTimeout(late);
    late = watch();
    if (!line.startsWith('{')) continue;
    const { report, broken } = JSON.parse(line) as { report?: T; broken?: string };
    if (broken !== undefined) print(`\nthe attack itself is broken: ${broken}\n`);
    if (report === undefined) continue;
    reports += 1;
    onReport(report);
  }
  clearTimeout(late);
  running.delete(child);
  return reports;
}
