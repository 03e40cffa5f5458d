import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Fault, type Outcome, type Place, runProgram } from './command.ts';
import { compareHost, type Finding, type Host, judgeRun, readHost } from './judge.ts';
import type { AttackedLab } from './labs.ts';
import type { Random } from './random.ts';

/** What a round of one of the attacks gets. */
export interface Round {
  readonly place: Place;
  readonly lab: AttackedLab;
  readonly random: Random;
  /** The paths of the lab's two files. */
  readonly files: readonly [string, string];
  /** Counts what was done, by its name, for the report. */
  readonly count: (what: string) => void;
  /** Says what is done, so that a finding can be done again by hand. */
  readonly tell: (line: string) => void;
  readonly found: Finding[];
  /** How often the program calls what in an undisturbed run. */
  readonly callsOf: (start: Start) => Promise<Readonly<Record<string, number>>>;
}

/** A command and the state that it is started in. */
export interface Start {
  readonly state: 'nothing' | 'first' | 'second';
  readonly argv: readonly string[];
}

/** The exit codes that are always right for a command that was not attacked. */
const DONE = [0];

/** Runs a command that must succeed; gives whether it did. */
export async function mustSucceed(round: Round, ...argv: string[]): Promise<boolean> {
  const outcome = await runProgram(round.place, argv);
  const wrong = judgeRun(outcome, DONE);
  round.tell(`topoweave ${argv.join(' ')}  # ${outcome.code}`);
  round.found.push(
    ...wrong.map((one) => (one.wrong === 'exit code' ? ({ ...one, wrong: 'not converged' } as const) : one)),
  );
  return wrong.length === 0;
}

/** Brings the host into a state, undisturbed. */
export async function bringTo(round: Round, state: Start['state']): Promise<boolean> {
  if (state === 'nothing') return true;
  return mustSucceed(round, 'apply', round.files[state === 'first' ? 0 : 1]);
}

/** The promise: a plain apply converges, and there is nothing left to do. */
export async function mustConverge(round: Round, file: string): Promise<void> {
  if (!(await mustSucceed(round, 'apply', file))) return;
  await mustSucceed(round, 'plan', '--detailed-exitcode', file);
}

/** The promise: a plain destroy gives everything back. */
export async function mustBeGivenBack(round: Round, before: Host): Promise<void> {
  if (!(await mustSucceed(round, 'destroy', round.lab.name))) return;
  round.found.push(...(await compareHost(round.place, before)));
}

/** Whoever was killed may have left children that end what they have begun: whoever comes next waits for the lock. */
export async function lockIsFree(round: Round): Promise<void> {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; ) {
    const { status } = spawnSync('flock', ['--nonblock', '/run/topoweave/lock', 'true'], { stdio: 'ignore' });
    // 66: there is no such folder yet.
    if (status === 0 || status === 66) return;
    await setTimeout(20);
  }
  round.found.push({ wrong: 'hangs', text: 'the lock is held 30 s after the run has ended' });
}

export function faultText(fault: Fault): string {
  return `TOPOWEAVE_FAULT='${JSON.stringify(fault)}'`;
}

/** Runs a command under attack. */
export async function attacked(round: Round, argv: readonly string[], fault: Fault): Promise<Outcome> {
  const outcome = await runProgram(round.place, argv, { fault });
  round.count(outcome.fired.length === 0 ? 'moment not reached' : 'moment reached');
  const fired = outcome.fired.length === 0 ? 'not reached' : outcome.fired.join(', ');
  round.tell(
    `${faultText(fault)} topoweave ${argv.join(' ')}  # ${fired}; ${outcome.code ?? outcome.signal}`,
  );
  await lockIsFree(round);
  return outcome;
}

/** Makes the machine that a lab is applied to, once for each host. */
export async function prepareMachine(place: Place, lab: AttackedLab): Promise<Host> {
  mkdirSync(join(place.folder, 'tmp'), { recursive: true });
  mkdirSync('/run/topoweave', { recursive: true, mode: 0o700 });
  ip(lab.machine);
  // Duplicate address detection, and the kernel's first routes, settle.
  let before = readHost(place);
  for (let left = 40; left > 0; left -= 1) {
    await setTimeout(lab.machine.length === 0 ? 50 : 700);
    const again = readHost(place);
    const isCalm = [...again].every(([what, text]) => before.get(what) === text);
    before = again;
    if (isCalm && !/tentative/.test(again.get('network') ?? '')) break;
  }
  return before;
}

/** Takes it away again, and what a round that found something has left. */
export function removeMachine({ machine, outside }: AttackedLab): void {
  if (machine.length === 0) return;
  const links = ['up0', 'card1'].map((name) => `link del ${name}`);
  const more = [
    'route flush table 77',
    'rule del priority 1077',
    ...outside.map((name) => `netns del ${name}`),
  ];
  for (const line of [...links, ...more]) spawnSync('ip', line.split(' '), { stdio: 'ignore' });
}

function ip(lines: readonly string[]): void {
  for (const line of lines) {
    const { status, stderr } = spawnSync('ip', line.split(' '), { encoding: 'utf8' });
    if (status !== 0) throw new Error(`ip ${line}: ${stderr}`);
  }
}

/** Writes the lab's files where the program is run. */
export function writeFiles(place: Place, lab: AttackedLab): [string, string] {
  const names = [`${lab.name}.yaml`, `${lab.name}-changed.yaml`] as const;
  lab.files.forEach((text, at) => {
    writeFileSync(join(place.folder, names[at] ?? ''), text);
  });
  return [...names];
}

export function removeFolder(place: Place): void {
  rmSync(place.folder, { recursive: true, force: true });
}
