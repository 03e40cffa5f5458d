import { open, stat } from 'node:fs/promises';
import { TopoweaveError } from '../lib/errors.ts';
import { exitCodes } from '../lib/exit-codes.ts';

/** 4,000 namespaces take about a megabyte: what is larger is not a topology. */
const LARGEST_FILE = 32 * 1024 * 1024;

/**
 * The text of a file; `-` is standard input.
 *
 * @param shown the path as messages show it.
 * @throws TopoweaveError with exit code 65 when the file cannot be read.
 */
export async function readTopology(path: string, shown: string): Promise<string> {
  if (path === '-') {
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
    return decode(Buffer.concat(chunks), shown);
  }
  try {
    const status = await stat(path);
    if (status.isDirectory()) throw unreadable(shown, 'it is a folder');
    if (status.size > LARGEST_FILE)
      throw unreadable(shown, `it has ${status.size} bytes; at most ${LARGEST_FILE} are read`);
    const file = await open(path);
    try {
      return decode(await file.readFile(), shown);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof TopoweaveError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    throw unreadable(
      shown,
      code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'permission denied' : String(code),
    );
  }
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
