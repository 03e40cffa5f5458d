import { closeSync, constants, fstatSync, openSync, readSync, renameSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { TopoweaveError } from '../../lib/errors.ts';
import { orMissing } from '../../lib/system-error.ts';
import type { ServiceStart } from './launch.ts';
import { logFolder, logPath, namesIn, privateFolder } from './paths.ts';

/** Lines of a log in a message. */
const LOG_LINES = 5;
const PORTION = 64 * 1024;
/** Bytes of a log that are looked through for lines: it may be one of gigabytes without any. */
const MOST = 256 * 1024 * 1024;
/** Characters of a line in a message. */
const LINE_LENGTH = 500;

/** A log of our own begins anew, and the one before is kept; one that the file names by a path goes on. */
export function openLog({ lab, namespace, service }: ServiceStart): {
  readonly log: string;
  readonly fd: number;
} {
  const { O_WRONLY, O_CREAT, O_APPEND, O_EXCL, O_NOFOLLOW, O_NOCTTY } = constants;
  const flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NOCTTY;
  const log = logPath(lab, namespace, service);
  if (service.log !== undefined && isAbsolute(service.log)) return { log, fd: openOwn(log, flags) };
  privateFolder(logFolder(lab));
  // The first start has none.
  orMissing(() => renameSync(log, `${log}.old`), undefined);
  return { log, fd: openSync(log, flags | O_EXCL, 0o600) };
}

/** A file of the user's: neither a link to somewhere else, nor a pipe that nobody reads. */
function openOwn(path: string, flags: number): number {
  const fd = openNoLink(path, flags | constants.O_NONBLOCK);
  if (fstatSync(fd).isFile() || path === '/dev/null') return fd;
  closeSync(fd);
  throw new TopoweaveError('service-log', `${path} is not a file`);
}

function openNoLink(path: string, flags: number): number {
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ELOOP') throw error;
    throw new TopoweaveError('service-log', `the log ${path} is a symbolic link, which is not followed`);
  }
}

/** To read a log: a link that somebody put in the place of one is not followed, as when it is written. */
export const READ_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;

/** The last lines of a log; of the first one perhaps only the end, where they are in more than `most` bytes. */
export function lastLines(path: string, count: number, most = MOST): string[] {
  let fd: number;
  try {
    fd = openSync(path, READ_FLAGS);
  } catch {
    return [];
  }
  try {
    const end = fstatSync(fd).size;
    for (let size = PORTION; ; size *= 4) {
      const from = Math.max(0, end - Math.min(size, most));
      const buffer = Buffer.alloc(end - from);
      const read = readSync(fd, buffer, 0, buffer.length, from);
      const lines = buffer.toString('utf8', 0, read).split('\n');
      if (lines.at(-1) === '') lines.pop();
      // The first one may begin before what was read.
      if (lines.length > count || from === 0 || size >= most) return count === 0 ? [] : lines.slice(-count);
    }
  } finally {
    closeSync(fd);
  }
}

export function endOfLog(path: string): string {
  const lines = lastLines(path, LOG_LINES, PORTION);
  return lines.length === 0
    ? `; its log ${path} is empty`
    : `; the end of ${path}:\n${lines.map((line) => `    | ${plainText(line)}`).join('\n')}`;
}

/** What a program printed must not steer the terminal of who reads an error. */
function plainText(line: string): string {
  return line.slice(0, LINE_LENGTH).replace(/(?!\t)\p{Cc}/gu, '\u{fffd}');
}

export interface KnownLog {
  readonly lab: string;
  readonly namespace: string;
  readonly name: string;
  readonly log: string;
}

/** The logs in the folders of one lab, or of all: a service that could not be started has one too. */
export function knownLogs(lab: string | undefined): KnownLog[] {
  const labs =
    lab === undefined
      ? namesIn('/run/topoweave').flatMap((name) =>
          name.endsWith('.logs') ? name.slice(0, -'.logs'.length) : [],
        )
      : [lab];
  return labs.flatMap((owner) =>
    namesIn(logFolder(owner)).flatMap((file): KnownLog[] => {
      const [, namespace, name] = /^([^:]+):(.+)\.log$/.exec(file) ?? [];
      if (namespace === undefined || name === undefined) return [];
      return [{ lab: owner, namespace, name, log: join(logFolder(owner), file) }];
    }),
  );
}
