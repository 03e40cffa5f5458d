import type { Diagnostic } from './diagnostic.ts';
import { exitCodes } from './exit-codes.ts';

/** Base of the errors that a user can mend: printed as one line and a hint, without a stack. */
export class TopoweaveError extends Error {
  readonly code: string;
  readonly exitCode: number;
  readonly hint: string | undefined;

  constructor(
    code: string,
    message: string,
    options: { hint?: string; exitCode?: number; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? exitCodes.failed;
  }
}

/** The file is not valid: exit code 65. Carries every diagnostic of the run. */
export class InvalidFileError extends TopoweaveError {
  readonly diagnostics: readonly Diagnostic[];
  /** The text of each file that a diagnostic points into. */
  readonly sources: ReadonlyMap<string, string>;

  constructor(diagnostics: readonly Diagnostic[], sources: ReadonlyMap<string, string>) {
    const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 'error').length;
    super('invalid-file', `${errors} ${errors === 1 ? 'error' : 'errors'}; nothing was changed`, {
      exitCode: exitCodes.invalidFile,
    });
    this.diagnostics = diagnostics;
    this.sources = sources;
  }
}

/** Something that the machine lacks, named with what provides it: exit code 69. */
export class UnavailableError extends TopoweaveError {
  constructor(code: string, message: string, hint?: string) {
    super(code, message, { exitCode: exitCodes.unavailable, ...(hint === undefined ? {} : { hint }) });
  }
}

/** The command line itself is wrong: exit code 64. */
export class UsageError extends TopoweaveError {
  constructor(message: string, hint?: string) {
    super('usage', message, { exitCode: exitCodes.usage, ...(hint === undefined ? {} : { hint }) });
  }
}

/** For the default branch of a switch over a union: the compiler proves that it is never reached. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value ${JSON.stringify(value)}`);
}
