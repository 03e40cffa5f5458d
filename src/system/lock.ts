import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { TopoweaveError, UnavailableError } from '../lib/errors.ts';
import { errnoOf } from '../lib/system-error.ts';
import { recordFolder } from './record.ts';
import { countProcesses, searchPath } from './run.ts';

/** The exit code that flock(1) is told to have when another process has the lock. */
const HELD = 75;

/** The open file of the lock, while this process holds it. */
let held: number | undefined;

/**
 * For the last place in `stdio` of a child that changes the machine. It has the lock, too, so that whoever comes after a
 * killed run waits until its children have ended what they have begun. Not for one that stays: it would keep the lock.
 */
export function inheritedLock(): readonly number[] {
  return held === undefined ? [] : [held];
}

/** The file of a lock, and who else holds it then: one for all changes of the machine, one for the tables of `explain`. */
const holders = {
  lock: 'another topoweave is changing this machine',
  'explain.lock': 'another topoweave explain is running on this machine',
} as const;

/**
 * Holds one of the machine's locks while `work` runs, so that two runs never interleave; the kernel frees it even if
 * topoweave is killed. Node has no flock(2): the caller brings it, or flock(1) locks the open file for this process.
 */
export async function withLock<T>(
  work: () => Promise<T>,
  lock?: (fd: number) => boolean,
  name: keyof typeof holders = 'lock',
): Promise<T> {
  const path = join(recordFolder(), name);
  const refuse = (code: number): never => fail(code, path, holders[name]);
  const fd = openLock(path);
  try {
    if (lock === undefined) await lockByProgram(fd, refuse);
    else if (!lock(fd)) refuse(HELD);
    held = fd;
    return await work();
  } finally {
    held = undefined;
    closeSync(fd);
  }
}

/** A FIFO is not waited for, and no link followed: the lock is a file, or there is none. */
function openLock(path: string): number {
  const { O_CREAT, O_WRONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  let fd: number;
  try {
    fd = openSync(path, O_CREAT | O_WRONLY | O_NOFOLLOW | O_NONBLOCK, 0o600);
  } catch (error) {
    // A directory, a link, a FIFO that nobody reads (open(2)).
    const code = errnoOf(error) ?? '';
    if (['EISDIR', 'ELOOP', 'ENXIO'].includes(code)) throw notALock(path);
    if (code !== 'EROFS') throw error;
    // On a device that can only be read there may be the file of an earlier run, which does as well.
    fd = openSync(path, constants.O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  }
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw notALock(path);
}

function notALock(path: string): TopoweaveError {
  return new TopoweaveError('lock', `${path} is not a file, so it cannot be locked`, {
    hint: `look at it and remove it: rm -r ${path}`,
  });
}

/** The lock belongs to the open file, which the child shares with this process, and not to the child (flock(2)). */
async function lockByProgram(fd: number, refuse: (exitCode: number) => never): Promise<void> {
  const { spawn } = await import('node:child_process');
  countProcesses(1);
  const child = spawn('flock', ['--nonblock', '--conflict-exit-code', String(HELD), '3'], {
    env: { LC_ALL: 'C', PATH: searchPath() },
    stdio: ['ignore', 'ignore', 'ignore', fd],
  });
  const code = await new Promise<number>((resolve, reject) => {
    child.on('error', (error) => (errnoOf(error) === 'ENOENT' ? resolve(127) : reject(error)));
    child.on('exit', (exitCode) => resolve(exitCode ?? 1));
  });
  if (code !== 0) refuse(code);
}

function fail(exitCode: number, path: string, holder: string): never {
  if (exitCode === HELD) {
    throw new TopoweaveError('locked', holder, {
      hint: 'wait until it ends, then run the command again',
    });
  }
  if (exitCode === 127) {
    throw new UnavailableError(
      'missing-program',
      "the program 'flock' is not installed",
      'apt-get install util-linux',
    );
  }
  throw new TopoweaveError('locked', `cannot take the lock ${path}`);
}
