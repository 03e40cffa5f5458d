import { existsSync } from 'node:fs';
import { exitCodes } from '../../lib/exit-codes.ts';
import { inspectLive } from '../../observe/inspect.ts';
import { observe } from '../../observe/observe.ts';
import { formatInspection } from '../../report/inspect.ts';
import { painter } from '../../report/style.ts';
import type { RunCommand } from '../command.ts';
import { engineOf } from '../engine-option.ts';
import { filePath, optionalFiles } from '../files.ts';
import { knownLabs, noSuchLab } from '../known-labs.ts';
import { loadLab, requirePrivileges, resolveLabName } from '../lab.ts';

export const run: RunCommand = async (context, { args, options }) => {
  const { io, color } = context;
  const [argument] = args;
  const choice = optionalFiles(io, argument === undefined ? undefined : String(argument), options);
  await requirePrivileges();
  let lab: string | undefined;
  if (choice !== undefined) {
    const isFile = existsSync(filePath(io, choice.file));
    lab = isFile ? (await loadLab(context, choice)).topology.name : await resolveLabName(context, choice);
  }
  const live = await observe(engineOf(context, options), {
    lab,
    nat: new Set(),
    sysctls: new Map(),
    withPeers: true,
  });
  const inspection = inspectLive(live, lab);
  if (lab !== undefined && inspection.namespaces.length === 0) {
    throw noSuchLab(lab, await knownLabs(engineOf(context, options)));
  }
  if (options['json']) io.stdout(`${JSON.stringify({ schemaVersion: 1, ...inspection }, null, 2)}\n`);
  else io.stdout(formatInspection(inspection, painter(color.stdout)));
  return exitCodes.done;
};
