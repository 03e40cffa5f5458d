import { UsageError } from '../../lib/errors.ts';
import { type ExitCode, exitCodes } from '../../lib/exit-codes.ts';
import { listLabs } from '../../observe/labs.ts';
import { observe } from '../../observe/observe.ts';
import { recordedLabs } from '../../system/record.ts';
import type { RunCommand } from '../command.ts';
import { requireRoot, resolveLabName } from '../lab.ts';
import { applyTarget, dryRun } from './apply.ts';

export const run: RunCommand = async (context, { args, options }) => {
  const [fileOrName] = args;
  const isJson = options['json'] === true;
  if ((fileOrName === undefined) === (options['all'] !== true)) {
    throw new UsageError('give a file, the name of a lab, or --all', "'topoweave status' lists the labs");
  }
  const labs =
    fileOrName === undefined ? await allLabs() : [await resolveLabName(context, String(fileOrName))];
  requireRoot();
  if (labs.length === 0 && !isJson)
    context.io.stdout('Nothing to destroy: there is no lab on this machine.\n');
  let code: ExitCode = exitCodes.done;
  for (const lab of labs) {
    const target = { lab, topology: undefined };
    const locate = () => '';
    code = options['dryRun']
      ? await dryRun(context, target, locate, isJson)
      : await applyTarget(context, target, { locate, isJson, done: 'Destroyed' });
    if (code !== exitCodes.done) break;
  }
  return code;
};

async function allLabs(): Promise<string[]> {
  requireRoot();
  const live = await observe({ lab: undefined, nat: new Set(), sysctls: new Map() });
  return [...new Set([...listLabs(live).map(({ name }) => name), ...recordedLabs()])].sort();
}
