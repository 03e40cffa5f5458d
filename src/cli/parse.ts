import { Command, CommanderError, Option } from 'commander';
import { type ExitCode, exitCodes } from '../lib/exit-codes.ts';
import { colors } from './colors.ts';
import type { CommandSpec, Context, Invocation, Io } from './command.ts';
import { commands } from './commands.ts';
import { version } from './version.ts';

export type Parsed =
  | { readonly kind: 'exit'; readonly code: ExitCode }
  | {
      readonly kind: 'run';
      readonly command: CommandSpec;
      readonly invocation: Invocation;
      readonly color: Context['color'];
    };

/** Parses the command line; help and usage errors are printed here. */
export function parse(argv: readonly string[], io: Io): Parsed {
  let parsed: { command: CommandSpec; invocation: Invocation } | undefined;
  const program = buildProgram(
    io,
    (command, invocation) => {
      parsed = { command, invocation };
    },
    namedCommands(argv),
  );
  try {
    program.parse([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { kind: 'exit', code: error.exitCode === 0 ? exitCodes.done : exitCodes.usage };
  }
  if (parsed === undefined) {
    program.outputHelp({ error: true });
    return { kind: 'exit', code: exitCodes.usage };
  }
  return { kind: 'run', ...parsed, color: colors(io, String(program.opts()['color'])) };
}

/** The commands that the line names, which are enough to run one; all of them where help or a suggestion is due. */
function namedCommands(argv: readonly string[]): readonly CommandSpec[] {
  const named = commands.filter(({ name }) => argv.includes(name));
  return named.length === 0 || argv[0] === 'help' ? commands : named;
}

/** The parser, made from the table of commands; also what the reference pages are made from. */
export function buildProgram(
  io: Io,
  onCommand: (command: CommandSpec, invocation: Invocation) => void,
  specs: readonly CommandSpec[] = commands,
): Command {
  const program = new Command('topoweave')
    .description(
      'Terraform for Linux networks: one YAML file, compared with the live kernel, applied step by step.',
    )
    .version(version, '-V, --version', 'print the version')
    .addOption(
      new Option('--color <when>', 'colour the output').choices(['auto', 'always', 'never']).default('auto'),
    )
    .helpCommand('help [command]', 'show the help of a command')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeOut: io.stdout, writeErr: io.stderr, getOutHelpWidth: () => io.columns })
    .addHelpText(
      'after',
      '\nTry it without root:\n  topoweave sandbox -- topoweave apply topologies/veth-pair.yaml\n',
    );
  for (const spec of specs) addCommand(program, spec, onCommand);
  return program;
}

function addCommand(
  program: Command,
  spec: CommandSpec,
  onCommand: (command: CommandSpec, invocation: Invocation) => void,
): void {
  const command = program.command(spec.name).summary(spec.summary);
  command.description(
    spec.description === undefined
      ? sentence(spec.summary)
      : `${sentence(spec.summary)}\n\n${spec.description}`,
  );
  for (const { name, description } of spec.arguments ?? []) command.argument(name, description);
  if (spec.passThrough)
    command.argument('[command...]', 'the command and its arguments, behind --').passThroughOptions();
  for (const { flags, description, choices, repeatable } of spec.options ?? []) {
    const option = new Option(flags, description);
    if (repeatable)
      option.argParser((value, earlier: readonly string[] | undefined) => [...(earlier ?? []), value]);
    if (choices !== undefined) option.choices([...choices]);
    command.addOption(option);
  }
  command.addHelpText('after', helpTail(spec));
  command.action((...values: unknown[]) => {
    // A border: commander passes the arguments, then the options, then the command itself.
    const args = values.slice(0, -2) as (string | string[] | undefined)[];
    onCommand(spec, { args, options: command.opts() });
  });
}

function helpTail({ examples, exitCodes: codes = [] }: CommandSpec): string {
  const lines = [
    '',
    'Examples:',
    ...examples.map(({ command, explains }) => `  ${command}\n      ${explains}`),
  ];
  if (codes.length > 0)
    lines.push('', 'Exit codes:', ...codes.map(({ code, means }) => `  ${String(code).padEnd(3)} ${means}`));
  return `${lines.join('\n')}\n`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
