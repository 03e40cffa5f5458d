import { exitCodes, type ExitCode } from '../lib/exit-codes.ts';
import type { Context, Io } from './command.ts';

declare const __VERSION__: string;

export const version: string = __VERSION__;

/**
 * The whole program: parses the arguments, runs the command, and turns errors into text and an exit code. Never throws
 * and never exits, so that tests call it in their own process.
 */
export async function main(argv: readonly string[], io: Io): Promise<ExitCode> {
  // The commonest question of scripts is answered without loading the parser.
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
    io.stdout(`${version}\n`);
    return exitCodes.done;
  }
  const { parse } = await import('./parse.ts');
  const parsed = parse(argv, io);
  if (parsed.kind === 'exit') return parsed.code;
  const context: Context = { io, color: parsed.color };
  try {
    const command = await parsed.command.load();
    return await command(context, parsed.invocation);
  } catch (error) {
    const { reportError } = await import('./report-error.ts');
    return reportError(error, context, parsed.invocation.options['json'] === true);
  }
}
