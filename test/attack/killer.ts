import { spawnSync } from 'node:child_process';
import { type Fault, type Outcome, runProgram } from './command.ts';
import { compareHost, differences, type Host, judgeMessage, judgeRun, readHost } from './judge.ts';
import {
  attacked,
  bringTo,
  lockIsFree,
  mustBeGivenBack,
  mustConverge,
  mustSucceed,
  type Round,
  type Start,
} from './round.ts';

/**
 * One round of the killer: a change of the machine is killed, stopped, or meets errors of the system at one of its calls.
 * Afterwards a plain apply converges, and destroy gives everything back.
 */
export async function killerRound(round: Round, before: Host): Promise<void> {
  const { random, files } = round;
  const start = random.pick(startsOf(round));
  if (!(await bringTo(round, start.state))) return;
  const [command, file = ''] = start.argv;
  await attack(round, start, before);
  if (command === 'apply' && random.chance(0.75)) {
    await mustConverge(round, random.chance(0.8) ? file : random.pick(files));
    if (random.chance(0.08)) await mustSucceed(round, 'check', file);
    // And again, on the way back.
    if (random.chance(0.4)) await attack(round, destroyOf(round), before);
  }
  await mustBeGivenBack(round, before);
}

function destroyOf({ lab }: Round): Start {
  return { state: 'first', argv: ['destroy', lab.name] };
}

function startsOf({ files, lab }: Round): Start[] {
  const [first, second] = files;
  return [
    { state: 'nothing', argv: ['apply', first] },
    { state: 'nothing', argv: ['apply', second] },
    { state: 'first', argv: ['apply', second] },
    { state: 'second', argv: ['apply', first] },
    { state: 'first', argv: ['destroy', lab.name] },
    { state: 'second', argv: ['destroy', lab.name] },
  ];
}

type Kind =
  | 'KILL'
  | 'TERM'
  | 'INT'
  | 'INT twice'
  | 'HUP'
  | 'PIPE'
  | 'terminal'
  | 'error'
  | 'few files'
  | 'full'
  | '/dev/full';

const kinds: readonly Kind[] = [
  ...(['KILL', 'KILL', 'KILL', 'TERM', 'INT', 'INT twice', 'HUP', 'PIPE', 'terminal'] as const),
  ...(['error', 'error', 'error', 'error', 'few files', 'full', '/dev/full'] as const),
];

/** Exit codes that tell the truth: errors of the system may end a run with a message, what only listens may not. */
const codes: Readonly<Record<Kind, readonly number[]>> = {
  KILL: [0],
  TERM: [0, 143],
  INT: [0, 130],
  'INT twice': [0, 130],
  HUP: [0],
  PIPE: [0],
  terminal: [0],
  error: [0, 1, 65, 69],
  'few files': [0, 1, 65, 69],
  full: [0, 1, 69],
  // The change is made, and what it came to could not be said.
  '/dev/full': [1],
};

async function attack(round: Round, start: Start, before: Host): Promise<void> {
  const kind = round.random.pick(kinds);
  round.count(kind);
  const host = readHost(round.place);
  const outcome = await attackBy(kind, round, start);
  if (
    !outcome.isHung &&
    isDeathByRight(kind, outcome, () => differences(host, readHost(round.place)).length === 0)
  )
    return;
  const isCertain = kind in withoutSeam;
  round.found.push(...judgeRun(outcome, outcome.fired.length === 0 && !isCertain ? [0] : codes[kind]));
  if (kind === 'error') round.count(`error: ${outcome.fired[0] ?? 'not reached'}`);
  if (kind === 'error' || kind === 'few files' || kind === 'full') round.found.push(...judgeMessage(outcome));
  if (outcome.code === 0 || kind === '/dev/full') await mustBeTrue(round, start, before);
}

/** A shell reports TERM and INT as 143 and 130 either way; a run that hung up before it changed anything may end. */
function isDeathByRight(kind: Kind, { code, signal }: Outcome, isUntouched: () => boolean): boolean {
  if (code !== null) return false;
  if (kind === 'terminal' || kind === 'HUP') return isUntouched();
  return signal === `SIG${kind.replace(' twice', '')}`;
}

async function attackBy(kind: Kind, round: Round, start: Start): Promise<Outcome> {
  const other = withoutSeam[kind];
  if (other !== undefined) return other(round, start);
  const fault = kind === 'error' ? await errorAt(round, start) : await deedAt(round, start, kind);
  return attacked(round, start.argv, fault);
}

/** Attacks by what the machine lacks. */
const withoutSeam: Readonly<Partial<Record<Kind, (round: Round, start: Start) => Promise<Outcome>>>> = {
  'few files': withFewFiles,
  full: withFullRun,
  '/dev/full': withFullOutput,
};

/** Exit code 0 says that all is done. */
async function mustBeTrue(round: Round, { argv }: Start, before: Host): Promise<void> {
  const [command, file = ''] = argv;
  const isDestroy = command === 'destroy';
  const wrong = isDestroy
    ? await compareHost(round.place, before)
    : judgeRun(await runProgram(round.place, ['plan', '--detailed-exitcode', file]), [0]);
  for (const { text } of wrong)
    round.found.push({
      wrong: 'exit code',
      text: `topoweave ${argv.join(' ')}: 0, but it is not done: ${text}`,
    });
}

/** Half of the moments are one of all calls; half are of one name, so that rare calls get their share. */
async function momentOf(round: Round, start: Start): Promise<Pick<Fault, 'at' | 'call' | 'when'>> {
  const counts = await round.callsOf(start);
  const own = Object.entries(counts).filter(([name]) => !name.startsWith('thread:'));
  const when = round.random.chance(0.5) ? 'before' : 'after';
  if (round.random.chance(0.5)) {
    const total = own.reduce((sum, [, count]) => sum + count, 0);
    return { at: 1 + round.random.below(total), when };
  }
  const [call, count] = round.random.pick(Object.entries(counts));
  return { call, at: 1 + round.random.below(count), when: call === 'thread' ? 'before' : when };
}

async function deedAt(round: Round, start: Start, kind: Kind): Promise<Fault> {
  const moment = await momentOf(round, start);
  if (kind === 'PIPE') return { do: 'reader', ...moment };
  if (kind === 'terminal') return { do: 'terminal', ...moment };
  if (kind === 'INT twice') {
    const [first = 1] = [moment.at ?? 1].flat();
    const at = [first, first + 1 + round.random.below(20)];
    return { do: 'signal', signal: 'SIGINT', group: true, ...moment, at };
  }
  // Ctrl-C and a terminal that hangs up reach the whole group.
  return { do: 'signal', signal: `SIG${kind}`, group: kind === 'INT' || kind === 'HUP', ...moment };
}

/** What each call may fail with, by the manual pages and the kernel. */
const errnos: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^fs\.(promises\.)?(exists|access|close|stat|lstat|fstat|mkdtemp)/, []],
  [/^fs\..*open/, ['EMFILE', 'ENFILE', 'EACCES', 'EIO', 'ENOSPC', 'ENOMEM', 'EPERM']],
  [/^fs\..*(write|append)/, ['ENOSPC', 'EIO', 'EACCES']],
  [/^fs\..*fsync/, ['EIO', 'ENOSPC']],
  [/^fs\..*(rename|link|mkdir)/, ['ENOSPC', 'EIO', 'EACCES', 'EPERM']],
  [/^fs\..*(unlink|rmdir|rm)/, ['EIO', 'EACCES', 'EPERM', 'EBUSY']],
  [/^fs\..*(read)/, ['EIO', 'EACCES', 'EMFILE', 'ENOMEM']],
  [/^koffi\.(close|flock)/, []],
  [/koffi\.setns/, ['EPERM', 'ENOMEM']],
  [/koffi\.unshare/, ['ENOSPC', 'EPERM', 'ENOMEM']],
  [/koffi\.mount/, ['EPERM', 'ENOMEM', 'ENOSPC']],
  [/koffi\.umount2/, ['EBUSY', 'EPERM']],
  [/koffi\.socket/, ['EMFILE', 'ENFILE', 'ENOBUFS', 'EPERM', 'ENOMEM']],
  [/koffi\.setsockopt/, ['ENOBUFS', 'EPERM']],
  [/koffi\.send/, ['ENOBUFS', 'ENOMEM', 'EINTR', 'EAGAIN']],
  [/koffi\.recv/, ['ENOBUFS', 'EINTR', 'ENOMEM']],
  [/koffi\.nft_run/, ['ENOBUFS', 'ENOMEM', 'EPERM', 'EMFILE', 'EBUSY']],
  [/koffi\./, ['EPERM', 'ENOMEM', 'EIO']],
  [/^spawn|^thread$/, ['EAGAIN', 'ENOMEM', 'EMFILE']],
];

async function errorAt(round: Round, start: Start): Promise<Fault> {
  const counts = Object.entries(await round.callsOf(start)).filter(([name]) => errnosOf(name).length > 0);
  const [call, count] = round.random.pick(counts);
  const errno = round.random.pick(errnosOf(call));
  round.count(errno);
  return { do: 'error', errno, call, at: 1 + round.random.below(count) };
}

function errnosOf(call: string): readonly string[] {
  return errnos.find(([pattern]) => pattern.test(call))?.[1] ?? [];
}

/** Real ones: libraries meet them, too. */
async function withFewFiles(round: Round, start: Start): Promise<Outcome> {
  const limit = 18 + round.random.below(40);
  const outcome = await runProgram(round.place, start.argv, { before: ['prlimit', `--nofile=${limit}`] });
  round.tell(
    `prlimit --nofile=${limit} topoweave ${start.argv.join(' ')}  # ${outcome.code ?? outcome.signal}`,
  );
  await lockIsFree(round);
  return outcome;
}

async function withFullOutput(round: Round, { argv }: Start): Promise<Outcome> {
  const outcome = await runProgram(round.place, argv, { output: '/dev/full' });
  round.tell(`topoweave ${argv.join(' ')} >/dev/full 2>&1  # ${outcome.code ?? outcome.signal}`);
  return outcome;
}

/** /run has room for so many pages more. */
async function withFullRun(round: Round, start: Start): Promise<Outcome> {
  const pages = round.random.pick([0, 0, 1, 2, 3, 5, 8]);
  const { stdout } = spawnSync('df', ['--output=used', '--block-size=4096', '/run'], { encoding: 'utf8' });
  const used = Number(stdout.split('\n')[1]);
  const remount = (size: string) => spawnSync('mount', ['-o', `remount,size=${size}`, '/run']).status;
  remount(String((used + pages) * 4096));
  const outcome = await runProgram(round.place, start.argv);
  const room = `mount -o remount,size=$((${used + pages}*4096)) /run; `;
  round.tell(
    `${room}topoweave ${start.argv.join(' ')}; mount -o remount,size=50% /run  # ${outcome.code ?? outcome.signal}`,
  );
  remount('50%');
  await lockIsFree(round);
  return outcome;
}
