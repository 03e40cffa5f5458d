import { machineWarnings } from '../../apply/foreign-filters.ts';
import { requireOvs } from '../../apply/ovs.ts';
import { planFor } from '../../apply/reconcile.ts';
import { requireMachine } from '../../apply/requirements.ts';
import type { Engine } from '../../engine/engine.ts';
import { type ExitCode, exitCodes } from '../../lib/exit-codes.ts';
import type { Live } from '../../observe/live.ts';
import type { PlanWarning } from '../../plan/foreign-filters.ts';
import { readLive } from '../../plan/plan.ts';
import type { Plan } from '../../plan/step.ts';
import { formatCommands } from '../../report/commands.ts';
import { formatDocument } from '../../report/document.ts';
import {
  formatConflicts,
  formatPlan,
  formatWarnings,
  type Locate,
  nothingToDestroy,
  planJson,
} from '../../report/plan.ts';
import { painter } from '../../report/style.ts';
import { readRecord } from '../../system/record.ts';
import type { Context, OptionValues, RunCommand } from '../command.ts';
import { damageJson } from '../damage.ts';
import { engineOf } from '../engine-option.ts';
import { chosenFiles } from '../files.ts';
import { loadLab, requirePrivileges } from '../lab.ts';

export const run: RunCommand = async (context, invocation) => {
  const { options } = invocation;
  const lab = await loadLab(context, chosenFiles(context.io, invocation));
  if (options['verbose'] && lab.overrides.length > 0) {
    const { io, color } = context;
    const { formatDiagnostics } = await import('../../report/diagnostics.ts');
    const format = { color: color.stderr, columns: io.columns };
    io.stderr(`${formatDiagnostics(lab.overrides, lab.texts, format)}\n`);
  }
  await requirePrivileges();
  const topology = options['destroy'] ? undefined : lab.topology;
  const engine = engineOf(context, options);
  const { plan, live } = await planFor(engine, {
    lab: lab.topology.name,
    topology,
    file: lab.file,
    declared: lab.topology.namespaces.map(({ name }) => name),
  });
  if (options['diff']) {
    const record = readRecord(plan.lab);
    const decided = new Map(plan.desired.map(({ id, attributes }) => [id, attributes]));
    const found = readLive({ lab: plan.lab, topology, live, record }, plan.desired).filter(
      ({ owner, id }) => owner === 'ours' || decided.has(id),
    );
    const { createTwoFilesPatch } = await import('diff');
    const known = new Map(found.map(({ id, attributes }) => [id, attributes]));
    const before = formatDocument(found, { decided });
    const after = formatDocument(plan.desired, { decided, live: known });
    if (before !== after) context.io.stdout(createTwoFilesPatch('live', 'file', before, after));
  } else if (options['commands']) {
    context.io.stdout(formatCommands(plan));
  } else {
    const warnings = await machineWarnings(topology, live, engine.name);
    const isJson = options['json'] === true;
    printPlan(context, plan, { locate: lab.locate, isJson, warnings, isDestroy: topology === undefined });
    return outcome(engine, { plan, live, options });
  }
  printConflicts(context, plan, lab.locate);
  return outcome(engine, { plan, live, options });
};

async function outcome(
  engine: Engine,
  { plan, live, options }: { readonly plan: Plan; readonly live: Live; readonly options: OptionValues },
): Promise<ExitCode> {
  if (plan.conflicts.length > 0) return exitCodes.failed;
  // What the plan says is told in any case; that the machine cannot do it, behind that.
  requireOvs(plan, live, readRecord(plan.lab));
  await requireMachine(engine, plan);
  return options['detailedExitcode'] && plan.steps.length > 0 ? exitCodes.differences : exitCodes.done;
}

interface PrintOptions {
  readonly locate: Locate;
  readonly isJson: boolean;
  readonly warnings?: readonly PlanWarning[];
  /** The plan is one for a lab that goes. */
  readonly isDestroy?: boolean;
}

/** The plan on stdout, conflicts on stderr; as JSON, one document with both. */
export function printPlan(
  context: Context,
  plan: Plan,
  { locate, isJson, warnings = [], isDestroy = false }: PrintOptions,
): void {
  const { io, color } = context;
  if (isJson) {
    io.stdout(`${JSON.stringify({ ...planJson(plan, locate, warnings), ...damageJson() }, null, 2)}\n`);
    return;
  }
  if (warnings.length > 0) io.stderr(formatWarnings(warnings, painter(color.stderr)));
  if (isDestroy && plan.steps.length === 0) io.stdout(`${nothingToDestroy(plan.lab)}\n`);
  else io.stdout(formatPlan(plan, locate, painter(color.stdout)));
  printConflicts(context, plan, locate);
}

function printConflicts({ io, color }: Context, { conflicts }: Plan, locate: Locate): void {
  if (conflicts.length > 0) io.stderr(formatConflicts(conflicts, locate, painter(color.stderr)));
}
