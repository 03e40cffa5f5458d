import { mkdtempSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TopoweaveError } from '../../lib/errors.ts';
import { errnoOf } from '../../lib/system-error.ts';
import { recordFolder } from '../../system/record.ts';

/** What the answer of one job takes at most, for the many that have a few links. */
const BYTES_PER_JOB = 16 * 1024;
const BYTES_AT_LEAST = 1024 * 1024;
const FILES_PER_JOB = 5;

/** Errors that another device may not have. */
const elsewhere: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'EIO']);

/**
 * Makes a folder for the files of jobs, root-only: below /run, or where nothing can be written there, in the folder for
 * temporary files. A full /run must not be in the way of a removal, which is what frees it.
 */
export function makeJobFolder(jobs: number): string {
  const failures: string[] = [];
  for (const folder of [recordFolder(), tmpdir()]) {
    try {
      const obstacle = shortage(folder, jobs);
      if (obstacle === undefined)
        return mkdtempSync(join(folder, folder === tmpdir() ? 'topoweave-jobs-' : 'jobs-'));
      failures.push(obstacle);
    } catch (error) {
      if (!elsewhere.has(errnoOf(error) ?? '')) throw error;
      failures.push(`${folder}: ${(error as Error).message}`);
    }
  }
  throw new TopoweaveError(
    'no-space',
    `there is no room for the answers of programs: ${failures.join('; ')}`,
    {
      hint: 'free some space there (df -h /run /tmp; df -i /run /tmp), then run the command again',
    },
  );
}

/** Seen ahead: what a program prints into a full file is cut off without a word. */
function shortage(folder: string, jobs: number): string | undefined {
  const { bavail, bsize, ffree, files, blocks } = statfsSync(folder);
  const bytes = Math.max(BYTES_AT_LEAST, jobs * BYTES_PER_JOB);
  // A file system without a limit shows zeros.
  if (blocks > 0 && bavail * bsize < bytes) return `${folder} has only ${bavail * bsize} bytes left`;
  if (files > 0 && ffree < jobs * FILES_PER_JOB + 1) return `${folder} has only ${ffree} files left`;
  return undefined;
}
