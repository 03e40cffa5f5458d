import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { TopoweaveError, UnavailableError } from '../lib/errors.ts';
import { recordFolder } from './record.ts';
import { countProcesses, searchPath } from './run.ts';

/** The exit code that flock(1) is told to have when another process has the lock. */
const HELD = 75;

/** The file of a lock, and who else holds it then: one for all changes of the machine, one for the tables of `explain`. */
const holders = {
  lock: 'another topoweave is changing this machine',
  'explain.lock': 'another topoweave explain is running on this machine',
} as const;

/**
 * Holds one of the machine's locks while `work` runs, so that two runs never interleave; the kernel frees it even if
 * topoweave is killed. Node has no flock(2): the caller brings it, or a child of flock(1) holds the lock until its
 * standard input closes.
 */
export async function withLock<T>(
  work: () => Promise<T>,
  lock?: (fd: number) => boolean,
  name: keyof typeof holders = 'lock',
): Promise<T> {
  const path = join(recordFolder(), name);
  const refuse = (code: number) => fail(code, path, holders[name]);
  const fd = openSync(path, constants.O_CREAT | constants.O_WRONLY | constants.O_NOFOLLOW, 0o600);
  try {
    if (lock === undefined) return await withLockHolder(path, refuse, work);
    if (!lock(fd)) refuse(HELD);
    return await work();
  } finally {
    closeSync(fd);
  }
}

async function withLockHolder<T>(
  path: string,
  refuse: (exitCode: number) => void,
  work: () => Promise<T>,
): Promise<T> {
  const { spawn } = await import('node:child_process');
  const holder = spawn(
    'flock',
    ['--nonblock', '--conflict-exit-code', String(HELD), path, 'sh', '-c', 'echo locked; exec cat'],
    {
      env: { LC_ALL: 'C', PATH: searchPath() },
      stdio: ['pipe', 'pipe', 'ignore'],
      // In a process group of its own: Ctrl-C must not free the lock while the last batch still runs.
      detached: true,
    },
  );
  countProcesses(2);
  const ended = new Promise<number>((resolve) => {
    holder.on('error', () => resolve(127));
    holder.on('exit', (code) => resolve(code ?? 1));
  });
  const isLocked = new Promise<boolean>((resolve) => {
    holder.stdout.once('data', () => resolve(true));
    ended.then(() => resolve(false));
  });
  try {
    if (!(await isLocked)) refuse(await ended);
    return await work();
  } finally {
    holder.stdin.end();
    await ended;
  }
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
