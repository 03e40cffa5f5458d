import { existsSync } from 'node:fs';
import type { Engine } from '../../engine/engine.ts';
import { TopoweaveError, UsageError } from '../../lib/errors.ts';
import { type ExitCode, exitCodes } from '../../lib/exit-codes.ts';
import { loadFile } from '../../loader/load.ts';
import { readRecord } from '../../system/record.ts';
import { labsWithNotes } from '../../system/removed-namespaces.ts';
import type { Context, RunCommand } from '../command.ts';
import { engineOf } from '../engine-option.ts';
import { type Choice, filePath, optionalFiles } from '../files.ts';
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
    const target = { lab, topology: undefined, declared: await declaredBy(context, lab, choice) };
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

/**
 * The record says what is the lab's; where it is lost, the file that was given may. A file with errors only says the name.
 */
async function declaredBy(context: Context, lab: string, choice: Choice | undefined): Promise<string[]> {
  if (choice === undefined || readRecord(lab).namespaces !== undefined) return [];
  const path = filePath(context.io, choice.file);
  if (!existsSync(path)) return [];
  try {
    const { topology } = await loadFile(path, choice.file, choice.load);
    return topology?.namespaces.map(({ name }) => name) ?? [];
  } catch (error) {
    if (error instanceof TopoweaveError) return [];
    throw error;
  }
}

async function allLabs(engine: Engine): Promise<string[]> {
  return [...new Set([...(await knownLabs(engine)), ...labsWithNotes()])].sort();
}
