import { closeSync, openSync, readdirSync } from 'node:fs';
import { readOrEmpty } from '../proc.ts';

/**
 * Starts a program that outlives topoweave, with nothing in the place of files that topoweave itself was given by whoever
 * started it, and would hand on: a pipe that stays open as long as the program runs would keep its reader waiting.
 */
export function filesForChild<T>(start: (others: readonly (number | 'ignore')[]) => T): T {
  const nothing = openSync('/dev/null', 'r');
  try {
    return start(inheritedFiles().map((each) => (each ? nothing : 'ignore')));
  } finally {
    closeSync(nothing);
  }
}

/** Which of the numbers from 3 on are such files. Those that node opens are not handed on. */
function inheritedFiles(): boolean[] {
  const found: boolean[] = [];
  for (const name of readdirSync('/proc/self/fdinfo')) {
    const [, flags = ''] = /^flags:\s*([0-7]+)$/m.exec(readOrEmpty(`/proc/self/fdinfo/${name}`)) ?? [];
    // O_CLOEXEC of fcntl.h.
    if (Number(name) > 2 && flags !== '' && (Number.parseInt(flags, 8) & 0o2000000) === 0)
      found[Number(name) - 3] = true;
  }
  return Array.from(found, (each) => each === true);
}
