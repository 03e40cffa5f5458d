import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chaosRound } from './chaos.ts';
import { type Place, runProgram } from './command.ts';
import { compareHost, type Finding, type Host } from './judge.ts';
import { killerRound } from './killer.ts';
import { type AttackedLab, attackedLabs } from './labs.ts';
import { raceRound } from './race.ts';
import { randomOf } from './random.ts';
import {
  bringTo,
  prepareMachine,
  type Round,
  removeFolder,
  removeMachine,
  type Start,
  writeFiles,
} from './round.ts';

export type Attack = 'kill' | 'chaos' | 'race';

/** Rounds of one attack on one lab, in the throw-away host that this process is in. */
export interface Series {
  readonly root: string;
  readonly engine: string;
  readonly attack: Attack;
  readonly lab: string;
  /** Of the first round; each round adds one. */
  readonly seed: number;
  readonly rounds: number;
  /** When to begin no more rounds, as Date.now(). */
  readonly until?: number;
  /** Where the numbers of calls are kept from one series to the next. */
  readonly calls?: string;
}

/** What a round found, and how to do it again. */
export interface Report {
  readonly seed: number;
  readonly findings: readonly Finding[];
  readonly story: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
  readonly milliseconds: number;
}

const rounds = { kill: killerRound, chaos: chaosRound, race: raceRound } as const;

/**
 * Does the rounds and reports each; ends at the first one with a finding, because the host may not be as it was.
 *
 * @returns how many were done.
 */
export async function doRounds(series: Series, onReport: (report: Report) => void): Promise<number> {
  const lab = attackedLabs(series.root).find(({ name }) => name === series.lab);
  if (lab === undefined) throw new Error(`no lab ${series.lab}`);
  const place: Place = { ...series, folder: mkdtempSync(join(tmpdir(), 'topoweave-attack-')) };
  try {
    const before = await prepareMachine(place, lab);
    let done = 0;
    while (done < series.rounds && !(series.until !== undefined && Date.now() > series.until)) {
      const report = await doRound({ series, place, lab, before }, series.seed + done);
      done += 1;
      onReport(report);
      if (report.findings.length > 0) return done;
    }
    return done;
  } finally {
    await runProgram(place, ['destroy', '--all']);
    removeMachine(lab);
    removeFolder(place);
  }
}

interface Ground {
  readonly series: Series;
  readonly place: Place;
  readonly lab: AttackedLab;
  readonly before: Host;
}

async function doRound(ground: Ground, seed: number): Promise<Report> {
  const { series, place, lab, before } = ground;
  const counts: Record<string, number> = {};
  const story: string[] = [];
  const found: Finding[] = [];
  const began = Date.now();
  const round: Round = {
    ...{ place, lab, found, random: randomOf(seed), files: writeFiles(place, lab) },
    count: (what) => {
      counts[what] = (counts[what] ?? 0) + 1;
    },
    tell: (line) => story.push(line),
    callsOf: (start) => callsOf(ground, round, start),
  };
  await rounds[series.attack](round, before);
  return { seed, findings: found, story, counts, milliseconds: Date.now() - began };
}

/** The calls of an undisturbed run. They are counted in a host that is brought to the same state, which is not disturbed. */
async function callsOf(
  { series, place, before }: Ground,
  round: Round,
  start: Start,
): Promise<Readonly<Record<string, number>>> {
  const path = series.calls;
  const known: Record<string, Record<string, number>> = path !== undefined && existsSync(path)
    ? JSON.parse(readFileSync(path, 'utf8'))
    : memory;
  const key = `${series.engine} ${start.state} ${start.argv.join(' ')}`;
  const found = known[key];
  if (found !== undefined) return found;
  const { counts, code, stderr } = await runProgram(place, start.argv, { fault: { do: 'count' } });
  if (code !== 0) round.found.push({ wrong: 'not converged', text: `counting ${key}: ${code}\n${stderr}` });
  known[key] = counts;
  if (path !== undefined) writeFileSync(path, JSON.stringify(known));
  // Back to where the round was.
  await runProgram(place, ['destroy', '--all']);
  await compareHost(place, before);
  await bringTo({ ...round, tell: () => {} }, start.state);
  return counts;
}

const memory: Record<string, Record<string, number>> = {};
