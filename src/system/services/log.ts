import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { logFolder, namesIn, pieceBefore } from './paths.ts';

/** Lines of a log in a message. */
const LOG_LINES = 5;
const PORTION = 64 * 1024;
/** Bytes of a log that are looked through for lines: it may be one of gigabytes without any. */
const MOST = 256 * 1024 * 1024;
/** Characters of a line in a message. */
const LINE_LENGTH = 500;

/** To read a log: a link that somebody put in the place of one is not followed, as when it is written. */
export const READ_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;

/** The last lines of a log; of the first one perhaps only the end, where they are in more than `most` bytes. */
export function lastLines(path: string, count: number, most = MOST): string[] {
  const pieces = openPieces(path);
  try {
    const end = pieces.reduce((sum, { size }) => sum + size, 0);
    for (let size = PORTION; ; size *= 4) {
      const from = Math.max(0, end - Math.min(size, most));
      const lines = readPieces(pieces, from).toString('utf8').split('\n');
      if (lines.at(-1) === '') lines.pop();
      // The first one may begin before what was read.
      if (lines.length > count || from === 0 || size >= most) return count === 0 ? [] : lines.slice(-count);
    }
  } finally {
    for (const { fd } of pieces) closeSync(fd);
  }
}

export interface Piece {
  readonly fd: number;
  readonly ino: number;
  readonly size: number;
}

/** Turns in which another piece was begun just then. */
const TURNS = 20;

/** A log with the piece before it, where there is one, in the order in which they were written; none without a log. */
export function openPieces(path: string): Piece[] {
  for (let turn = 0; ; turn += 1) {
    const pieces = [pieceBefore(path), path].map(openPiece);
    const isSteady = pieces[0]?.ino === inodeOf(pieceBefore(path));
    const found = pieces.filter((piece) => piece !== undefined);
    if ((isSteady && pieces[1] !== undefined) || turn === TURNS) return found;
    for (const { fd } of found) closeSync(fd);
    // Between two pieces, there is none of that name for a moment.
    if (found.length === 0) return [];
  }
}

export function openPiece(path: string): Piece | undefined {
  try {
    const fd = openSync(path, READ_FLAGS);
    const status = fstatSync(fd);
    if (!status.isDirectory()) return { fd, ino: status.ino, size: status.size };
    closeSync(fd);
    return undefined;
  } catch {
    return undefined;
  }
}

export function inodeOf(path: string): number | undefined {
  try {
    return lstatSync(path).ino;
  } catch {
    return undefined;
  }
}

/** What is in pieces that follow one another, from a position that counts through all of them. */
function readPieces(pieces: readonly Piece[], from: number): Buffer {
  const parts: Buffer[] = [];
  let start = 0;
  for (const { fd, size } of pieces) {
    const skip = Math.max(0, from - start);
    start += size;
    if (skip >= size) continue;
    const buffer = Buffer.alloc(size - skip);
    parts.push(buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, skip)));
  }
  return Buffer.concat(parts);
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
