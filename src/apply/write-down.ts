import { statfsSync } from 'node:fs';
import { TopoweaveError } from '../lib/errors.ts';
import { asKnownError, isSystemFault } from '../lib/system-error.ts';
import { type LabRecord, RECORD_FOLDER, writeRecord } from '../system/record.ts';
import { noteRemoval } from '../system/removed-namespaces.ts';

/** For what a run writes behind this: the record again, files of services and programs. */
const SPARE = 64 * 1024;

interface WriteDownOptions {
  readonly isRemoval: boolean;
  readonly isFirst: boolean;
  /** The namespaces that are about to lose their names. */
  readonly removed?: readonly string[];
}

/**
 * Writes down what a run is about to do, or did.
 *
 * A removal goes on where the record cannot be written (a full /run, say): the old one says enough for it, and it is what
 * frees the space. Everything else stops, before the first change where nothing was done yet.
 *
 * @returns why a removal goes on without it.
 */
export function writeDown(
  record: LabRecord,
  { isRemoval, isFirst, removed = [] }: WriteDownOptions,
): string | undefined {
  try {
    // First: it is what tells survivors later, and the record may be too large where it still fits.
    noteRemoval(record.lab, removed);
    writeRecord(record);
    if (isFirst && !isRemoval) requireSpace(RECORD_FOLDER, JSON.stringify(record).length);
    return undefined;
  } catch (error) {
    if (!isSystemFault(error)) throw error;
    const known = asKnownError(error) as TopoweaveError;
    if (isRemoval) return known.message;
    if (!isFirst) throw known;
    throw new TopoweaveError(known.code, `${known.message}; nothing was changed`, {
      cause: error,
      ...(known.hint === undefined ? {} : { hint: known.hint }),
    });
  }
}

/** Seen before the first change, and not behind it. A file system without a limit shows zeros. */
function requireSpace(folder: string, size: number): void {
  const { blocks, bavail, bsize, files, ffree } = statfsSync(folder);
  const isFull = (blocks > 0 && bavail * bsize < 2 * size + SPARE) || (files > 0 && ffree < 2);
  if (isFull)
    throw Object.assign(new Error('no room'), { code: 'ENOSPC', syscall: 'write', path: `${folder}/` });
}
