import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { TopoweaveError, UnavailableError } from '../lib/errors.ts';
import { recordFolder } from './record.ts';
import { countProcesses, searchPath } from './run.ts';

/**
 * Holds the machine's lock while `work` runs, so that two runs never interleave. A child of flock(1) holds it until its
 * standard input closes, so the kernel frees it even if topoweave is killed.
 */
export async function withLock<T>(work: () => Promise<T>): Promise<T> {
  const path = join(recordFolder(), 'lock');
  closeSync(openSync(path, constants.O_CREAT | constants.O_WRONLY | constants.O_NOFOLLOW, 0o600));
  const { spawn } = await import('node:child_process');
  const holder = spawn(
    'flock',
    ['--nonblock', '--conflict-exit-code', '75', path, 'sh', '-c', 'echo locked; exec cat'],
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
    if (!(await isLocked)) refuse(await ended, path);
    return await work();
  } finally {
    holder.stdin.end();
    await ended;
  }
}

function refuse(exitCode: number, path: string): never {
  if (exitCode === 75) {
    throw new TopoweaveError('locked', 'another topoweave is changing this machine', {
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
