import type { EngineName } from '../engine/engine.ts';
import { filterSources, readForeignFilters } from '../observe/foreign-filters.ts';
import type { Live } from '../observe/live.ts';
import { ownershipWarnings } from '../observe/ownership.ts';
import {
  foreignWarnings,
  mayMeetFilters,
  noDockerUserWarning,
  type PlanWarning,
} from '../plan/foreign-filters.ts';
import { run } from '../system/run.ts';
import type { Topology } from '../topology/model.ts';
import { wantsDockerUser } from './docker-user.ts';

/** What the machine does to the lab beside the plan, which was made from `live`. */
export async function machineWarnings(
  topology: Topology | undefined,
  live: Live,
  engine: EngineName,
): Promise<PlanWarning[]> {
  return [...ownershipWarnings(live), ...(await filterWarnings(topology, live, engine))];
}

async function filterWarnings(
  topology: Topology | undefined,
  { dockerUser }: Live,
  engine: EngineName,
): Promise<PlanWarning[]> {
  if (!wantsDockerUser(topology)) return foreignWarningsFor(topology, engine);
  const families = new Set(dockerUser?.keys());
  const warnings = await foreignWarningsFor(topology, engine, families);
  return families.size === 0 ? [noDockerUserWarning(), ...warnings] : warnings;
}

/** Looks for packet filters of others only where the lab has something that they could drop. */
async function foreignWarningsFor(
  topology: Topology | undefined,
  engine: EngineName,
  integrated?: ReadonlySet<4 | 6>,
): Promise<PlanWarning[]> {
  if (topology === undefined || !mayMeetFilters(topology)) return [];
  const sources = filterSources(run, engine);
  const isForwarding = ['ipv4/ip_forward', 'ipv6/conf/all/forwarding'].some(
    (name) => sources.read(`/proc/sys/net/${name}`).trim() === '1',
  );
  return foreignWarnings(topology, await readForeignFilters(sources), isForwarding, integrated);
}
