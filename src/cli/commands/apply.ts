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
import { formatWarnings, type Locate, noChanges, nothingToDestroy, planJson } from '../../report/plan.ts';
import { showProgress } from '../../report/progress.ts';
import { painter } from '../../report/style.ts';
import type { Survivors } from '../../system/survivors.ts';
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
  { locate, isJson, done, kill = false }: { locate: Locate; isJson: boolean; done: string; kill?: boolean },
): Promise<ExitCode> {
  const { io, color } = context;
  const interrupt = onInterrupt();
  const progress = showProgress(context, isJson);
  try {
    let json: object = {};
    let unwritten: string | undefined;
    const result = await reconcile(engine, target, {
      signal: interrupt.signal,
      kill,
      ...(isJson ? { onFirstPlan: (plan) => (json = planJson(plan, locate)) } : {}),
      onPlan: progress.onPlan,
      onEvent: progress.onEvent,
      onUnwritten: (reason) => (unwritten = reason),
    });
    await progress.end();
    if (result.warnings.length > 0 && !isJson)
      io.stderr(formatWarnings(result.warnings, painter(context.color.stderr)));
    if (unwritten !== undefined) io.stderr(`warning: ${unwritten}; the removal went on without it\n`);
    if (result.interrupted) {
      io.stderr(
        `interrupted: what was done stays; run the command again to go on, or: topoweave destroy ${target.lab}\n`,
      );
      return interrupt.exitCode();
    }
    const { survivors } = result;
    const lost = result.notGivenBack.length === 0 ? {} : { notGivenBack: result.notGivenBack };
    const warnings = result.warnings.length === 0 ? {} : { warnings: result.warnings };
    const more = { ...warnings, ...lost, survivors, ...damageJson() };
    if (isJson) io.stdout(`${JSON.stringify({ ...json, applied: true, ...more }, null, 2)}\n`);
    else io.stdout(`${outcome(result, target, done)}\n`);
    const code = reportLost(io, result);
    if (survivors.processes.length + survivors.mounts.length === 0) return code;
    const { formatSurvivors } = await import('../../report/survivors.ts');
    if (!isJson)
      io.stderr(formatSurvivors(survivors, { lab: target.lab, kill, paint: painter(color.stderr) }));
    return exitCodes.failed;
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

function outcome(result: ReconcileResult, target: Target, done: string): string {
  const { ended } = result.survivors;
  const processes = `${ended} ${ended === 1 ? 'process' : 'processes'}`;
  const change = changeOf(result, target, done);
  return ended === 0 ? change : `${change}\nEnded ${processes} that kept namespaces of it.`;
}

function changeOf(
  { hadNothingToDo, summary, removed, survivors }: ReconcileResult,
  { lab, topology }: Target,
  done: string,
): string {
  if (hadNothingToDo) return topology === undefined ? nothingToDestroy(lab) : noChanges(lab);
  if (topology === undefined) return `${done} lab '${lab}': ${removal(removed, survivors)}.`;
  return `${done} lab '${lab}': ${summary.add} added, ${summary.change} changed, ${summary.destroy} destroyed.`;
}

function removal(
  { namespaces, fromHost }: ReconcileResult['removed'],
  { processes, mounts }: Survivors,
): string {
  // What lives on is told behind it.
  const isWhole = processes.length + mounts.length === 0;
  const parts = [
    ...(namespaces === 0
      ? []
      : [
          namespaces === 1
            ? `1 namespace${isWhole ? ' with all that was in it' : ''}`
            : `${namespaces} namespaces${isWhole ? ' with all that was in them' : ''}`,
        ]),
    ...(fromHost === 0 ? [] : [`${fromHost} ${fromHost === 1 ? 'object' : 'objects'} of the host`]),
  ];
  return parts.length === 0 ? 'what was left of it' : parts.join(', and ');
}
