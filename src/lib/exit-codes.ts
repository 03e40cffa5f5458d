/** The exit codes of every command, as documented in docs/cli.md; 64, 65 and 69 follow sysexits.h. */
export const exitCodes = {
  done: 0,
  failed: 1,
  differences: 2,
  usage: 64,
  invalidFile: 65,
  unavailable: 69,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = number;
