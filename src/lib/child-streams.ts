import type { ChildProcess } from 'node:child_process';

/**
 * A program that cannot be started (EAGAIN of clone(2), say) leaves streams that are not open. To read them is an error
 * (ENOTCONN) that would end this process, and the `error` of the child says all.
 */
export function ignoreStreamErrors({ stdin, stdout, stderr }: ChildProcess): void {
  for (const stream of [stdin, stdout, stderr]) stream?.on('error', () => {});
}
