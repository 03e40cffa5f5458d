import type { ExitCode } from '../lib/exit-codes.ts';

/** Everything outside that a command may touch, so that tests run commands in the process with their own. */
export interface Io {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Whether nobody gets what is written to stdout any more. */
  readonly stdoutIsOver?: () => boolean;
  /** For what is not ours to change, such as a log or a file: `stdout` writes out what would move or hide on a terminal. */
  readonly raw?: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly stdoutIsTty: boolean;
  readonly stderrIsTty: boolean;
  /** Columns of the terminal. */
  readonly columns: number;
}

export interface Context {
  readonly io: Io;
  /** Whether to colour stdout and stderr. */
  readonly color: { readonly stdout: boolean; readonly stderr: boolean };
}

export interface OptionSpec {
  /** Commander's syntax: `--json`, `--lab <name>`. */
  readonly flags: string;
  readonly description: string;
  readonly choices?: readonly string[];
  /** It may be there several times: its value is the list. */
  readonly repeatable?: true;
}

export interface ArgumentSpec {
  /** Commander's syntax: `<file>`, `[file|name]`, `<file...>`. */
  readonly name: string;
  readonly description: string;
}

export type OptionValues = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

export interface Invocation {
  /** One entry per argument of the command, the last one an array where it is variadic. */
  readonly args: readonly (string | readonly string[] | undefined)[];
  readonly options: OptionValues;
}

export type RunCommand = (context: Context, invocation: Invocation) => Promise<ExitCode>;

/** A command as data: the parser, the help, the completion, the man page and docs/cli.md are made from it. */
export interface CommandSpec {
  readonly name: string;
  readonly summary: string;
  readonly description?: string;
  readonly arguments?: readonly ArgumentSpec[];
  readonly options?: readonly OptionSpec[];
  readonly examples: readonly { readonly command: string; readonly explains: string }[];
  readonly exitCodes?: readonly { readonly code: ExitCode; readonly means: string }[];
  /** Everything after `--` is passed as the last argument, untouched. */
  readonly passThrough?: boolean;
  readonly load: () => Promise<RunCommand>;
}
