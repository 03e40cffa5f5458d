import { type ExitCode, exitCodes } from '../lib/exit-codes.ts';
import { forMany } from '../lib/signals.ts';

export interface Interrupt {
  readonly signal: AbortSignal;
  readonly exitCode: () => ExitCode;
  readonly stop: () => void;
}

/**
 * The first SIGINT or SIGTERM ends the run after the batches that are under way; the second ends it at once. SIGHUP is
 * ignored from here on, so that a dying ssh session cannot stop a change half way, nor make a finished one look like one
 * that failed.
 *
 * @param again what the second one does: a run that has to clean up, and soon has, waits for that.
 */
export function onInterrupt(again: 'ends' | 'waits' = 'ends'): Interrupt {
  const controller = new AbortController();
  let code: ExitCode = exitCodes.interrupted;
  const handle = (name: NodeJS.Signals) => {
    const isFirst = !controller.signal.aborted;
    if (!isFirst && again === 'waits') return;
    code = name === 'SIGTERM' ? exitCodes.terminated : exitCodes.interrupted;
    if (!isFirst) process.exit(code);
    controller.abort();
  };
  process.on('SIGINT', handle).on('SIGTERM', handle);
  // SIGXFSZ: with a limit of the size of files a write then fails (EFBIG), as every other one (setrlimit(2)).
  for (const name of ['SIGHUP', 'SIGXFSZ'] as const)
    if (!process.listeners(name).includes(ignore)) process.on(name, ignore);
  return {
    signal: forMany(controller.signal),
    exitCode: () => code,
    stop: () => {
      process.off('SIGINT', handle).off('SIGTERM', handle);
    },
  };
}

function ignore(): void {}
