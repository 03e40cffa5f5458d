import type { CompletionCommand, CompletionOption, CompletionTable } from './table.ts';

const head = `# fish completion for topoweave; put it into ~/.config/fish/completions/topoweave.fish
function __topoweave_files
  __fish_complete_suffix .yaml
  __fish_complete_suffix .yml
end

function __topoweave_namespaces
  echo host
  for file in /run/netns/*
    test -f $file; and not test -s $file; and string replace /run/netns/ '' -- $file
  end
end

complete -c topoweave -f`;

export function fishScript({ options, commands, shells }: CompletionTable): string {
  const lines = [
    head,
    ...options.map((option) => optionLine('__fish_use_subcommand', option)),
    ...commands.map(
      ({ name, summary }) => `complete -c topoweave -n __fish_use_subcommand -a ${name} -d ${quote(summary)}`,
    ),
    ...commands.flatMap((command) => commandLines(command, shells)),
  ];
  return `${lines.join('\n')}\n`;
}

function commandLines(
  { name, options, argument, passThrough }: CompletionCommand,
  shells: readonly string[],
): string[] {
  const condition = quote(`__fish_seen_subcommand_from ${name}`);
  const line = (words: string): string => `complete -c topoweave -n ${condition} ${words}`;
  const words = {
    file: ["-k -a '(__topoweave_files)'"],
    namespace: ["-a '(__topoweave_namespaces)'"],
    shell: [`-a ${quote(shells.join(' '))}`],
    none: [],
  }[argument];
  return [
    ...options.map((option) => optionLine(condition, option)),
    ...words.map(line),
    ...(passThrough ? [line("-a '(__fish_complete_subcommand --fcs-skip=2)'")] : []),
  ];
}

function optionLine(
  condition: string,
  { names, description, takesValue, takesFile, choices }: CompletionOption,
): string {
  const flags = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  const words = takesFile ? '(__topoweave_files)' : choices.join(' ');
  const value = takesValue ? ` -x -a ${quote(words)}` : '';
  return `complete -c topoweave -n ${condition} ${flags.join(' ')}${value} -d ${quote(description)}`;
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
