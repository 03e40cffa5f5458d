import { existsSync } from 'node:fs';
import { planFor } from '../../apply/reconcile.ts';
import { TopoweaveError } from '../../lib/errors.ts';
import { type ExitCode, exitCodes } from '../../lib/exit-codes.ts';
import { listLabs } from '../../observe/labs.ts';
import { observeMarks } from '../../observe/observe.ts';
import { ownershipWarnings } from '../../observe/ownership.ts';
import { formatConflicts, formatPlan, formatWarnings, planJson } from '../../report/plan.ts';
import { painter } from '../../report/style.ts';
import { formatTable } from '../../report/table.ts';
import { peekRecord, readRecord, recordedLabs } from '../../system/record.ts';
import type { Context, OptionValues, RunCommand } from '../command.ts';
import { damageJson } from '../damage.ts';
import { engineOf } from '../engine-option.ts';
import { type Choice, filePath, optionalFiles } from '../files.ts';
import { knownLabs, noSuchLab } from '../known-labs.ts';
import { loadLab, requireRoot, resolveLabName } from '../lab.ts';

export const run: RunCommand = async (context, { args, options }) => {
  const [argument] = args;
  const named = optionalFiles(context.io, argument === undefined ? undefined : String(argument), options);
  if (named === undefined) return listAll(context, options);
  const choice = await knownFiles(context, named, options);
  const { file } = choice;
  const lab = await loadLab(context, choice);
  requireRoot();
  const { plan } = await planFor(engineOf(context, options), {
    lab: lab.topology.name,
    topology: lab.topology,
    file: lab.file,
  });
  const { io, color } = context;
  if (options['json']) {
    io.stdout(
      `${JSON.stringify({ ...planJson(plan, lab.locate), inSync: plan.steps.length + plan.conflicts.length === 0, ...damageJson() }, null, 2)}\n`,
    );
  } else if (plan.steps.length === 0 && plan.conflicts.length === 0) {
    io.stdout(`Lab '${plan.lab}' is as ${file} says: no drift.\n`);
  } else {
    io.stdout(
      `Lab '${plan.lab}' differs from ${file}. '+': only in the file; '-': only in the system; '~': different.\n\n`,
    );
    io.stdout(formatPlan(plan, lab.locate, painter(color.stdout)));
    if (plan.conflicts.length > 0)
      io.stderr(formatConflicts(plan.conflicts, lab.locate, painter(color.stderr)));
  }
  const isSame = plan.steps.length + plan.conflicts.length === 0;
  return options['detailedExitcode'] && !isSame ? exitCodes.differences : exitCodes.done;
};

async function listAll(context: Context, options: OptionValues): Promise<ExitCode> {
  requireRoot();
  const { io } = context;
  const live = await observeMarks(engineOf(context, options));
  const { services = [] } = live;
  const warnings = ownershipWarnings(live);
  if (warnings.length > 0 && !options['json'])
    io.stderr(formatWarnings(warnings, painter(context.color.stderr)));
  const marked = listLabs(live);
  const names = new Set([...marked.map(({ name }) => name), ...recordedLabs()]);
  const labs = [...names].sort().map((name) => {
    const found = marked.find((lab) => lab.name === name);
    const { file } = peekRecord(name);
    const states = services.flatMap(({ lab, state }) => (lab === name ? [state] : []));
    return {
      name,
      namespaces: found?.namespaces ?? [],
      interfaces: found?.interfaces ?? 0,
      services: { total: states.length, running: states.filter((state) => state === 'running').length },
      file: file ?? null,
    };
  });
  if (options['json']) {
    io.stdout(`${JSON.stringify({ schemaVersion: 1, labs, ...damageJson() }, null, 2)}\n`);
  } else if (labs.length === 0) {
    io.stdout('No labs on this machine.\n');
  } else {
    // Few labs have services.
    const some = services.length > 0;
    const rows = labs.map(({ name, namespaces, interfaces, services: { total, running }, file }) => [
      name,
      String(namespaces.length),
      String(interfaces),
      ...(some ? [total === running ? String(total) : `${running} of ${total}`] : []),
      file ?? '(unknown)',
    ]);
    const titles = ['LAB', 'NAMESPACES', 'INTERFACES', ...(some ? ['SERVICES'] : []), 'FILE'];
    io.stdout(formatTable(titles, rows));
  }
  return exitCodes.done;
}

/** A name means the files that the lab was applied from, with the variables that were given then. */
async function knownFiles(context: Context, choice: Choice, options: OptionValues): Promise<Choice> {
  const { io } = context;
  if (choice.file === '-' || existsSync(filePath(io, choice.file))) return choice;
  const name = await resolveLabName(context, choice);
  const { file, more = { over: [], set: {} } } = readRecord(name);
  if (file !== undefined && [file, ...more.over].every((path) => existsSync(path))) {
    const { overlays = [], set = new Map<string, string>() } = choice.load;
    const before = more.over.map((path) => ({ shown: path, path }));
    const all = new Map([...Object.entries(more.set), ...set]);
    return { file, load: { overlays: [...before, ...overlays], set: all, env: io.env } };
  }
  requireRoot();
  const labs = await knownLabs(engineOf(context, options));
  if (!labs.includes(name)) throw noSuchLab(name, labs);
  const why = file === undefined ? 'is not known' : `was ${file}, which is gone`;
  throw new TopoweaveError('no-file', `the file of lab '${name}' ${why}`, {
    hint: `give the file: topoweave status FILE; to see what is there: topoweave inspect ${name}`,
  });
}
