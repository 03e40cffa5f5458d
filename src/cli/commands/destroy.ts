import type { Engine } from '../../engine/engine.ts';
import { UsageError } from '../../lib/errors.ts';
import { type ExitCode, exitCodes } from '../../lib/exit-codes.ts';
import { labsWithNotes } from '../../system/removed-namespaces.ts';
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
  const labs = named === undefined ? await allLabs(engine) : [named];
  if (labs.length === 0 && !isJson)
    context.io.stdout('Nothing to destroy: there is no lab on this machine.\n');
  const kill = options['kill'] === true;
  let worst: ExitCode = exitCodes.done;
  for (const lab of labs) {
    const target = { lab, topology: undefined };
    const locate = () => '';
    const code = options['dryRun']
      ? await dryRun(context, engine, target, { locate, isJson })
      : await applyTarget(context, engine, target, { locate, isJson, done: 'Destroyed', kill });
    if (code === exitCodes.interrupted || code === exitCodes.terminated) return code;
    // What one leaves behind is no reason to keep the others.
    worst = Math.max(worst, code);
  }
  return worst;
};

async function allLabs(engine: Engine): Promise<string[]> {
  return [...new Set([...(await knownLabs(engine)), ...labsWithNotes()])].sort();
}
