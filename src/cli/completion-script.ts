import type { CommandSpec, OptionSpec } from './command.ts';
import { bashScript } from './completion/bash.ts';
import { fishScript } from './completion/fish.ts';
import type { CompletionCommand, CompletionOption, CompletionTable } from './completion/table.ts';
import { zshScript } from './completion/zsh.ts';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

const help: OptionSpec = { flags: '-h, --help', description: 'show the help' };

/** The options of topoweave itself, before the command. */
const programOptions: readonly OptionSpec[] = [
  { flags: '--color <when>', description: 'colour the output', choices: ['auto', 'always', 'never'] },
  help,
  { flags: '-V, --version', description: 'print the version' },
];

const generators: Readonly<Record<Shell, (table: CompletionTable) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

export function isShell(text: string): text is Shell {
  return shells.some((shell) => shell === text);
}

/** The completion script of a shell, made from the table of commands. */
export function completionScript(shell: Shell, commands: readonly CommandSpec[]): string {
  return generators[shell]({
    options: programOptions.map(completionOption),
    commands: commands.map(completionCommand),
    shells,
  });
}

function completionCommand({
  name,
  summary,
  options = [],
  arguments: args = [],
  passThrough,
}: CommandSpec): CompletionCommand {
  return {
    name,
    summary,
    options: [...options, help].map(completionOption),
    argument: argumentKind(args[0]?.name ?? ''),
    passThrough: passThrough ?? false,
  };
}

function completionOption({ flags, description, choices = [] }: OptionSpec): CompletionOption {
  const names = flags.match(/(?<=^|[\s,|])--?[a-z][a-z-]*/gi) ?? [];
  return { names, description, takesValue: /[<[]/.test(flags), takesFile: flags.includes('<file>'), choices };
}

function argumentKind(name: string): CompletionCommand['argument'] {
  if (name.includes('file')) return 'file';
  if (name.includes('namespace')) return 'namespace';
  return name.includes('shell') ? 'shell' : 'none';
}
