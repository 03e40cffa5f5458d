import { adoptedInterfaces } from '../kinds/adopted.ts';
import { kindOf, kinds, rankOf } from '../kinds/registry.ts';
import type { Attributes, Change, Command, LiveResource, ReadContext, Resource } from '../kinds/resource.ts';
import { peerId } from '../kinds/veth.ts';
import { append, byId, compareNames, groupBy } from '../lib/collections.ts';
import type { Live } from '../observe/live.ts';
import type { LabRecord } from '../system/record.ts';
import { HOST, type Topology } from '../topology/model.ts';
import { type Difference, type DiffResult, diff, toChange } from './diff.ts';
import { longNames, withKernelNames } from './kernel-names.ts';
import { makeBatches, makeNode, type Node, sortNodes } from './order.ts';
import type { AttributeChange, Conflict, Plan, Step } from './step.ts';

export interface PlanRequest {
  readonly lab: string;
  /** undefined: nothing is wanted, everything of the lab goes. */
  readonly topology: Topology | undefined;
  readonly live: Live;
  readonly record: LabRecord;
  /** Where something was done since all was as the file says; undefined: nothing is known. */
  readonly touched?: ReadonlySet<string>;
}

/** Makes the whole plan from data, without touching the system. */
export function makePlan(request: PlanRequest): Plan {
  const { lab, topology, live } = request;
  const desired = topology === undefined ? [] : lower(topology);
  if (hasNoSteps(request, desired)) return emptyPlan(lab, desired);
  const found = readResources(request, byId(desired));
  return planBetween({ lab, desired, live: found, long: longNames(topology, live) });
}

/**
 * Whether a look at the few namespaces where something was done is enough, since nothing is left to do there. What is read
 * again in any case is compared in any case: the namespaces that there are, services, and files.
 */
function hasNoSteps(request: PlanRequest, desired: readonly Resource[]): boolean {
  const { live, touched, record } = request;
  if (touched === undefined || touched.size * FEW > live.namespaces.size) return false;
  const near = new Set([HOST, ...touched, ...(record.fdb ?? [])]);
  const isNear = (resource: Resource) =>
    near.has(resource.namespace) || kindOf(resource).isReadAlways === true;
  const isThere = ({ kind, namespace }: Resource) => kind !== 'namespace' || live.namespaces.has(namespace);
  if (!desired.every(isThere)) return false;
  const namespaces = new Map([...live.namespaces].filter(([name]) => near.has(name)));
  const wanted = byId(desired.filter(isNear));
  const found = readResources({ ...request, live: { ...live, namespaces, all: live.namespaces } }, wanted);
  const { differences, conflicts } = diff(wanted, found.filter(isNear));
  return differences.size === 0 && conflicts.length === 0;
}

/** One in so many, at the most, are worth a look of their own. */
const FEW = 4;

function emptyPlan(lab: string, desired: readonly Resource[]): Plan {
  return { lab, steps: [], conflicts: [], summary: summarize([]), batches: [], desired };
}

const noNames: ReadonlySet<string> = new Set();

/** The plan for resources that are known: what is live and not desired goes, if it is ours. */
export function planBetween({
  lab,
  desired,
  live,
  long = noNames,
}: {
  readonly lab: string;
  readonly desired: readonly Resource[];
  readonly live: readonly LiveResource[];
  /** Names of interfaces that the kernel knows by another one. */
  readonly long?: ReadonlySet<string>;
}): Plan {
  const result = diff(byId(desired), live);
  const steps = makeSteps(result, { desired, live }, { lab, long });
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
export function readLive(request: PlanRequest, desired: readonly Resource[]): LiveResource[] {
  return readResources(request, byId(desired));
}

function readResources(
  { lab, topology, live, record }: PlanRequest,
  wanted: ReadonlyMap<string, Resource>,
): LiveResource[] {
  const adopted = adoptedInterfaces({ topology, live, record, lab });
  const context: ReadContext = { lab, record, wanted, adopted };
  return kinds.flatMap((kind) => kind.read(live, context));
}

// Most steps share these.
const noCommands: readonly Command[] = [];
const noChanges: readonly AttributeChange[] = [];

interface Resources {
  readonly desired: readonly Resource[];
  readonly live: readonly LiveResource[];
}

/** By namespace, the machine's own first; inside it by kind, then by name. */
function makeSteps(
  result: DiffResult,
  resources: Resources,
  { lab, long }: { lab: string; long: ReadonlySet<string> },
): Step[] {
  const wholes = wholeCommands(result, resources, lab);
  const byNamespace = new Map<string, Step[]>();
  result.differences.forEach((difference) => {
    const step = makeStep(difference, result, { wholes, long });
    append(byNamespace, step.namespace === HOST ? '' : step.namespace, step);
  });
  return [...byNamespace]
    .sort(([a], [b]) => compareNames(a, b))
    .flatMap(([, steps]) =>
      steps.sort((a, b) => rankOf(a) - rankOf(b) || compareNames(a.resource, b.resource)),
    );
}

function makeStep(
  difference: Difference,
  result: DiffResult,
  { wholes, long }: { wholes: ReadonlyMap<string, readonly Command[]>; long: ReadonlySet<string> },
): Step {
  const { action, wanted, live, dropsWith } = difference;
  const resource = wanted ?? live;
  if (resource === undefined) throw new Error('a difference without a resource');
  const kind = kindOf(resource);
  const change = toChange(difference);
  const isRemoved = (action === 'delete' || action === 'replace') && !goesAlong(difference, result);
  return {
    id: `${action} ${resource.id}`,
    action,
    kind: resource.kind,
    resource: resource.id,
    namespace: resource.namespace,
    label: resource.label,
    before: shownAttributes(live),
    after: shownAttributes(wanted, live),
    changes: attributeChanges(difference),
    reason: reasonOf(difference, result),
    place: wanted?.place,
    // What only goes along is said once, at its cause.
    disrupts: action === 'create' || dropsWith !== undefined ? undefined : kind.disrupts?.(change, action),
    removal: isRemoved && live !== undefined ? withKernelNames(kindOf(live).remove(live), long) : noCommands,
    making: withKernelNames(wholes.get(resource.id) ?? makingOf(difference, change), long),
  };
}

/** Whether the kernel removes it without a command of its own. */
function goesAlong({ dropsWith, live }: Difference, { differences }: DiffResult): boolean {
  if (dropsWith === undefined || live === undefined) return dropsWith !== undefined;
  const namespace = differences.get(live.namespace);
  const goesWithNamespace = namespace?.action === 'delete' || namespace?.action === 'replace';
  if (goesWithNamespace) return !reachesOut(live, differences);
  return kindOf(live).survives?.(live, dropsWith) !== true;
}

/**
 * Whether it is on top of something that stays. A process that keeps the namespace would keep it, too, and it would go on
 * to answer there.
 */
function reachesOut(live: LiveResource, differences: DiffResult['differences']): boolean {
  return (kindOf(live).standsOn?.(live) ?? []).some((id) => {
    const action = differences.get(id.slice(0, Math.max(0, id.indexOf('/'))))?.action;
    return action !== 'delete' && action !== 'replace';
  });
}

function makingOf({ action, wanted }: Difference, change: Change | undefined): readonly Command[] {
  if (action === 'update') return change === undefined ? noCommands : kindOf(change.wanted).update(change);
  return wanted === undefined ? noCommands : kindOf(wanted).create(wanted);
}

/**
 * Kinds that are replaced as one per namespace get one command for all: it stands at the first changed resource of each
 * namespace, unless the namespace itself goes.
 */
function wholeCommands(
  { differences }: DiffResult,
  { desired, live }: Resources,
  lab: string,
): Map<string, readonly Command[]> {
  const commands = new Map<string, readonly Command[]>();
  const done = new Set<string>();
  const groupOf = ({ kind, namespace }: Resource) => `${kind} ${namespace}`;
  let members: { wanted: Map<string, Resource[]>; live: Map<string, LiveResource[]> } | undefined;
  let changed: Map<string, Difference[]> | undefined;
  const isPart = (item: Resource) => kindOf(item).whole !== undefined;
  differences.forEach(({ wanted, live: found }) => {
    const resource = wanted ?? found;
    if (resource === undefined) return;
    const { whole } = kindOf(resource);
    if (whole === undefined) return;
    const group = groupOf(resource);
    const namespace = differences.get(resource.namespace)?.action;
    if (done.has(group) || namespace === 'delete') return;
    done.add(group);
    members ??= {
      wanted: groupBy(desired.filter(isPart), groupOf),
      live: groupBy(live.filter(isPart), groupOf),
    };
    changed ??= groupDifferences(differences, groupOf);
    const change = {
      lab,
      wanted: members.wanted.get(group) ?? [],
      live: members.live.get(group) ?? [],
      differences: changed.get(group) ?? [],
      isNew: namespace === 'create' || namespace === 'replace',
    };
    commands.set(resource.id, whole(resource.namespace, change));
  });
  return commands;
}

/** The differences of kinds that are replaced as one. */
function groupDifferences(
  differences: DiffResult['differences'],
  groupOf: (resource: Resource) => string,
): Map<string, Difference[]> {
  const groups = new Map<string, Difference[]>();
  differences.forEach((difference) => {
    const resource = difference.wanted ?? difference.live;
    if (resource !== undefined && kindOf(resource).whole !== undefined)
      append(groups, groupOf(resource), difference);
  });
  return groups;
}

/** A step is shown in many ways, so it has no secrets; its commands have what they need. */
function shownAttributes(resource: Resource | undefined, live?: LiveResource): Attributes | undefined {
  if (resource === undefined) return undefined;
  const { attributes } = resource;
  return kindOf(resource).conceal?.(attributes, live?.attributes) ?? attributes;
}

function attributeChanges({ action, wanted, live, attributes }: Difference): readonly AttributeChange[] {
  if (action === 'create' || action === 'delete') return noChanges;
  const [before, after] = [shownAttributes(live), shownAttributes(wanted, live)];
  return attributes.map((attribute) => ({
    attribute,
    before: before?.[attribute],
    after: after?.[attribute],
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
  if (wanted === undefined) return `goes with ${name}`;
  const stays = live !== undefined && kindOf(live).survives?.(live, dropsWith) === true;
  return stays ? `it is on top of ${name}` : `the kernel drops it with ${name}`;
}

/** The halves of a plan by the ids of their resources. */
interface Halves {
  readonly removals: Map<string, Node>;
  readonly makings: Map<string, Node>;
}

/** The removals, what is made last first, and behind them the makings. */
function makeNodes(steps: readonly Step[], { differences }: DiffResult): Node[] {
  const halves: Halves = { removals: new Map(), makings: new Map() };
  steps.forEach((step) => {
    const { action, resource, making } = step;
    const difference = differences.get(resource);
    if (difference?.live !== undefined && action !== 'update')
      halves.removals.set(resource, makeNode('remove', step));
    if (difference?.wanted !== undefined || making.length > 0)
      halves.makings.set(resource, makeNode('make', step));
  });
  linkRemovals(differences, halves);
  linkRenames(differences, halves);
  linkReleases(differences, halves);
  halves.makings.forEach((node, id) => {
    const difference = differences.get(id);
    if (difference !== undefined) linkMaking(node, difference, halves);
  });
  linkGuards(halves);
  return [...byRank(halves.removals).reverse().flat(), ...byRank(halves.makings).flat()];
}

/** Nodes in the order of their ids, in one list per rank. */
function byRank(nodes: ReadonlyMap<string, Node>): Node[][] {
  const ranks: Node[][] = kinds.map(() => []);
  nodes.forEach((node) => {
    ranks[rankOf(node.step)]?.push(node);
  });
  // They come nearly in this order: by namespace.
  return ranks.map((list) => list.sort((a, b) => compareNames(a.step.resource, b.step.resource)));
}

/** What needs another is removed before it: the reverse of the order of making. */
function linkRemovals(differences: DiffResult['differences'], { removals }: Halves): void {
  if (removals.size === 0) return;
  const before = new Map<Node, Node[]>();
  differences.forEach(({ live }) => {
    const node = live === undefined ? undefined : removals.get(live.id);
    if (live === undefined || node === undefined) return;
    const kind = kindOf(live);
    const first = (id: string) => {
      const other = removals.get(id);
      if (other !== undefined) append(before, other, node);
    };
    kind.requires(live).forEach(first);
    kind.uses?.(live).forEach(first);
  });
  before.forEach((list, node) => {
    node.after = list;
  });
  removals.forEach((node) => {
    if (kindOf(node.step).removedLast !== true) return;
    const places = new Set([node.step.namespace, HOST]);
    const others = [...removals.values()].filter(
      ({ step }) => places.has(step.namespace) && step.kind !== 'namespace' && !kindOf(step).removedLast,
    );
    node.after = [...new Set([...node.after, ...others])];
  });
}

/** What is removed from an interface that is renamed in the same run is named by its new name. */
function linkRenames(differences: DiffResult['differences'], { removals, makings }: Halves): void {
  const isRename = ({ action, attributes }: Difference) => action === 'update' && attributes.includes('name');
  if (![...differences.values()].some(isRename)) return;
  removals.forEach((node, id) => {
    const live = differences.get(id)?.live;
    for (const required of live === undefined ? [] : kindOf(live).requires(live)) {
      const making = makings.get(required);
      const difference = differences.get(required);
      if (making !== undefined && difference !== undefined && isRename(difference))
        node.after = [...node.after, making];
    }
  });
}

/** What is used without being needed for good is removed behind the change that lets go of it. */
function linkReleases(differences: DiffResult['differences'], { removals, makings }: Halves): void {
  if (removals.size === 0) return;
  differences.forEach(({ action, live }, id) => {
    if (action !== 'update' || live === undefined) return;
    for (const used of kindOf(live).releases?.(live) ?? []) {
      const [removal, making] = [removals.get(used), makings.get(id)];
      if (removal === undefined || making === undefined || makings.has(used)) continue;
      removal.after = [...removal.after, making];
    }
  });
}

/** What guards a namespace is there before its interfaces come up, and as long as those that go are there. */
function linkGuards({ removals, makings }: Halves): void {
  const guards = new Map<string, Node[]>();
  makings.forEach((node) => {
    if (node.commands.length > 0 && kindOf(node.step).isBeforeLinks)
      append(guards, node.step.namespace, node);
  });
  if (guards.size === 0) return;
  const isInterface = (attributes: Step['after']) => attributes?.['state'] !== undefined;
  makings.forEach((node) => {
    const own = guards.get(node.step.namespace);
    if (own !== undefined && isInterface(node.step.after)) node.after = [...node.after, ...own];
  });
  removals.forEach((node) => {
    if (!isInterface(node.step.before)) return;
    for (const guard of guards.get(node.step.namespace) ?? []) guard.after = [...guard.after, node];
  });
}

function linkMaking(node: Node, difference: Difference, { removals, makings }: Halves): void {
  const { wanted, live, dropsWith } = difference;
  const after: Node[] = [];
  if (live !== undefined) addNode(after, removals.get(live.id));
  if (dropsWith !== undefined) {
    addNode(after, removals.get(dropsWith));
    // The end that makes a pair waits for the other's removal alone, whose making waits for it.
    const makesIt = wanted?.attributes['first'] === true && peerId(wanted) === dropsWith;
    if (!makesIt && !hasOrderOfItsOwn(wanted, makings.get(dropsWith))) addNode(after, makings.get(dropsWith));
  }
  if (wanted !== undefined) {
    const kind = kindOf(wanted);
    const existing = (id: string) => {
      addNode(after, makings.get(id));
    };
    kind.requires(wanted).forEach(existing);
    kind.uses?.(wanted).forEach(existing);
    const peer = peerId(wanted);
    // The whole old pair must be gone first; the first end of a pair carries the message that makes both.
    if (peer !== undefined) addNode(after, removals.get(peer));
    if (peer !== undefined && wanted.attributes['first'] === false) addNode(after, makings.get(peer));
    const settingsAfter: Node[] = [];
    kind.after?.(wanted).forEach((id) => {
      addNode(settingsAfter, makings.get(id));
    });
    if (settingsAfter.length > 0) node.settingsAfter = settingsAfter;
  }
  // A list that grew has room for more than it will ever hold.
  if (after.length > 0) node.after = after.slice();
}

/** Addresses go with an earlier one of their subnet, which may come behind them in the file, and so in the new order. */
function hasOrderOfItsOwn(wanted: Resource | undefined, cause: Node | undefined): boolean {
  if (wanted === undefined || cause?.step.kind !== wanted.kind || peerId(wanted) !== undefined) return false;
  return !kindOf(wanted).requires(wanted).includes(cause.step.resource);
}

function addNode(list: Node[], node: Node | undefined): void {
  if (node !== undefined) list.push(node);
}

function toConflict({ wanted, live }: DiffResult['conflicts'][number]): Conflict {
  const lab = typeof live.owner === 'object' ? live.owner.lab : undefined;
  const name =
    wanted.label === 'namespace' ? `namespace ${wanted.namespace}` : `${wanted.label} in ${wanted.namespace}`;
  const what = live.attributes['what'];
  if (what !== undefined) return inTheWay(wanted, live.attributes['stale'] === true, String(what));
  const message =
    lab === undefined
      ? `${name} is already there and does not belong to this lab`
      : `${name} belongs to the lab '${lab}'`;
  const hint =
    lab === undefined
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

/** The name of a namespace stands for what is none, or for somebody else's. */
function inTheWay(wanted: Resource, isStale: boolean, what: string): Conflict {
  const { id, namespace, label, place } = wanted;
  const path = `/run/netns/${namespace}`;
  const message = isStale
    ? `${path} is in the way and is no namespace: it is ${what}`
    : `namespace ${namespace} is already there and does not belong to this lab: it is ${what}`;
  const hint = `rename it in the file, or look at ${path} and remove it yourself: topoweave never touches what it did not make`;
  return { resource: id, namespace, label, lab: undefined, message, hint, place };
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
