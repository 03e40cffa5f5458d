import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, constants, openSync, rmSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TopoweaveError } from '../../lib/errors.ts';
import { identityOf, isSame, type Process } from '../processes.ts';
import { countProcesses, run, searchPath } from '../run.ts';
import { filesForChild } from './inherited-files.ts';
import type { OpenLog } from './open-log.ts';
import { privateFolder } from './paths.ts';

/**
 * Between a service and its log, as long as one of them has the pipe open: dd(1) hands on what each read gives, so a line is
 * there at once, and ends after so many reads that half of the limit cannot be passed. When it nearly is, the file is put
 * aside as `.1`, and another one begun. It stands in the folder of the log, and knows no path. Of a full disk it takes no
 * notice but that lines are lost: without a reader, the service would be killed by its next line (SIGPIPE).
 */
const writer = `umask 077
name=$1 half=$2 size=$3 tries=0
exec 3>&1 >/dev/null
while :; do
  count=$(((half - size) / 4096))
  if [ "$count" -le $((half / 16384)) ]; then
    mv -f -- "$name" "$name.1"
    command exec 3>"$name" || command exec 3>/dev/null
    size=0 count=$((half / 4096))
  fi
  said=$(dd bs=4096 count="$count" 2>&1 >&3) || said=$(dd bs=4096 count="$count" 2>&1 >/dev/null)
  case $said in
    0+0\\ records*) exit ;;
    *records*) tries=0 ;;
    *) tries=$((tries + 1)) ;;
  esac
  [ "$tries" -lt 10 ] || exec cat
  set -- \${said##*records out}
  case $1 in
    '' | *[!0-9]*) size=$(wc -c <"$name") || size=$half ;;
    *) size=$((size + $1)) ;;
  esac
done`;

export interface LogWriter {
  /** Where the service writes. */
  readonly fd: number;
  readonly process: Process | undefined;
}

/** Programs that a log with a limit takes. */
export const writerPrograms = ['mkfifo', 'mv', 'dd', 'cat', 'wc'] as const;

/**
 * Starts what writes a log and keeps it below a limit. It ends by itself when nobody has the pipe any more.
 *
 * @param pipe a path in a folder of root's, where there is a name for the pipe for a moment.
 */
export async function startLogWriter(
  log: OpenLog,
  { limit, pipe }: { readonly limit: number; readonly pipe: string },
): Promise<LogWriter> {
  const { reader, writer: fd } = await makePipe(pipe);
  try {
    const child = spawnWriter(reader, log, Math.floor(limit / 2));
    return { fd, process: child.pid === undefined ? undefined : identityOf(child.pid) };
  } catch (error) {
    closeSync(fd);
    throw error;
  } finally {
    closeSync(reader);
  }
}

function spawnWriter(reader: number, { fd, folder, name, size }: OpenLog, half: number): ChildProcess {
  countProcesses(1);
  const child = filesForChild((others) =>
    spawn('/bin/sh', ['-c', writer, 'topoweave-log', name, String(half), String(size)], {
      env: { PATH: searchPath(), LC_ALL: 'C' },
      // By the open folder: it is the one that was looked at, whatever its path means by now.
      cwd: `/proc/${process.pid}/fd/${folder}`,
      stdio: [reader, fd, 'ignore', ...others],
      detached: true,
    }),
  );
  // Without it the service's first line ends the service, which is then an error of its own.
  child.on('error', () => {});
  child.unref();
  return child;
}

/** A pipe whose ends are files of this process; node makes sockets, which a program cannot open as /dev/stderr. */
async function makePipe(path: string): Promise<{ readonly reader: number; readonly writer: number }> {
  privateFolder(dirname(path));
  rmSync(path, { force: true });
  const { code, stderr } = await run(['mkfifo', '-m', '600', '--', path]);
  if (code !== 0) throw new TopoweaveError('service-log', `cannot make a pipe: ${stderr.trim()}`);
  const { O_RDWR, O_RDONLY, O_WRONLY, O_NOFOLLOW } = constants;
  try {
    // fifo(7): opened for both, it waits for nobody, and nor do the others then.
    const both = openSync(path, O_RDWR | O_NOFOLLOW);
    try {
      return { reader: openSync(path, O_RDONLY | O_NOFOLLOW), writer: openSync(path, O_WRONLY | O_NOFOLLOW) };
    } finally {
      closeSync(both);
    }
  } finally {
    unlinkSync(path);
  }
}

/** Milliseconds until what writes a log must have written the last of it. */
const PATIENCE = 2000;
const POLL = 10;

/** Waits until the last lines of a stopped service are in its log; one that somebody else keeps alive is ended. */
export async function endLogWriter(writer: Process | undefined): Promise<void> {
  if (writer === undefined) return;
  const deadline = performance.now() + PATIENCE;
  while (isSame(writer) && performance.now() < deadline) await sleep(POLL);
  try {
    if (isSame(writer)) process.kill(-writer.pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}
