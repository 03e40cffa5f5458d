import { closeSync, constants, openSync } from 'node:fs';
import { isatty } from 'node:tty';

/**
 * Node sets the mode of its terminals back when it ends, and aborts where the kernel refuses that (ResetStdio in
 * src/node.cc of Node 20; SIGABRT, or SIGSEGV while it prints why): a run whose terminal is closed meanwhile would do all
 * of its work and die in the end. It leaves alone what is no terminal any more.
 */
export function letGoOfDeadTerminals(): void {
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  if (terminals.length === 0) return;
  process.on('exit', () => {
    // The lowest number that is free is the one that is given out (open(2)).
    for (const fd of terminals) if (!isatty(fd)) replace(fd);
  });
}

function replace(fd: number): void {
  try {
    closeSync(fd);
    openSync('/dev/null', constants.O_RDWR);
  } catch {
    // One that is closed is left alone, too.
  }
}
