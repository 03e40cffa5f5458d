import { formerState, presentState } from '../kinds/adopted.ts';
import { heldBack, lostWithMac, obstaclesOf } from '../kinds/adopted-losses.ts';
import { interfaceId } from '../kinds/interface.ts';
import type { Resource } from '../kinds/resource.ts';
import { byId } from '../lib/collections.ts';
import type { Live } from '../observe/live.ts';
import type { Plan } from '../plan/step.ts';
import type { AdoptedRecord, LabRecord } from '../system/record.ts';
import type { Topology } from '../topology/model.ts';

type Adopted = LabRecord['adopted'];

/** How adopted interfaces are, before the first change, and what the kernel drops from them by what is about to be done. */
export function claimAdopted(
  record: LabRecord,
  plan: Plan,
  { live, topology }: { readonly live: Live; readonly topology: Topology | undefined },
): Adopted {
  const adopted: Record<string, AdoptedRecord> = { ...record.adopted };
  for (const { kind, resource, action, before, after } of plan.steps) {
    if (kind !== 'adopted' || action === 'delete' || before === undefined) continue;
    const isExact = after?.['isExact'] !== false;
    if (adopted[resource] === undefined || (isExact && !adopted[resource].isExact))
      adopted[resource] = formerState(before, isExact);
  }
  const changes = new Map(plan.steps.map((step) => [step.resource, step]));
  const setsMac = (id: string) => {
    const { action, before, changes: list = [] } = changes.get(id) ?? {};
    if (action === 'delete') return before?.['macaddress'] !== before?.['former macaddress'];
    return list.some(({ attribute }) => attribute === 'macaddress');
  };
  const wanted = byId(plan.desired);
  for (const [id, origin] of originsOf(topology, adopted)) {
    const resource = wanted.get(id);
    const known = adopted[id];
    if (known?.isExact === true || (known === undefined && resource?.attributes['isExact'] !== false))
      continue;
    const now = presentState(live, { id, origin, record });
    if (now === undefined) continue;
    const obstacles = resource && obstaclesOf(resource, (other) => wanted.get(other));
    const lost = [
      ...(obstacles === undefined ? [] : heldBack(now.lines, obstacles)),
      ...(setsMac(id) ? lostWithMac(now.lines) : []),
    ];
    if (lost.length > 0 || known !== undefined)
      adopted[id] = { ...(known ?? now), lines: [...new Set([...(known?.lines ?? []), ...lost])] };
  }
  for (const resource of plan.desired) {
    const known = adopted[resource.id];
    if (resource.kind === 'adopted' && known !== undefined)
      adopted[resource.id] = withGiven(known, [...(known.given ?? []), ...givenBy(resource)]);
  }
  return adopted;
}

/** When all is as the file says: what an interface has again is its own, and may change. */
export function adoptedInUse({ adopted }: LabRecord, plan: Plan): Adopted {
  if (Object.keys(adopted).length === 0) return adopted;
  const wanted = byId(plan.desired);
  const used: Record<string, AdoptedRecord> = {};
  for (const [id, former] of Object.entries(adopted)) {
    const resource = wanted.get(id);
    if (resource === undefined) continue;
    const obstacles = obstaclesOf(resource, (other) => wanted.get(other));
    const lines = former.isExact ? former.lines : heldBack(former.lines, obstacles);
    const given = givenBy(resource).filter((name) => resource.attributes[name] !== former[name]);
    used[id] = { ...withGiven(former, given), lines };
  }
  return used;
}

/** A setting that left the file while its interface stays is to be what it was; one that was never in it is nobody's. */
export function withFormerSettings(topology: Topology, { adopted }: LabRecord): Topology {
  const hasLeft = Object.values(adopted).some(({ given = [] }) => given.length > 0);
  if (!hasLeft) return topology;
  let isChanged = false;
  const interfaces = topology.interfaces.map((item) => {
    const former = item.kind === 'adopted' ? adopted[interfaceId(item.namespace, item.name)] : undefined;
    if (former?.given === undefined) return item;
    const isMtu = former.given.includes('mtu') && item.mtuPlace === undefined;
    const isMac = former.given.includes('macaddress') && item.macaddress === undefined;
    if (!isMtu && !isMac) return item;
    isChanged = true;
    return {
      ...item,
      ...(isMtu ? { mtu: former.mtu, mtuPlace: item.place } : {}),
      ...(isMac ? { macaddress: former.macaddress } : {}),
    };
  });
  return isChanged ? { ...topology, interfaces } : topology;
}

/** Adopted interfaces of the file and of the record, by id, with the name that the host has for them. */
function originsOf(topology: Topology | undefined, adopted: Adopted): Map<string, string> {
  const origins = new Map(Object.entries(adopted).map(([id, { name }]) => [id, name]));
  for (const item of topology?.interfaces ?? [])
    if (item.kind === 'adopted') origins.set(interfaceId(item.namespace, item.name), item.origin);
  return origins;
}

function givenBy({ attributes }: Resource): ('mtu' | 'macaddress')[] {
  return (['mtu', 'macaddress'] as const).filter((name) => attributes[name] !== undefined);
}

function withGiven(former: AdoptedRecord, names: readonly string[]): AdoptedRecord {
  const { given: _given, ...rest } = former;
  return names.length === 0 ? rest : { ...rest, given: [...new Set(names)] };
}
