import { processIo } from './process-io.ts';
import { main } from './run.ts';

export { main };

/** Everything behind the entry: what the build puts into one file. */
export async function start(argv: readonly string[]): Promise<void> {
  // The exit code is set, not forced: a pipe that reads slowly still gets everything.
  process.exitCode = await main(argv, processIo());
}
