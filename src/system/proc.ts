import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The numbers of the processes that /proc shows. */
export function processIds(): number[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}

/** A file that may go at any moment, such as those of a process; '' where it is gone or not ours to read. */
export function readOrEmpty(path: string, encoding: 'utf8' | 'latin1' = 'utf8'): string {
  try {
    return readFileSync(path, encoding);
  } catch {
    return '';
  }
}

/** Where a link leads, in the same way. */
export function linkOrEmpty(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
