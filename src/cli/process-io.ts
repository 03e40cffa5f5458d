import { type ExitCode, exitCodes } from '../lib/exit-codes.ts';
import type { Io } from './command.ts';
import { letGoOfDeadTerminals } from './dead-terminals.ts';
import { type Output, outputTo } from './output.ts';

export interface ProcessIo extends Io {
  /** The exit code of the process, from that of the command. */
  readonly finish: (code: ExitCode) => ExitCode;
}

export function processIo(): ProcessIo {
  letGoOfDeadTerminals();
  const stdout = outputTo(process.stdout);
  const stderr = outputTo(process.stderr);
  return {
    stdout: stdout.write,
    stderr: stderr.write,
    stdoutIsOver: stdout.isOver,
    env: process.env,
    cwd: process.cwd(),
    stdoutIsTty: process.stdout.isTTY === true,
    stderrIsTty: process.stderr.isTTY === true,
    columns: process.stderr.columns ?? process.stdout.columns ?? 80,
    finish: (code) => finish(code, stdout, stderr),
  };
}

/**
 * A result that nobody got is no success, as with the programs of coreutils; a reader that has seen enough is
 * (`topoweave plan | head`). What the command did stays done.
 */
function finish(code: ExitCode, stdout: Output, stderr: Output): ExitCode {
  const failure = stdout.failure();
  if (failure === undefined) return code;
  const { code: reason, message } = failure as NodeJS.ErrnoException;
  stderr.write(`error: cannot write the output: ${reason === 'ENOSPC' ? 'no space left' : message}\n`);
  if (code !== exitCodes.done && code !== exitCodes.differences) return code;
  stderr.write('help: the command itself was performed to its end: only what it had to say is lost\n');
  return exitCodes.failed;
}
