import { constants, readlinkSync, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { TopoweaveError } from '../lib/errors.ts';
import { exitCodes } from '../lib/exit-codes.ts';
import { callerOf, isBelow, mayRead } from './caller.ts';

/** 4,000 namespaces take about a megabyte: what is larger is not a topology. */
const LARGEST_FILE = 32 * 1024 * 1024;

export interface ReadText {
  readonly text: string;
  /** Messages must not show what is in it: the user behind sudo may not read it. */
  readonly isHidden: boolean;
}

interface ReadOptions {
  /** The file of the command line by which this one is included. */
  readonly root?: string;
}

/**
 * The text of a file; `-` is standard input.
 *
 * @param shown the path as messages show it.
 * @throws TopoweaveError with exit code 65 when the file cannot be read.
 */
export async function readTopology(
  path: string,
  shown: string,
  options: ReadOptions = {},
): Promise<ReadText> {
  if (path === '-') {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of process.stdin) {
      const bytes = Buffer.from(chunk);
      size += bytes.length;
      if (size > LARGEST_FILE) throw tooLarge(shown);
      chunks.push(bytes);
    }
    return { text: decode(Buffer.concat(chunks), shown), isHidden: false };
  }
  let file: FileHandle | undefined;
  try {
    // Without O_NONBLOCK, the open of a FIFO waits for somebody who writes to it (fifo(7)).
    const flags = isDescriptor(path) ? constants.O_RDONLY : constants.O_RDONLY | constants.O_NONBLOCK;
    file = await open(path, flags);
    const status = await file.stat();
    refuseDevice({ path, shown, status, isIncluded: options.root !== undefined });
    const isHidden = !isForCaller(file, path, status, options);
    return { text: decode(await readLimited(file, shown), shown), isHidden };
  } catch (error) {
    if (error instanceof TopoweaveError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    throw unreadable(
      shown,
      code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'permission denied' : String(code),
    );
  } finally {
    await file?.close();
  }
}

/** What the shell hands over as `<(…)`, or as standard input. */
function isDescriptor(path: string): boolean {
  return /^(?:\/dev\/(?:fd\/\d+|stdin)|\/proc\/(?:self|\d+)\/fd\/\d+)$/.test(path);
}

interface Opened {
  readonly path: string;
  readonly shown: string;
  readonly status: Stats;
  readonly isIncluded: boolean;
}

/** A device may have no end, and a FIFO nobody who writes. */
function refuseDevice({ path, shown, status, isIncluded }: Opened): void {
  if (status.isDirectory()) throw unreadable(shown, 'it is a folder');
  const isPipe = status.isFIFO() && !isIncluded && isDescriptor(path);
  if (!status.isFile() && !isPipe) throw unreadable(shown, 'it is not a regular file');
  if (status.size > LARGEST_FILE)
    throw unreadable(shown, `it has ${status.size} bytes; at most ${LARGEST_FILE} are read`);
}

/** Whether messages may show the lines of an open file: judged by what was opened, which a link cannot change. */
function isForCaller(file: FileHandle, path: string, status: Stats, { root }: ReadOptions): boolean {
  const caller = callerOf(process.env);
  if (caller === undefined || (status.isFIFO() && isDescriptor(path))) return true;
  try {
    const real = readlinkSync(`/proc/self/fd/${file.fd}`);
    return mayRead(caller, real, status) || (root !== undefined && root !== '-' && isBelow(real, root));
  } catch {
    return false;
  }
}

/** Files under /proc say that they are empty, and a file may grow while it is read. */
async function readLimited(file: FileHandle, shown: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(256 * 1024));
    if (bytesRead === 0) return Buffer.concat(chunks);
    size += bytesRead;
    if (size > LARGEST_FILE) throw tooLarge(shown);
    chunks.push(buffer.subarray(0, bytesRead));
  }
}

function tooLarge(shown: string): TopoweaveError {
  return unreadable(shown, `it is larger than ${LARGEST_FILE} bytes`);
}

function decode(bytes: Buffer, shown: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw unreadable(shown, 'it is not UTF-8 text');
  }
}

function unreadable(shown: string, reason: string): TopoweaveError {
  return new TopoweaveError('unreadable', `cannot read ${shown}: ${reason}`, {
    exitCode: exitCodes.invalidFile,
  });
}
