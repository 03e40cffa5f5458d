import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { isGone } from './processes.ts';

/** What the seam does in a run; see fault.cjs. */
export interface Fault {
  readonly do: 'count' | 'signal' | 'error' | 'run' | 'reader' | 'terminal';
  readonly at?: number | readonly number[];
  readonly call?: string;
  readonly when?: 'before' | 'after';
  readonly signal?: string;
  readonly group?: boolean;
  readonly errno?: string;
  readonly run?: string;
}

/** Where the program runs: the attack's throw-away host, and a folder for its files. */
export interface Place {
  readonly root: string;
  readonly folder: string;
  readonly engine: string;
}

export interface Outcome {
  readonly argv: readonly string[];
  /** null: ended by a signal. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly isHung: boolean;
  /** The calls at which the seam has done something. */
  readonly fired: readonly string[];
  /** Of each call, how many: only of a run that ended by itself. */
  readonly counts: Readonly<Record<string, number>>;
}

interface RunOptions {
  readonly fault?: Fault;
  /** Program and arguments in front of ours, such as prlimit(1). */
  readonly before?: readonly string[];
  /** A file for standard output and error, such as /dev/full. */
  readonly output?: string;
}

/** Milliseconds after which a run hangs. */
const PATIENCE = 60_000;

let runs = 0;

/** Runs the built program once. */
export async function runProgram(
  place: Place,
  argv: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  runs += 1;
  const log = join(place.folder, `fault-${runs}.log`);
  const words = [...(options.before ?? []), process.execPath, ...seam(place, options.fault), program(place)];
  const output = outputOf(options.fault);
  try {
    return await output(place, { argv, words, log, options });
  } finally {
    rmSync(log, { force: true });
  }
}

interface Start {
  readonly argv: readonly string[];
  readonly words: readonly string[];
  readonly log: string;
  readonly options: RunOptions;
}

function seam({ root }: Place, fault: Fault | undefined): string[] {
  return fault === undefined ? [] : ['--require', join(root, 'test/attack/fault.cjs')];
}

function program({ root }: Place): string {
  return resolve(root, 'dist/topoweave.js');
}

function outputOf(fault: Fault | undefined): (place: Place, start: Start) => Promise<Outcome> {
  if (fault?.do === 'reader') return intoPipe;
  if (fault?.do === 'terminal') return atTerminal;
  return collected;
}

function environment(place: Place, { log, options }: Start, more: object = {}): NodeJS.ProcessEnv {
  const fault =
    options.fault === undefined
      ? {}
      : { TOPOWEAVE_FAULT: JSON.stringify({ ...options.fault, ...more, log }) };
  return { ...process.env, TOPOWEAVE_ENGINE: place.engine, TMPDIR: join(place.folder, 'tmp'), ...fault };
}

/** In a session of its own: a signal to its group reaches the program and not the attack. */
async function collected(place: Place, start: Start): Promise<Outcome> {
  const { argv, words, options } = start;
  const output = options.output === undefined ? undefined : openSync(options.output, 'w');
  const child = spawn(words[0] ?? '', [...words.slice(1), ...argv], {
    cwd: place.folder,
    detached: true,
    env: environment(place, start),
    stdio: ['ignore', output ?? 'pipe', output ?? 'pipe'],
  });
  if (output !== undefined) closeSync(output);
  const texts = [collect(child.stdout), collect(child.stderr)];
  const end = await ended(child);
  // A service that got hold of our output must not keep us waiting.
  child.stdout?.destroy();
  child.stderr?.destroy();
  return { argv, ...end, stdout: texts[0]?.() ?? '', stderr: texts[1]?.() ?? '', ...readLog(start.log) };
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  const parts: Buffer[] = [];
  stream?.on('data', (part: Buffer) => parts.push(part));
  return () => Buffer.concat(parts).toString('utf8');
}

async function ended(child: ChildProcess): Promise<Pick<Outcome, 'code' | 'signal' | 'isHung'>> {
  const closed = new Promise<void>((done) => child.once('close', () => done()));
  const exit = new Promise<readonly [number | null, string | null]>((done) =>
    child.once('exit', (code, signal) => done([code, signal])),
  );
  const late = new AbortController();
  const first = await Promise.race([exit, setTimeout(PATIENCE, undefined, { signal: late.signal })]);
  if (first === undefined) child.kill('SIGKILL');
  late.abort();
  const [code, signal] = await exit;
  await Promise.race([closed, setTimeout(500)]);
  return { code, signal, isHung: first === undefined };
}

/** Both streams into a pipe whose reader the seam kills. */
async function intoPipe(place: Place, start: Start): Promise<Outcome> {
  const fifo = `${start.log}.fifo`;
  execFileSync('mkfifo', [fifo]);
  const reader = spawn('cat', [fifo], { stdio: 'ignore' });
  const fd = openSync(fifo, 'w');
  const child = spawn(start.words[0] ?? '', [...start.words.slice(1), ...start.argv], {
    cwd: place.folder,
    detached: true,
    env: environment(place, start, { reader: reader.pid }),
    stdio: ['ignore', fd, fd],
  });
  closeSync(fd);
  const end = await ended(child);
  reader.kill('SIGKILL');
  rmSync(fifo);
  return { argv: start.argv, ...end, stdout: '', stderr: '', ...readLog(start.log) };
}

/** At a terminal of script(1), which the seam kills: then the kernel hangs up. */
async function atTerminal(place: Place, start: Start): Promise<Outcome> {
  const line = [...start.words, ...start.argv].map(quote).join(' ');
  const child = spawn('script', ['--quiet', '--return', '--command', `exec ${line}`, '/dev/null'], {
    cwd: place.folder,
    detached: true,
    env: environment(place, start),
    stdio: ['ignore', 'ignore', 'ignore'],
  });
  const end = await ended(child);
  const log = readLog(start.log);
  const isLate = !(await goneSoon(log.pid));
  if (isLate && log.pid !== undefined) process.kill(log.pid, 'SIGKILL');
  const after = readLog(start.log);
  // Whose terminal is gone has nobody who could see its exit code, but the seam.
  const code = after.fired.length === 0 ? end.code : (after.exit ?? null);
  const signal = code === null ? 'unknown' : null;
  return {
    argv: start.argv,
    stdout: '',
    stderr: '',
    code,
    signal,
    isHung: end.isHung || isLate,
    ...pick(after),
  };
}

async function goneSoon(pid: number | undefined): Promise<boolean> {
  if (pid === undefined) return true;
  for (const deadline = Date.now() + PATIENCE; Date.now() < deadline; ) {
    if (isGone(pid)) return true;
    await setTimeout(10);
  }
  return false;
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

interface Log extends Pick<Outcome, 'fired' | 'counts'> {
  readonly pid: number | undefined;
  readonly exit: number | undefined;
}

interface LogEntry {
  readonly pid?: number;
  readonly fired?: string;
  readonly thread?: string;
  readonly exit?: number;
  readonly counts?: Readonly<Record<string, number>>;
}

function readLog(path: string): Log {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const entries = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LogEntry);
  const counts: Record<string, number> = {};
  for (const entry of entries) {
    Object.assign(counts, entry.counts);
    if (entry.thread !== undefined) counts[entry.thread] = (counts[entry.thread] ?? 0) + 1;
  }
  return {
    pid: entries.find(({ pid }) => pid !== undefined)?.pid,
    exit: entries.find(({ exit }) => exit !== undefined)?.exit,
    fired: entries.flatMap(({ fired }) => fired ?? []),
    counts,
  };
}

function pick({ fired, counts }: Log): Pick<Outcome, 'fired' | 'counts'> {
  return { fired, counts };
}
