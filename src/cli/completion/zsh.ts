import type { CompletionCommand, CompletionOption, CompletionTable } from './table.ts';

const head = `#compdef topoweave
# zsh completion for topoweave; use it with: source <(topoweave completion zsh)
_topoweave_namespaces() {
  local -a namespaces=(host /run/netns/*(N-.L0:t))
  _describe namespace namespaces
}

_topoweave() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  local -a commands`;

/** Works from a folder of $fpath, where zsh calls the file itself, and when it is sourced. */
const tail = `}
if [[ $funcstack[1] == _topoweave ]]; then _topoweave "$@"; else compdef _topoweave topoweave; fi
`;

export function zshScript({ options, commands, shells }: CompletionTable): string {
  return [
    head,
    '  commands=(',
    ...commands.map(({ name, summary }) => `    ${quote(`${name}:${summary}`)}`),
    '  )',
    `  _arguments -C ${options.flatMap(optionSpecs).join(' ')} '1:command:->command' '*::argument:->argument'`,
    '  case $state in',
    '    command) _describe command commands ;;',
    '    argument)',
    '      case $words[1] in',
    ...commands.map(
      (command) => `        ${command.name}) _arguments ${specs(command, shells).join(' ')} ;;`,
    ),
    '        help) _describe command commands ;;',
    '      esac ;;',
    '  esac',
    tail,
  ].join('\n');
}

function specs({ options, argument, passThrough }: CompletionCommand, shells: readonly string[]): string[] {
  const words = {
    file: [`'*:file:_files -g "*.(yaml|yml)"'`],
    namespace: ["'1:namespace:_topoweave_namespaces'"],
    shell: [`'1:shell:(${shells.join(' ')})'`],
    none: [],
  }[argument];
  return [...options.flatMap(optionSpecs), ...words, ...(passThrough ? ["'*:::command:_normal'"] : [])];
}

function optionSpecs({ names, description, takesValue, takesFile, choices }: CompletionOption): string[] {
  const text = description.replaceAll(/[[\]:\\]/g, '\\$&');
  const words = takesFile ? '_files -g "*.(yaml|yml)"' : `(${choices.join(' ')})`;
  const value = takesValue ? `:value:${words}` : '';
  const others = names.length > 1 ? `(${names.join(' ')})` : '';
  return names.map((name) => quote(`${others}${name}[${text}]${value}`));
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
