import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { basename } from 'node:path';
import type { ExitCode } from '../../lib/exit-codes.ts';
import { isPrivileged, readPrivileges } from '../../system/privileges.ts';
import { run as runProgram, searchPath } from '../../system/run.ts';
import { requireSandbox, SANDBOX_VARIABLE, sandboxArgv } from '../../system/sandbox.ts';
import type { RunCommand } from '../command.ts';

const PROMPT_HINT = 'topoweave';

export const run: RunCommand = async ({ io }, { args }) => {
  const privileges = readPrivileges();
  const root = isPrivileged(privileges);
  await requireSandbox(privileges, { run: runProgram, root });
  const words = args.flat().filter((word) => word !== undefined);
  const interactive = words.length === 0;
  const command = interactive ? shellCommand(io.env['SHELL']) : words;
  if (interactive) {
    io.stderr('a throw-away host: own network, /run and processes; exit ends it and everything in it\n');
  }
  return runAttached(sandboxArgv(command, { root }), {
    cwd: io.cwd,
    env: { ...io.env, PATH: searchPath(), [SANDBOX_VARIABLE]: '1', ...(interactive ? promptHint : {}) },
  });
};

/** Debian's bashrc puts `debian_chroot` before the prompt; a plain sh takes PS1 from the environment. */
const promptHint = { debian_chroot: PROMPT_HINT, PS1: `(${PROMPT_HINT}) # ` } as const;

/** Without job control where it is dash: at its end dash wants the terminal's process group back, which is outside. */
function shellCommand(wanted: string | undefined): string[] {
  const shell = wanted !== undefined && isExecutable(wanted) ? wanted : 'sh';
  return ['sh', 'dash'].includes(basename(shell)) ? [shell, '+m'] : [shell];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Streams are the caller's own, so that a shell, an editor or a pager works. */
function runAttached(
  [program = '', ...args]: readonly string[],
  options: { cwd: string; env: Readonly<Record<string, string | undefined>> },
): Promise<ExitCode> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...options, stdio: 'inherit' });
    let endedBy: NodeJS.Signals = 'SIGKILL';
    // The terminal sends Ctrl-C to the command as well, which decides what it means.
    const leaveToCommand = (): void => {};
    const end = (signal: NodeJS.Signals): void => {
      endedBy = signal;
      child.kill('SIGKILL');
    };
    process.on('SIGINT', leaveToCommand).on('SIGQUIT', leaveToCommand).on('SIGTERM', end).on('SIGHUP', end);
    child.once('error', reject);
    child.once('close', (code) => {
      process
        .off('SIGINT', leaveToCommand)
        .off('SIGQUIT', leaveToCommand)
        .off('SIGTERM', end)
        .off('SIGHUP', end);
      resolve(code ?? 128 + osConstants.signals[endedBy]);
    });
  });
}
