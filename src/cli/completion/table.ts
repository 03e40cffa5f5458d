/** An option as the shells see it. */
export interface CompletionOption {
  /** With their dashes: `-h`, `--help`. */
  readonly names: readonly string[];
  readonly description: string;
  readonly takesValue: boolean;
  /** Its value is a topology file. */
  readonly takesFile: boolean;
  readonly choices: readonly string[];
}

export interface CompletionCommand {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly CompletionOption[];
  /** What its arguments are, as far as a shell can complete them. */
  readonly argument: 'file' | 'namespace' | 'shell' | 'none';
  readonly passThrough: boolean;
}

export interface CompletionTable {
  readonly options: readonly CompletionOption[];
  readonly commands: readonly CompletionCommand[];
  readonly shells: readonly string[];
}
