import { ApplyError, ConflictError } from '../apply/reconcile.ts';
import type { StepFailure } from '../engine/engine.ts';
import { InvalidFileError, TopoweaveError } from '../lib/errors.ts';
import { type ExitCode, exitCodes } from '../lib/exit-codes.ts';
import { asKnownError } from '../lib/system-error.ts';
import type { Conflict, Step } from '../plan/step.ts';
import { shellCommand } from '../report/commands.ts';
import { diagnosticsJson, formatDiagnostics } from '../report/diagnostics.ts';
import { stepTitle } from '../report/plan.ts';
import { painter } from '../report/style.ts';
import { visible, visibleLines } from '../report/visible.ts';
import type { Context } from './command.ts';

/** Known errors, and those of the operating system, become a line and a hint; anything else is a bug and shows its stack. */
export function reportError(thrown: unknown, { io, color }: Context, isJson: boolean): ExitCode {
  const error = asKnownError(thrown);
  const paint = painter(color.stderr);
  if (!(error instanceof TopoweaveError)) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    io.stderr(
      `${paint('red', 'bug:')} ${stack}\nThis is a bug in topoweave: please report it with the lines above.\n`,
    );
    return exitCodes.failed;
  }
  if (isJson) {
    const diagnostics =
      error instanceof InvalidFileError ? { diagnostics: diagnosticsJson(error.diagnostics) } : {};
    const { code, message, hint } = error;
    const failures = error instanceof ApplyError ? { failures: error.failures.map(failureJson(error)) } : {};
    io.stdout(
      `${JSON.stringify({ schemaVersion: 1, error: { code, message, hint: hint ?? null, ...failures }, ...diagnostics }, null, 2)}\n`,
    );
    return error.exitCode;
  }
  if (error instanceof InvalidFileError) {
    io.stderr(
      formatDiagnostics(error.diagnostics, error.sources, { color: color.stderr, columns: io.columns }),
    );
  }
  io.stderr(`${paint('red', 'error:')} ${visibleLines(error.message)}\n`);
  if (error instanceof ConflictError) {
    for (const conflict of error.conflicts) {
      const at = whereOf(conflict, error);
      const message = visible(conflict.message);
      io.stderr(`  ${message}${at === undefined ? '' : `  # ${at}`}\n    help: ${visible(conflict.hint)}\n`);
    }
  }
  if (error instanceof ApplyError) {
    for (const [index, { step, command, message }] of error.failures.entries()) {
      const at = whereOf(step, error);
      // The words of the first one are those of the error.
      const words = index === 0 ? '' : `: ${visibleLines(message)}`;
      io.stderr(`  ${step.namespace}: ${stepTitle(step)}${words}${at === undefined ? '' : `  # ${at}`}\n`);
      if (command !== undefined) io.stderr(`    ${shellCommand(command).split('\n')[0]}\n`);
    }
    for (const step of error.remaining) {
      io.stderr(`  ${step.namespace}: ${stepTitle(step)}\n`);
      for (const { attribute, before, after } of step.changes)
        io.stderr(`      ${attribute}: is ${before}, should be ${after}\n`);
    }
  }
  if (error.hint !== undefined) io.stderr(`help: ${visible(error.hint)}\n`);
  return error.exitCode;
}

/** `office.yaml:14`: what of the file the step or the conflict is about. */
function whereOf(
  { place }: Pick<Step | Conflict, 'place'>,
  { locate }: ApplyError | ConflictError,
): string | undefined {
  const at = place === undefined ? undefined : locate?.(place);
  return at === '' ? undefined : at;
}

function failureJson(error: ApplyError): (failure: StepFailure) => object {
  return ({ step, command, message }) => ({
    resource: step.resource,
    action: step.action,
    message,
    command: command === undefined ? null : shellCommand(command),
    at: whereOf(step, error) ?? null,
  });
}
