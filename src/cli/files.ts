import { resolve } from 'node:path';
import { UsageError } from '../lib/errors.ts';
import type { InputFile } from '../loader/compose/include.ts';
import type { LoadOptions } from '../loader/parse.ts';
import type { Invocation, Io, OptionValues } from './command.ts';

/** The files and variables that a command line names. */
export interface Choice {
  /** The first file, as the user typed it. */
  readonly file: string;
  readonly load: LoadOptions;
}

/** The file of a command that has one: its argument, with those of `-f` laid over it, or those of `-f` alone. */
export function chosenFiles(io: Io, { args, options }: Invocation): Choice {
  const choice = optionalFiles(io, args[0] === undefined ? undefined : String(args[0]), options);
  if (choice !== undefined) return choice;
  throw new UsageError("missing required argument 'file'", 'give a topology file, or several with -f');
}

/** The same where there may be none. */
export function optionalFiles(
  io: Io,
  argument: string | undefined,
  options: OptionValues,
): Choice | undefined {
  const [file, ...over] = [...(argument === undefined ? [] : [argument]), ...listOf(options['file'])];
  const set = new Map(listOf(options['set']).map(setting));
  if (file === undefined) {
    if (set.size > 0) throw new UsageError('--set needs a file', 'give a topology file, or several with -f');
    return undefined;
  }
  if ([file, ...over].filter((path) => path === '-').length > 1)
    throw new UsageError('standard input can be only one of the files');
  const overlays = over.map((shown): InputFile => ({ shown, path: filePath(io, shown) }));
  return { file, load: { overlays, set, env: io.env } };
}

/** The path to open: absolute, so that it does not depend on the process's own folder; `-` is standard input. */
export function filePath(io: Io, path: string): string {
  return path === '-' ? path : resolve(io.cwd, path);
}

function listOf(value: OptionValues[string]): readonly string[] {
  return Array.isArray(value) ? value : [];
}

function setting(text: string): [string, string] {
  const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/s.exec(text) ?? [];
  if (name !== undefined && value !== undefined) return [name, value];
  throw new UsageError(`--set ${text} is not of the form NAME=VALUE`, 'for example: --set mtu=1400');
}
