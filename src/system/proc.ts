import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { orMissing, withPath } from '../lib/system-error.ts';

/** The numbers of the processes that /proc shows. */
export function processIds(): number[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}

/** How the kernel says that a process ended while it was looked at, or is not ours to look at. */
const goneOrHidden = ['ESRCH', 'EACCES', 'EPERM', 'EINVAL'];

/** What `look` finds of a process, which may end at any moment; where it is gone or not ours, `missing`. */
export function ofProcess<T>(path: string, look: () => T, missing: T): T {
  return orMissing(() => withPath(path, look), missing, goneOrHidden);
}

/** A file that may go at any moment, such as those of a process; '' where it is gone or not ours to read. */
export function readOrEmpty(path: string, encoding: 'utf8' | 'latin1' = 'utf8'): string {
  return ofProcess(path, () => readFileSync(path, encoding), '');
}

/** Where a link leads, in the same way. */
export function linkOrEmpty(path: string): string {
  return ofProcess(path, () => readlinkSync(path), '');
}
