import { exitCodes } from '../lib/exit-codes.ts';
import { processIo } from './process-io.ts';
import { main } from './run.ts';

export { main };

/** Everything behind the entry: what the build puts into one file. */
export async function start(argv: readonly string[]): Promise<void> {
  const io = processIo();
  // Nothing is left to wait for, and there is no outcome: that must not look like success.
  const lost = () => {
    io.stderr('topoweave: ended without an outcome; this is an error in topoweave\n');
    process.exitCode = exitCodes.failed;
  };
  process.once('beforeExit', lost);
  // The exit code is set, not forced: a pipe that reads slowly still gets everything.
  process.exitCode = io.finish(await main(argv, io));
  process.off('beforeExit', lost);
}
