import { copyFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { collect } from './collect.ts';
import type { FuzzReport } from './fuzz/fuzz.ts';
import { attackedLabs } from './labs.ts';
import type { Options, Part } from './options.ts';
import type { Report, Series } from './rounds.ts';
import { againLine, type Lane, type Tally } from './tally.ts';

export interface LaneOptions {
  readonly root: string;
  /** Where the built attack is. */
  readonly built: string;
  /** For files of the run. */
  readonly work: string;
  readonly engine: string;
  readonly options: Options;
  readonly tally: Tally;
  readonly until: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly print: (text: string) => void;
}

/** Rounds of one series: then another lab, or another attack, has its turn. */
const SERIES = 16;
const FUZZED = 400;

/** What a lane does in turn: the killer has the most to try. */
const turns: readonly Part[] = ['kill', 'chaos', 'kill', 'race', 'kill', 'fuzz'];

/** Where inputs that failed are kept: they are worth more than the run. */
const failed = join(tmpdir(), 'topoweave-fuzz-failed');

/** After so many in a row that came to nothing, there is no point in going on. */
const MOST_BROKEN = 3;

/** One engine, one series after the other. */
export async function runLane(own: LaneOptions): Promise<void> {
  const { engine, options, until, signal } = own;
  const order = turns.filter((part) => options.parts.includes(part));
  const labs = options.labs ?? attackedLabs(own.root).map(({ name }) => name);
  let next = own.seed;
  let broken = 0;
  for (let turn = 0; Date.now() < until && !signal.aborted && broken < MOST_BROKEN; turn += 1) {
    const part = order[turn % order.length] ?? 'kill';
    // Each lab has each of the turns.
    const lab = labs[(turn + Math.floor(turn / order.length)) % labs.length] ?? '';
    const rounds = options.rounds ?? (part === 'fuzz' ? FUZZED : SERIES);
    const used =
      part === 'fuzz'
        ? await fuzzSeries(own, { engine, part, lab: '' }, { seed: next, inputs: rounds })
        : await attackSeries(own, { engine, attack: part, lab, seed: next, rounds });
    broken = used === 0 ? broken + 1 : 0;
    next += rounds;
    if (options.rounds !== undefined) return;
  }
}

/** In throw-away hosts of its own: a new one behind each finding. Gives how many rounds there were. */
async function attackSeries(own: LaneOptions, series: Omit<Series, 'root' | 'until'>): Promise<number> {
  const { root, built, work, tally, until, signal, print } = own;
  const { engine, attack, lab } = series;
  const lane: Lane = { engine, part: attack, lab };
  let used = 0;
  while (used < series.rounds && Date.now() < until && !signal.aborted) {
    const seed = series.seed + used;
    const calls = join(work, `${engine}-${lab}`);
    const rest: Series = { ...series, root, until, calls, seed, rounds: series.rounds - used };
    const words = [process.execPath, join(built, 'worker.mjs'), JSON.stringify(rest)];
    const onReport = (report: Report) => {
      tally.add(lane, report);
      if (report.findings.length === 0) return;
      for (const finding of report.findings) tellFinding(own, lane, report.seed, finding);
      print(report.story.map((line) => `    ${line}\n`).join(''));
    };
    const argv = ['dist/topoweave.js', 'sandbox', '--', ...words];
    const { reports, broken } = await collect<Report>(argv, { signal, onReport });
    if (signal.aborted) return used;
    if (broken !== undefined) {
      tally.addBroken(lane, seed + reports, broken);
      tellFinding(own, lane, seed + reports, { wrong: 'attack broken', text: broken });
      return used;
    }
    used += reports;
  }
  return used;
}

async function fuzzSeries(
  own: LaneOptions,
  lane: Lane,
  { seed, inputs }: { readonly seed: number; readonly inputs: number },
): Promise<number> {
  const folder = join(failed, lane.engine);
  const words = JSON.stringify({ root: own.root, seed, inputs, folder });
  const argv = ['--max-old-space-size=1024', join(own.built, 'fuzz.mjs'), words];
  const onReport = (found: FuzzReport) => {
    own.tally.addFuzz(lane, found);
    for (const { wrong, text, input, seed: at } of found.findings)
      tellFinding(own, lane, at, { wrong, text: `${text}\n  input: ${input}` });
  };
  const { reports } = await collect<FuzzReport>(argv, { signal: own.signal, onReport });
  if (reports > 0 || own.signal.aborted) return inputs;
  // It ran out of memory, or into a loop: what it was at is in a file.
  const input = join(folder, `ended-${seed}.yaml`);
  copyFileSync(join(folder, 'current.yaml'), input);
  const text = 'the process of the fuzzers did not end by itself';
  onReport({ counts: {}, findings: [{ wrong: 'hangs', text, seed, input }] });
  return inputs;
}

function tellFinding(
  { print }: LaneOptions,
  lane: Lane,
  seed: number,
  { wrong, text }: { readonly wrong: string; readonly text: string },
): void {
  print(`\nFOUND ${wrong}: ${text}\n  again: ${againLine(lane, seed)}\n`);
}
