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
import { type Locate, noChanges, planJson } from '../../report/plan.ts';
import { showProgress } from '../../report/progress.ts';
import type { Context, RunCommand } from '../command.ts';
import { engineOf } from '../engine-option.ts';
import { chosenFiles } from '../files.ts';
import { onInterrupt } from '../interrupt.ts';
import { loadLab, requireRoot } from '../lab.ts';
import { printPlan } from './plan.ts';

export const run: RunCommand = async (context, invocation) => {
  const { options } = invocation;
  const lab = await loadLab(context, chosenFiles(context.io, invocation));
  requireRoot();
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
  printPlan(context, plan, { locate, isJson, warnings });
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
    let unwritten: string | undefined;
    const result = await reconcile(engine, target, {
      signal: interrupt.signal,
      ...(isJson ? { onFirstPlan: (plan) => (json = planJson(plan, locate)) } : {}),
      onPlan: progress.onPlan,
      onEvent: progress.onEvent,
      onUnwritten: (reason) => (unwritten = reason),
    });
    await progress.end();
    if (unwritten !== undefined) io.stderr(`warning: ${unwritten}; the removal went on without it\n`);
    if (result.interrupted) {
      io.stderr(
        `interrupted: what was done stays; run the command again to go on, or: topoweave destroy ${target.lab}\n`,
      );
      return interrupt.exitCode();
    }
    if (isJson) io.stdout(`${JSON.stringify({ ...json, applied: true }, null, 2)}\n`);
    else io.stdout(`${outcome(result, target, done)}\n`);
    return exitCodes.done;
  } catch (error) {
    if (error instanceof ApplyError || error instanceof ConflictError) error.locate = locate;
    await progress.end(error);
    throw error;
  } finally {
    interrupt.stop();
  }
}

function outcome(
  { hadNothingToDo, summary, removed }: ReconcileResult,
  { lab, topology }: Target,
  done: string,
): string {
  if (hadNothingToDo)
    return topology === undefined ? `Nothing to destroy: there is no lab '${lab}'.` : noChanges(lab);
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
