import type { ExitCode } from '../lib/exit-codes.ts';
import { visibleOutput } from '../report/visible.ts';
import { notedDamage, takeDamage } from '../system/damage.ts';
import { colors } from './colors.ts';
import type { Context, Io } from './command.ts';
import type { Parsed } from './parse.ts';
import { readPlainLine } from './plain-line.ts';

/**
 * The whole program: parses the arguments, runs the command, and turns errors into text and an exit code. Never throws
 * and never exits, so that tests call it in their own process.
 */
export async function main(argv: readonly string[], own: Io): Promise<ExitCode> {
  const io = guarded(own);
  const parsed = await readLine(argv, io);
  if (parsed.kind === 'exit') return parsed.code;
  const context: Context = { io, color: parsed.color };
  takeDamage();
  if (io.env['TOPOWEAVE_COUNT']) (await import('../system/run.ts')).resetProcesses();
  try {
    const command = await parsed.command.load();
    const code = await command(context, parsed.invocation);
    if (notedDamage().length > 0) (await import('./damage.ts')).warnOfDamage(context);
    if (io.env['TOPOWEAVE_COUNT']) await reportProcesses(io);
    return code;
  } catch (error) {
    if (notedDamage().length > 0) (await import('./damage.ts')).warnOfDamage(context);
    const { reportError } = await import('./report-error.ts');
    return reportError(error, context, parsed.invocation.options['json'] === true);
  }
}

/** Whatever a command prints: the last place where a stranger's text could reach the terminal. */
function guarded(io: Io): Io {
  return {
    ...io,
    stdout: (text) => io.stdout(visibleOutput(text)),
    stderr: (text) => io.stderr(visibleOutput(text)),
    raw: io.stdout,
  };
}

async function readLine(argv: readonly string[], io: Io): Promise<Parsed> {
  const plain = readPlainLine(argv);
  if (plain !== undefined) return { kind: 'run', ...plain, color: colors(io, 'auto') };
  const { parse } = await import('./parse.ts');
  return parse(argv, io);
}

/** For the benchmark and the tests: how many processes the command started, and how many netlink messages it sent. */
async function reportProcesses(io: Io): Promise<void> {
  const { messagesSent, processesStarted } = await import('../system/run.ts');
  io.stderr(`processes started: ${processesStarted}\nmessages sent: ${messagesSent}\n`);
}
