import { getSystemErrorName } from 'node:util';
import { loadLibc } from './libc.ts';

/** A system call that failed: `code` is the name of its errno (`ENOENT`). */
export class SystemCallError extends Error {
  readonly code: string;

  constructor(what: string, errno: number) {
    super(`${what}: ${errnoText(errno)}`);
    this.code = errnoName(errno);
  }
}

/** The C library's words: those that `ip` prints, too. */
export function errnoText(errno: number): string {
  return loadLibc().strerror(errno);
}

function errnoName(errno: number): string {
  try {
    return getSystemErrorName(-errno);
  } catch {
    return `errno ${errno}`;
  }
}

/** What has the name of a namespace and is none of the network: a stranger's file, or one that is just being made or removed. */
export class NotANamespace extends Error {}

/** Whether a namespace could not be entered because there is none, or none any more. */
export function isGone(error: unknown): boolean {
  return error instanceof NotANamespace || (error as NodeJS.ErrnoException).code === 'ENOENT';
}

/** Something that only a program can read or do: the other engine takes over for this namespace or batch. */
export class NeedsProgram extends Error {}
