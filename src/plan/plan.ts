import { kindOf, kinds, rankOf } from '../kinds/registry.ts';
import type { Command, LiveResource, ReadContext, Resource } from '../kinds/resource.ts';
import { peerId } from '../kinds/veth.ts';
import { append, compareNames, groupBy } from '../lib/collections.ts';
import type { Live } from '../observe/live.ts';
import type { LabRecord } from '../system/record.ts';
import type { Topology } from '../topology/model.ts';
import { type Difference, type DiffResult, diff, toChange } from './diff.ts';
import { makeBatches, type Node, sortNodes } from './order.ts';
import type { AttributeChange, Conflict, Plan, Step } from './step.ts';

export interface PlanRequest {
  readonly lab: string;
  /** undefined: nothing is wanted, everything of the lab goes. */
  readonly topology: Topology | undefined;
  readonly live: Live;
  readonly record: LabRecord;
}

/** Makes the whole plan from data, without touching the system. */
export function makePlan(request: PlanRequest): Plan {
  const { lab, topology } = request;
  const desired = topology === undefined ? [] : lower(topology);
  const live = readLive(request, desired);
  const result = diff(desired, live);
  const steps = makeSteps(result, desired, lab);
  const nodes = makeNodes(steps, result);
  return {
    lab,
    steps,
    conflicts: result.conflicts.map(toConflict),
    summary: summarize(steps),
    batches: makeBatches(sortNodes(nodes)),
    desired,
  };
}

const lowered = new WeakMap<Topology, readonly Resource[]>();

/** Every desired resource of a topology, in the order of the kinds; made once for the plans of a run. */
export function lower(topology: Topology): readonly Resource[] {
  const known = lowered.get(topology) ?? kinds.flatMap((kind) => kind.lower({ topology }));
  lowered.set(topology, known);
  return known;
}

/** Every live resource that belongs to the lab or is in its way. */
export function readLive({ lab, live, record }: PlanRequest, desired: readonly Resource[]): LiveResource[] {
  const context: ReadContext = { lab, record, wanted: new Set(desired.map(({ id }) => id)) };
  return kinds.flatMap((kind) => kind.read(live, context));
}

function makeSteps(result: DiffResult, desired: readonly Resource[], lab: string): Step[] {
  const wholes = wholeCommands(result, desired, lab);
  const steps = [...result.differences.values()].map((difference) => {
    const step = makeStep(difference, result, wholes);
    return { step, namespace: step.namespace === 'host' ? '' : step.namespace, rank: rankOf(step) };
  });
  steps.sort(
    (a, b) =>
      compareNames(a.namespace, b.namespace) ||
      a.rank - b.rank ||
      compareNames(a.step.resource, b.step.resource),
  );
  return steps.map(({ step }) => step);
}

function makeStep(
  difference: Difference,
  result: DiffResult,
  wholes: ReadonlyMap<string, readonly Command[]>,
): Step {
  const { action, wanted, live, dropsWith } = difference;
  const resource = wanted ?? live;
  if (resource === undefined) throw new Error('a difference without a resource');
  const kind = kindOf(resource);
  const change = toChange(difference);
  const whole = wholes.get(resource.id);
  const removal =
    (action === 'delete' || action === 'replace') && live !== undefined && dropsWith === undefined;
  const making =
    action === 'update'
      ? change === undefined
        ? []
        : kind.update(change)
      : wanted === undefined
        ? []
        : kind.create(wanted);
  return {
    id: `${action} ${resource.id}`,
    action,
    kind: resource.kind,
    resource: resource.id,
    namespace: resource.namespace,
    label: resource.label,
    before: live?.attributes,
    after: wanted?.attributes,
    changes: attributeChanges(difference),
    reason: reasonOf(difference, result),
    place: wanted?.place,
    // What only goes along is said once, at its cause.
    disrupts: action === 'create' || dropsWith !== undefined ? undefined : kind.disrupts?.(change, action),
    removal: removal && live !== undefined ? kindOf(live).remove(live) : [],
    making: whole ?? making,
  };
}

/**
 * Kinds that are replaced as one per namespace get one command for all: it stands at the first changed resource of each
 * namespace, unless the namespace itself goes.
 */
function wholeCommands(
  { differences }: DiffResult,
  desired: readonly Resource[],
  lab: string,
): Map<string, readonly Command[]> {
  const commands = new Map<string, readonly Command[]>();
  const done = new Set<string>();
  const groupOf = ({ kind, namespace }: Resource) => `${kind} ${namespace}`;
  const members = groupBy(
    desired.filter((resource) => kindOf(resource).whole !== undefined),
    groupOf,
  );
  for (const { wanted, live } of differences.values()) {
    const resource = wanted ?? live;
    if (resource === undefined) continue;
    const { whole } = kindOf(resource);
    const group = groupOf(resource);
    if (whole === undefined || done.has(group)) continue;
    if (differences.get(resource.namespace)?.action === 'delete') continue;
    done.add(group);
    commands.set(resource.id, whole(resource.namespace, members.get(group) ?? [], lab));
  }
  return commands;
}

function attributeChanges({ action, wanted, live, attributes }: Difference): AttributeChange[] {
  if (action === 'create' || action === 'delete') return [];
  return attributes.map((attribute) => ({
    attribute,
    before: live?.attributes[attribute],
    after: wanted?.attributes[attribute],
  }));
}

function reasonOf({ action, dropsWith, wanted, live }: Difference, { differences }: DiffResult): string {
  if (dropsWith === undefined) {
    if (action === 'delete') return 'not in the file';
    return action === 'create' ? 'missing' : 'different';
  }
  const cause = differences.get(dropsWith)?.live;
  const isNear = cause?.namespace === (wanted ?? live)?.namespace;
  const name =
    cause?.kind === 'namespace' ? `namespace ${dropsWith}` : isNear ? (cause?.label ?? dropsWith) : dropsWith;
  return wanted === undefined ? `goes with ${name}` : `the kernel drops it with ${name}`;
}

function makeNodes(steps: readonly Step[], { differences }: DiffResult): Node[] {
  const removals: Node[] = [];
  const makings: Node[] = [];
  // What must go first, by the id of what it is needed for: the reverse of the order of making.
  const removedBefore = new Map<string, string[]>();
  for (const { live } of differences.values()) {
    if (live === undefined) continue;
    for (const id of kindOf(live).requires(live)) append(removedBefore, id, `remove ${live.id}`);
  }
  for (const step of steps) {
    const difference = differences.get(step.resource);
    const live = difference?.live;
    const isRemoved = live !== undefined && step.action !== 'update';
    if (isRemoved) {
      const after = removedBefore.get(step.resource) ?? [];
      removals.push({
        key: `remove ${step.resource}`,
        step,
        commands: step.removal,
        after,
        settingsAfter: [],
      });
    }
    if (step.making.length > 0 || difference?.wanted !== undefined) {
      makings.push({ key: `make ${step.resource}`, step, commands: step.making, ...makingAfter(difference) });
    }
  }
  return [...sortByRank(removals, -1), ...sortByRank(makings, 1)];
}

/** In the order of the kinds, or against it; equal ones by name. */
function sortByRank(nodes: readonly Node[], direction: 1 | -1): Node[] {
  const groups = groupBy(nodes, ({ step }) => rankOf(step));
  const ranks = [...groups.keys()].sort((a, b) => direction * (a - b));
  return ranks.flatMap((rank) => (groups.get(rank) ?? []).sort((a, b) => compareNames(a.key, b.key)));
}

function makingAfter(difference: Difference | undefined): Pick<Node, 'after' | 'settingsAfter'> {
  if (difference === undefined) return { after: [], settingsAfter: [] };
  const { wanted, live, dropsWith } = difference;
  const after: string[] = [];
  if (live !== undefined) after.push(`remove ${live.id}`);
  if (dropsWith !== undefined) after.push(`remove ${dropsWith}`, `make ${dropsWith}`);
  if (wanted === undefined) return { after, settingsAfter: [] };
  const kind = kindOf(wanted);
  for (const id of kind.requires(wanted)) after.push(`make ${id}`);
  const peer = peerId(wanted);
  if (peer !== undefined) {
    // The whole old pair must be gone first; the first end of a pair carries the message that makes both.
    after.push(`remove ${peer}`);
    if (wanted.attributes['first'] === false) after.push(`make ${peer}`);
  }
  return { after, settingsAfter: (kind.after?.(wanted) ?? []).map((id) => `make ${id}`) };
}

function toConflict({ wanted, live }: DiffResult['conflicts'][number]): Conflict {
  const lab = typeof live.owner === 'object' ? live.owner.lab : undefined;
  const name =
    wanted.label === 'namespace' ? `namespace ${wanted.namespace}` : `${wanted.label} in ${wanted.namespace}`;
  const stale = live.attributes['stale'] === true;
  const message = stale
    ? `/run/netns/${wanted.namespace} is in the way and is no namespace`
    : lab === undefined
      ? `${name} is already there and does not belong to this lab`
      : `${name} belongs to the lab '${lab}'`;
  const hint = stale
    ? `look at the file and remove it`
    : lab === undefined
      ? 'rename it in the file, or remove the other one yourself: topoweave never touches what it did not make'
      : `rename it in the file, or remove that lab: topoweave destroy ${lab}`;
  return {
    resource: wanted.id,
    namespace: wanted.namespace,
    label: wanted.label,
    lab,
    message,
    hint,
    place: wanted.place,
  };
}

function summarize(steps: readonly Step[]): Plan['summary'] {
  let [add, change, destroy] = [0, 0, 0];
  for (const { action } of steps) {
    if (action === 'create' || action === 'replace') add += 1;
    if (action === 'delete' || action === 'replace') destroy += 1;
    if (action === 'update') change += 1;
  }
  return { add, change, destroy };
}
