import type { CommandSpec, Invocation } from './command.ts';
import { commands } from './commands.ts';

/**
 * Reads a command line of plain words, such as `apply office.yaml`, which needs no parser: loading one is a fifth of the
 * time that `validate` takes. undefined where there is an option, or where a parser has to say what is wrong.
 */
export function readPlainLine(
  argv: readonly string[],
): { readonly command: CommandSpec; readonly invocation: Invocation } | undefined {
  const [name, ...words] = argv;
  const command = commands.find((spec) => spec.name === name);
  if (command === undefined || command.passThrough || words.some((word) => word.startsWith('-')))
    return undefined;
  const specs = command.arguments ?? [];
  const required = specs.filter((spec) => spec.name.startsWith('<')).length;
  const isVariadic = specs.at(-1)?.name.includes('...') ?? false;
  if (words.length < required || (words.length > specs.length && !isVariadic)) return undefined;
  const args = specs.map((spec, index) => (spec.name.includes('...') ? words.slice(index) : words[index]));
  return { command, invocation: { args, options: {} } };
}
