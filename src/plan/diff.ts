import { isStale } from '../kinds/namespace.ts';
import { kindOf } from '../kinds/registry.ts';
import {
  type Change,
  type ChangeClass,
  type Kind,
  type LiveResource,
  type Resource,
  sameValue,
} from '../kinds/resource.ts';
import { peerId } from '../kinds/veth.ts';
import { append, byId, groupBy } from '../lib/collections.ts';

const none: readonly string[] = [];

/** What has to happen to one resource, before it becomes a step. */
export interface Difference {
  readonly action: 'create' | 'update' | 'replace' | 'delete';
  readonly wanted: Resource | undefined;
  readonly live: LiveResource | undefined;
  /** For `update` and `replace`: names of the attributes. */
  readonly attributes: readonly string[];
  readonly class: ChangeClass;
  /** The id of the resource whose removal or change takes this one along. */
  readonly dropsWith: string | undefined;
}

export interface DiffResult {
  readonly differences: ReadonlyMap<string, Difference>;
  /** Live resources that are in the way of wanted ones and not ours. */
  readonly conflicts: readonly { readonly wanted: Resource; readonly live: LiveResource }[];
}

/**
 * Compares what the file wants with what is there, and adds what the kernel does by itself: whatever goes along with a
 * removed, replaced or bounced resource is put back, or is gone without a command of its own.
 */
export function diff(wanted: ReadonlyMap<string, Resource>, live: readonly LiveResource[]): DiffResult {
  const liveById = byId(live);
  const differences = new Map<string, Difference>();
  const conflicts: { wanted: Resource; live: LiveResource }[] = [];
  wanted.forEach((resource, id) => {
    const found = liveById.get(id);
    if (found !== undefined && found.owner !== 'ours' && found.owner !== 'builtin') {
      conflicts.push({ wanted: resource, live: found });
      return;
    }
    const difference = compare(resource, found);
    if (difference !== undefined) differences.set(id, difference);
  });
  live.forEach((resource) => {
    if (resource.owner !== 'ours' || wanted.has(resource.id)) return;
    differences.set(resource.id, entry('delete', undefined, resource));
  });
  addCascades(differences, wanted, live, liveById);
  return { differences, conflicts };
}

function compare(wanted: Resource, live: LiveResource | undefined): Difference | undefined {
  if (live === undefined) return entry('create', wanted, undefined);
  if (wanted.kind !== live.kind || isStale(live)) return entry('replace', wanted, live, ['kind']);
  const kind = kindOf(wanted);
  const attributes = changedAttributes(wanted, live, kind.same ?? sameValue);
  if (attributes.length === 0) return undefined;
  const changeClass = strongest(attributes.map((name) => classOf(kind, name, wanted, live)));
  return entry(changeClass === 'replace' ? 'replace' : 'update', wanted, live, attributes, changeClass);
}

function changedAttributes(
  { attributes: wanted }: Resource,
  { attributes: live }: LiveResource,
  same: NonNullable<Kind['same']>,
): readonly string[] {
  let changed = none;
  for (const name in wanted) {
    const value = wanted[name];
    // Most are the very same, which no kind takes for a difference.
    if (value === undefined || value === live[name]) continue;
    if (!same(name, value, live[name])) changed = [...changed, name];
  }
  return changed;
}

function classOf(kind: Kind, attribute: string, wanted: Resource, live: LiveResource): ChangeClass {
  return kind.classOf?.(attribute, wanted, live) ?? kind.changes[attribute] ?? 'replace';
}

const order: readonly ChangeClass[] = ['in-place', 'bounce', 'replace'];

function strongest(classes: readonly ChangeClass[]): ChangeClass {
  return order[Math.max(0, ...classes.map((name) => order.indexOf(name)))] ?? 'in-place';
}

function entry(
  action: Difference['action'],
  wanted: Resource | undefined,
  live: LiveResource | undefined,
  attributes = none,
  changeClass: ChangeClass = 'in-place',
  dropsWith?: string,
): Difference {
  return { action, wanted, live, attributes, class: changeClass, dropsWith };
}

/** Follows what the kernel takes along, until nothing more goes. */
function addCascades(
  differences: Map<string, Difference>,
  wanted: ReadonlyMap<string, Resource>,
  live: readonly LiveResource[],
  liveById: ReadonlyMap<string, LiveResource>,
): void {
  const queue: LiveResource[] = [];
  differences.forEach(({ live: found }) => {
    if (found !== undefined) queue.push(found);
  });
  if (queue.length === 0) return;
  const index = indexLive(live);
  // The kernel's own (`lo`) goes without being a step, but what is on it goes too.
  const unlisted = new Map<string, Difference>();
  const followed = new Set<Difference>();
  // The queue grows on the way.
  for (const cause of queue) {
    const difference = differences.get(cause.id) ?? unlisted.get(cause.id);
    // What was in the queue before its cause was found is in it a second time.
    if (difference === undefined || followed.has(difference)) continue;
    followed.add(difference);
    const gone = isGone(difference) && kindOf(cause).staysBehind !== true;
    const lost = gone
      ? goneWith(cause, difference, differences, index)
      : lostByChange(difference, cause, index, liveById);
    lost.forEach((lostId) => {
      const found = liveById.get(lostId);
      const known = differences.get(lostId);
      if (found === undefined || known?.dropsWith !== undefined || difference.dropsWith === lostId) return;
      if (known !== undefined && mustGoFirst(difference, differences, found)) return;
      if (known !== undefined && letsGo(known, cause.id)) return;
      const again = wanted.get(lostId);
      const isListed = again !== undefined || found.owner === 'ours';
      if (!isListed && unlisted.has(lostId)) return;
      const next = entry(
        again === undefined ? 'delete' : 'replace',
        again,
        found,
        none,
        'in-place',
        cause.id,
      );
      (isListed ? differences : unlisted).set(lostId, next);
      queue.push(found);
    });
    if (!gone) {
      if (difference.class === 'bounce') dropMended(cause.id, differences, index);
      continue;
    }
    // The difference is a new one, so what was followed for an earlier one of the same port is followed again.
    queue.push(...resetAttributes(cause.id, differences, wanted, index));
    for (const user of index.users.get(cause.id) ?? []) {
      const again = wanted.get(user.id);
      const known = differences.get(user.id);
      if (again === undefined || (known !== undefined && known.action !== 'update')) continue;
      differences.set(user.id, entry('replace', again, user, ['interface']));
      queue.push(user);
    }
  }
}

function isGone({ action, dropsWith }: Difference): boolean {
  return action === 'delete' || action === 'replace' || dropsWith !== undefined;
}

/**
 * The kernel takes a namespace apart in the background, so the end of a link that stays outside is removed in its own
 * right, before: when topoweave returns, it is gone.
 */
function mustGoFirst(
  cause: Difference,
  differences: ReadonlyMap<string, Difference>,
  peer: LiveResource,
): boolean {
  // It is given back, and does not go with anything.
  if (kindOf(peer).staysBehind === true) return true;
  const goesWithNamespace = cause.live?.kind === 'veth' && cause.dropsWith === cause.live.namespace;
  return goesWithNamespace && peer.kind === 'veth' && !differences.has(peer.namespace);
}

/** Whether a change makes the resource independent of another, before that one is removed. */
function letsGo({ action, wanted, live }: Difference, id: string): boolean {
  if (action !== 'update' || wanted === undefined || live === undefined) return false;
  const { releases } = kindOf(wanted);
  return releases?.(live).includes(id) === true && !releases({ ...wanted, owner: 'ours' }).includes(id);
}

interface LiveIndex {
  /** Ids of what goes with a resource, by its id. */
  readonly dependents: ReadonlyMap<string, readonly string[]>;
  readonly ports: ReadonlyMap<string, readonly LiveResource[]>;
  /** What uses a resource without going along with it, and has to be made anew with it. */
  readonly users: ReadonlyMap<string, readonly LiveResource[]>;
  readonly inNamespace: (name: string) => readonly LiveResource[];
}

function indexLive(live: readonly LiveResource[]): LiveIndex {
  const dependents = new Map<string, string[]>();
  const ports = new Map<string, LiveResource[]>();
  const users = new Map<string, LiveResource[]>();
  live.forEach((resource) => {
    const { namespace, attributes } = resource;
    const kind = kindOf(resource);
    const outlived = kind.outlives?.(resource) ?? none;
    kind.requires(resource).forEach((id) => {
      // A veth's peer namespace is needed to make the pair; what takes the pair along is the peer itself.
      if (isIn(namespace, id) && !outlived.includes(id)) append(dependents, id, resource.id);
    });
    kind.uses?.(resource).forEach((id) => {
      append(users, id, resource);
    });
    const peer = peerId(resource);
    if (peer !== undefined) append(dependents, peer, resource.id);
    if (attributes['master']) append(ports, `${namespace}/${attributes['master']}`, resource);
  });
  let byNamespace: Map<string, LiveResource[]> | undefined;
  const inNamespace = (name: string) => {
    byNamespace ??= groupBy(live, ({ namespace }) => namespace);
    return byNamespace.get(name) ?? [];
  };
  return { dependents, ports, users, inNamespace };
}

/** Whether an id is that of a namespace or of something in it. */
function isIn(namespace: string, id: string): boolean {
  return id.startsWith(namespace) && (id.length === namespace.length || id[namespace.length] === '/');
}

function goneWith(
  cause: LiveResource,
  { dropsWith }: Difference,
  differences: ReadonlyMap<string, Difference>,
  index: LiveIndex,
): readonly string[] {
  const dependents = index.dependents.get(cause.id) ?? none;
  const kind = kindOf(cause);
  if (kind.dropsWith === undefined) return dependents;
  // Where the whole namespace goes, all that is in it was found as its dependents and as those of its links.
  const namespace = differences.get(cause.namespace);
  if (dropsWith !== undefined && namespace !== undefined && isGone(namespace)) return dependents;
  return [...dependents, ...kind.dropsWith(cause, index.inNamespace(cause.namespace))];
}

/** What a link loses that goes down, for good or for a moment. */
function lostByChange(
  difference: Difference,
  cause: LiveResource,
  index: LiveIndex,
  liveById: ReadonlyMap<string, LiveResource>,
): readonly string[] {
  const goesDown =
    difference.class === 'bounce' ||
    (difference.attributes.includes('state') && difference.wanted?.attributes['state'] === 'down');
  if (!goesDown) {
    if (!difference.attributes.includes('macaddress')) return none;
    return (index.dependents.get(cause.id) ?? none).filter((id) => {
      const dependent = liveById.get(id);
      return dependent !== undefined && kindOf(dependent).lostWithMac?.(dependent) === true;
    });
  }
  return lostWith(cause.id, index, liveById);
}

function lostWith(id: string, index: LiveIndex, liveById: ReadonlyMap<string, LiveResource>): string[] {
  return (index.dependents.get(id) ?? none).flatMap((dependentId) => {
    const dependent = liveById.get(dependentId);
    if (dependent === undefined) return [];
    const { lostWhenDown, fallsWithLink } = kindOf(dependent);
    if (fallsWithLink?.(dependent) === true) return lostWith(dependentId, index, liveById);
    return lostWhenDown?.(dependent) === true ? [dependentId] : [];
  });
}

/** What the kernel mends by itself when a link comes up again is no step; to do it twice would fail. */
function dropMended(link: string, differences: Map<string, Difference>, index: LiveIndex): void {
  for (const id of index.dependents.get(link) ?? none) {
    const known = differences.get(id);
    if (known?.live === undefined) continue;
    const mended = kindOf(known.live).mendedByBounce?.(known.live) ?? none;
    const isMended = known.action === 'update' && known.attributes.every((name) => mended.includes(name));
    if (isMended) differences.delete(id);
  }
}

/**
 * A port whose bridge is made anew has to be put into it again. Gives back those that are down for a moment then, as
 * members of a bond or of a VRF are.
 */
function resetAttributes(
  removed: string,
  differences: Map<string, Difference>,
  wanted: ReadonlyMap<string, Resource>,
  index: LiveIndex,
): LiveResource[] {
  const bounced: LiveResource[] = [];
  for (const port of index.ports.get(removed) ?? []) {
    const again = wanted.get(port.id);
    const lost = kindOf(port).loses?.(port, removed) ?? [];
    const still = lost.filter((name) => again?.attributes[name] === port.attributes[name]);
    if (again === undefined || still.length === 0) continue;
    const known = differences.get(port.id);
    if (known !== undefined && known.action !== 'update') continue;
    const kind = kindOf(port);
    const changeClass = strongest(still.map((name) => classOf(kind, name, again, port)));
    const attributes = [...new Set([...(known?.attributes ?? none), ...still])];
    const worst = strongest([changeClass, known?.class ?? 'in-place']);
    differences.set(port.id, entry('update', again, port, attributes, worst));
    if (changeClass === 'bounce') bounced.push(port);
  }
  return bounced;
}

export function toChange({ wanted, live, attributes, class: changeClass }: Difference): Change | undefined {
  if (wanted === undefined || live === undefined) return undefined;
  return { wanted, live, attributes, class: changeClass };
}
