import { UsageError } from '../../lib/errors.ts';
import { type ExitCode, exitCodes } from '../../lib/exit-codes.ts';
import type { RunCommand } from '../command.ts';
import { engineOf } from '../engine-option.ts';
import { optionalFiles } from '../files.ts';
import { knownLabs } from '../known-labs.ts';
import { requirePrivileges, resolveLabName } from '../lab.ts';
import { applyTarget, dryRun } from './apply.ts';

export const run: RunCommand = async (context, { args, options }) => {
  const [argument] = args;
  const choice = optionalFiles(context.io, argument === undefined ? undefined : String(argument), options);
  const isJson = options['json'] === true;
  if ((choice === undefined) === (options['all'] !== true)) {
    throw new UsageError('give a file, the name of a lab, or --all', "'topoweave status' lists the labs");
  }
  const named = choice === undefined ? undefined : await resolveLabName(context, choice);
  await requirePrivileges();
  const engine = engineOf(context, options);
  const labs = named === undefined ? await knownLabs(engine) : [named];
  if (labs.length === 0 && !isJson)
    context.io.stdout('Nothing to destroy: there is no lab on this machine.\n');
  let code: ExitCode = exitCodes.done;
  for (const lab of labs) {
    const target = { lab, topology: undefined };
    const locate = () => '';
    code = options['dryRun']
      ? await dryRun(context, engine, target, { locate, isJson })
      : await applyTarget(context, engine, target, { locate, isJson, done: 'Destroyed' });
    if (code !== exitCodes.done) break;
  }
  return code;
};
