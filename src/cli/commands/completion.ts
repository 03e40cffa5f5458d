import { UsageError } from '../../lib/errors.ts';
import { exitCodes } from '../../lib/exit-codes.ts';
import type { RunCommand } from '../command.ts';
import { commands } from '../commands.ts';
import { completionScript, isShell, shells } from '../completion-script.ts';

export const run: RunCommand = async ({ io }, { args }) => {
  const shell = String(args[0]);
  if (!isShell(shell)) throw new UsageError(`unknown shell '${shell}'`, `one of ${shells.join(', ')}`);
  io.stdout(completionScript(shell, commands));
  return exitCodes.done;
};
