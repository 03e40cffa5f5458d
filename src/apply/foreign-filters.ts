import type { EngineName } from '../engine/engine.ts';
import { filterSources, readForeignFilters } from '../observe/foreign-filters.ts';
import { foreignWarnings, mayMeetFilters, type PlanWarning } from '../plan/foreign-filters.ts';
import { run } from '../system/run.ts';
import type { Topology } from '../topology/model.ts';

/** Looks for packet filters of others only where the lab has something that they could drop. */
export async function foreignWarningsFor(
  topology: Topology | undefined,
  engine: EngineName,
): Promise<PlanWarning[]> {
  if (topology === undefined || !mayMeetFilters(topology)) return [];
  const sources = filterSources(run, engine);
  const isForwarding = ['ipv4/ip_forward', 'ipv6/conf/all/forwarding'].some(
    (name) => sources.read(`/proc/sys/net/${name}`).trim() === '1',
  );
  return foreignWarnings(topology, await readForeignFilters(sources), isForwarding);
}
