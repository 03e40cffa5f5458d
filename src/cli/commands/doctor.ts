import { existsSync } from 'node:fs';
import { daemonProblem } from '../../apply/ovs.ts';
import { netlinkObstacle } from '../../engine/netlink/engine.ts';
import { loadNftables } from '../../engine/netlink/libnftables.ts';
import { ovsSocket } from '../../engine/ovs.ts';
import { UnavailableError } from '../../lib/errors.ts';
import { exitCodes } from '../../lib/exit-codes.ts';
import { type ForeignFilters, filterSources, readForeignFilters } from '../../observe/foreign-filters.ts';
import { examinationJson, formatExamination, lacking } from '../../report/doctor.ts';
import { painter } from '../../report/style.ts';
import { examine } from '../../system/examine.ts';
import { isPrivileged, readPrivileges } from '../../system/privileges.ts';
import { run as runProgram } from '../../system/run.ts';
import type { RunCommand } from '../command.ts';

export const run: RunCommand = async ({ io, color }, { options }) => {
  const privileges = readPrivileges();
  const root = isPrivileged(privileges);
  const nodeVersion = process.versions.node;
  const obstacles = { netlink: netlinkObstacle(), nftables: nftablesObstacle() };
  const ovs = { obstacle: ovsObstacle(), hasModule: existsSync('/sys/module/openvswitch') };
  const filters = root ? await foreignFilters(obstacles.nftables === undefined) : undefined;
  const examination = await examine({
    run: runProgram,
    root,
    privileges,
    nodeVersion,
    obstacles,
    ovs,
    filters,
  });
  io.stdout(
    options['json']
      ? `${JSON.stringify(examinationJson(examination), null, 2)}\n`
      : formatExamination(examination, painter(color.stdout)),
  );
  return lacking(examination).length === 0 ? exitCodes.done : exitCodes.unavailable;
};

/** undefined where they cannot be read, which the findings about tools and privileges explain. */
async function foreignFilters(hasLibrary: boolean): Promise<ForeignFilters | undefined> {
  try {
    return await readForeignFilters(filterSources(runProgram, hasLibrary ? 'netlink' : 'ip'));
  } catch (error) {
    if (error instanceof UnavailableError) return undefined;
    throw error;
  }
}

function ovsObstacle(): string | undefined {
  return existsSync(ovsSocket()) ? daemonProblem() : `there is no ${ovsSocket()}`;
}

function nftablesObstacle(): string | undefined {
  try {
    loadNftables();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
