import type { CompletionCommand, CompletionOption, CompletionTable } from './table.ts';

const head = `# bash completion for topoweave; use it with: source <(topoweave completion bash)
_topoweave_words() {
  local word
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$1" -- "$2")
}

_topoweave_files() {
  local word
  compopt -o filenames
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(
    compgen -f -X '!*.yaml' -- "$1"
    compgen -f -X '!*.yml' -- "$1"
    compgen -d -- "$1"
  )
}

_topoweave_namespaces() {
  local file names=host
  # compgen expands its words: only names without meaning for the shell, of what can be a namespace.
  for file in /run/netns/*; do
    [[ -f $file && ! -s $file && \${file##*/} != *[!A-Za-z0-9._-]* ]] && names+=" \${file##*/}"
  done
  _topoweave_words "$names" "$1"
}

_topoweave() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command= i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      --color) ((i++)) ;;
      -*) ;;
      *) command=\${COMP_WORDS[i]}; break ;;
    esac
  done`;

const tail = `}
complete -F _topoweave topoweave
`;

/** Behind \`--\` stands a whole command line of its own. */
const passThrough = `      for ((i++; i < COMP_CWORD; i++)); do
        if [[ \${COMP_WORDS[i]} == -- ]]; then
          if declare -F _command_offset >/dev/null; then _command_offset $((i + 1)); return; fi
          if ((i + 1 == COMP_CWORD)); then COMPREPLY=($(compgen -c -- "$current")); else compopt -o default; fi
          return
        fi
      done`;

export function bashScript({ options, commands, shells }: CompletionTable): string {
  return [
    head,
    '  case $command in',
    '    "")',
    ...valueCases(options),
    `      _topoweave_words "${[...commands.map(({ name }) => name), 'help', ...names(options)].join(' ')}" "$current" ;;`,
    ...commands.flatMap((command) => commandCase(command, shells)),
    '    help)',
    `      _topoweave_words "${commands.map(({ name }) => name).join(' ')}" "$current" ;;`,
    '  esac',
    tail,
  ].join('\n');
}

function commandCase(command: CompletionCommand, shells: readonly string[]): string[] {
  const argument = {
    file: '_topoweave_files "$current"',
    namespace: '_topoweave_namespaces "$current"',
    shell: `_topoweave_words "${shells.join(' ')}" "$current"`,
    none: ':',
  }[command.argument];
  return [
    `    ${command.name})`,
    ...(command.passThrough ? [passThrough] : []),
    ...valueCases(command.options),
    '      if [[ $current == -* ]]; then',
    `        _topoweave_words "${names(command.options).join(' ')}" "$current"`,
    `      else ${argument}; fi ;;`,
  ];
}

function valueCases(options: readonly CompletionOption[]): string[] {
  const cases = options
    .filter(({ takesValue }) => takesValue)
    .map(({ names: own, choices, takesFile }) => {
      const complete = takesFile ? '_topoweave_files' : `_topoweave_words "${choices.join(' ')}"`;
      return `        ${own.join('|')}) ${complete} "$current"; return ;;`;
    });
  return cases.length === 0 ? [] : ['      case $previous in', ...cases, '      esac'];
}

function names(options: readonly CompletionOption[]): string[] {
  return options.flatMap((option) => option.names);
}
