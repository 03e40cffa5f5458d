import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { TopoweaveError } from '../lib/errors.ts';
import { errnoOf, hintOf, words } from '../lib/system-error.ts';

/** What a file of ours says; undefined where there is none. With `problem`, nothing of it can be believed. */
export type StateText = { readonly text: string } | { readonly problem: string } | undefined;

/** Bytes. The record of a lab with ten thousand namespaces has some hundreds of thousands. */
const MOST = 32 * 1024 * 1024;

/**
 * Reads a file that topoweave wrote, and that may have become anything since: no link is followed, no FIFO waited for, and
 * no more read than such a file can have.
 *
 * @throws TopoweaveError where the machine does not let it be read: then it is not damaged, and must stay as it is.
 */
export function readStateFile(path: string, most = MOST): StateText {
  let fd: number;
  try {
    // O_NONBLOCK: a FIFO would wait for a writer (fifo(7)).
    fd = openSync(
      path,
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY,
    );
  } catch (error) {
    return problemOf(error, path);
  }
  try {
    const status = fstatSync(fd);
    const problem = problemWith(status, most);
    return problem === undefined ? decode(readBytes(fd, status.size + 1)) : { problem };
  } catch (error) {
    throw cannotRead(path, error);
  } finally {
    closeSync(fd);
  }
}

/** ENXIO: a socket, or a device without anything behind it (open(2)). */
const problems: Readonly<Record<string, string>> = {
  ELOOP: 'it is a symbolic link',
  ENXIO: 'it is no regular file',
};

function problemOf(error: unknown, path: string): StateText {
  const { code = '' } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
  const problem = problems[code];
  if (problem !== undefined) return { problem };
  throw cannotRead(path, error);
}

function cannotRead(path: string, error: unknown): TopoweaveError {
  const code = errnoOf(error) ?? String(error);
  const hint =
    code === 'EACCES' || code === 'EPERM'
      ? `make it readable, or put it aside: mv ${path} ${path}.damaged`
      : hintOf(error);
  return new TopoweaveError('state-file', `cannot read ${path}: ${words(code)}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

function problemWith(status: Stats, most: number): string | undefined {
  if (status.isDirectory()) return 'it is a directory';
  if (status.isFIFO()) return 'it is a FIFO';
  if (!status.isFile()) return 'it is no regular file';
  if (status.uid !== process.getuid?.()) return `it belongs to another user (uid ${status.uid})`;
  if (status.size > most) return `it has ${status.size} bytes, and none of ours has more than ${most}`;
  return status.size === 0 ? 'it is empty' : undefined;
}

/** Not more than it had when it was looked at. */
function readBytes(fd: number, size: number): Buffer {
  const buffer = Buffer.allocUnsafe(size);
  let length = 0;
  while (length < size) {
    const read = readSync(fd, buffer, length, size - length, null);
    if (read === 0) break;
    length += read;
  }
  return buffer.subarray(0, length);
}

function decode(bytes: Buffer): StateText {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return { problem: 'it is not UTF-8' };
  }
}
