import { machineWarnings } from '../../apply/foreign-filters.ts';
import {
  ApplyError,
  ConflictError,
  planFor,
  type ReconcileResult,
  reconcile,
  type Target,
} from '../../apply/reconcile.ts';
import type { Engine } from '../../engine/engine.ts';
import { type ExitCode, exitCodes } from '../../lib/exit-codes.ts';
import { type Locate, noChanges, nothingToDestroy, planJson } from '../../report/plan.ts';
import { showProgress } from '../../report/progress.ts';
import type { Context, RunCommand } from '../command.ts';
import { damageJson } from '../damage.ts';
import { engineOf } from '../engine-option.ts';
import { chosenFiles } from '../files.ts';
import { onInterrupt } from '../interrupt.ts';
import { loadLab, requirePrivileges } from '../lab.ts';
import { printPlan } from './plan.ts';

export const run: RunCommand = async (context, invocation) => {
  const { options } = invocation;
  const lab = await loadLab(context, chosenFiles(context.io, invocation));
  await requirePrivileges();
  const target: Target = {
    lab: lab.topology.name,
    topology: lab.topology,
    file: lab.file,
    more: lab.more,
  };
  const isJson = options['json'] === true;
  const engine = engineOf(context, options);
  if (options['dryRun']) return dryRun(context, engine, target, { locate: lab.locate, isJson });
  return applyTarget(context, engine, target, { locate: lab.locate, isJson, done: 'Applied' });
};

export async function dryRun(
  context: Context,
  engine: Engine,
  target: Target,
  { locate, isJson }: { locate: Locate; isJson: boolean },
): Promise<ExitCode> {
  const { plan, live } = await planFor(engine, target);
  const warnings = await machineWarnings(target.topology, live, engine.name);
  printPlan(context, plan, { locate, isJson, warnings, isDestroy: target.topology === undefined });
  return plan.conflicts.length > 0 ? exitCodes.failed : exitCodes.done;
}

/** Performs the plan with progress on stderr and the outcome on stdout. */
export async function applyTarget(
  context: Context,
  engine: Engine,
  target: Target,
  { locate, isJson, done }: { locate: Locate; isJson: boolean; done: string },
): Promise<ExitCode> {
  const { io } = context;
  const interrupt = onInterrupt();
  const progress = showProgress(context, isJson);
  try {
    let json: object = {};
    const result = await reconcile(engine, target, {
      signal: interrupt.signal,
      ...(isJson ? { onFirstPlan: (plan) => (json = planJson(plan, locate)) } : {}),
      onPlan: progress.onPlan,
      onEvent: progress.onEvent,
    });
    await progress.end();
    if (result.interrupted) {
      io.stderr(
        `interrupted: what was done stays; run the command again to go on, or: topoweave destroy ${target.lab}\n`,
      );
      return interrupt.exitCode();
    }
    const lost = result.notGivenBack.length === 0 ? {} : { notGivenBack: result.notGivenBack };
    if (isJson)
      io.stdout(`${JSON.stringify({ ...json, applied: true, ...lost, ...damageJson() }, null, 2)}\n`);
    else io.stdout(`${outcome(result, target, done)}\n`);
    return reportLost(io, result);
  } catch (error) {
    if (error instanceof ApplyError || error instanceof ConflictError) error.locate = locate;
    await progress.end(error);
    throw error;
  } finally {
    interrupt.stop();
  }
}

/** The lab is gone, and the next destroy finds nothing; but that the machine is as before would be a lie. */
function reportLost(io: Context['io'], { notGivenBack }: ReconcileResult): ExitCode {
  if (notGivenBack.length === 0) return exitCodes.done;
  io.stderr(`error[not-given-back]: the record of the lab was damaged, so not all is as it was before\n`);
  for (const sentence of notGivenBack) io.stderr(`  ${sentence}\n`);
  io.stderr(
    '  help: look at it, and set by hand what you want otherwise; nothing of the lab itself is left\n',
  );
  return exitCodes.failed;
}

function outcome(
  { hadNothingToDo, summary, removed }: ReconcileResult,
  { lab, topology }: Target,
  done: string,
): string {
  if (hadNothingToDo) return topology === undefined ? nothingToDestroy(lab) : noChanges(lab);
  if (topology === undefined) return `${done} lab '${lab}': ${removal(removed)}.`;
  return `${done} lab '${lab}': ${summary.add} added, ${summary.change} changed, ${summary.destroy} destroyed.`;
}

function removal({ namespaces, fromHost }: ReconcileResult['removed']): string {
  const parts = [
    ...(namespaces === 0
      ? []
      : [
          namespaces === 1
            ? '1 namespace with all that was in it'
            : `${namespaces} namespaces with all that was in them`,
        ]),
    ...(fromHost === 0 ? [] : [`${fromHost} ${fromHost === 1 ? 'object' : 'objects'} of the host`]),
  ];
  return parts.length === 0 ? 'what was left of it' : parts.join(', and ');
}
