import { isStale } from '../kinds/namespace.ts';
import { kindOf } from '../kinds/registry.ts';
import {
  type Change,
  type ChangeClass,
  type LiveResource,
  type Resource,
  sameValue,
} from '../kinds/resource.ts';
import { peerId } from '../kinds/veth.ts';
import { append } from '../lib/collections.ts';

/** What has to happen to one resource, before it becomes a step. */
export interface Difference {
  readonly action: 'create' | 'update' | 'replace' | 'delete';
  readonly wanted: Resource | undefined;
  readonly live: LiveResource | undefined;
  /** For `update` and `replace`: names of the attributes. */
  attributes: string[];
  class: ChangeClass;
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
export function diff(wanted: readonly Resource[], live: readonly LiveResource[]): DiffResult {
  const liveById = new Map(live.map((resource) => [resource.id, resource]));
  const wantedById = new Map(wanted.map((resource) => [resource.id, resource]));
  const differences = new Map<string, Difference>();
  const conflicts: { wanted: Resource; live: LiveResource }[] = [];
  for (const resource of wanted) {
    const found = liveById.get(resource.id);
    if (found !== undefined && found.owner !== 'ours' && found.owner !== 'builtin') {
      conflicts.push({ wanted: resource, live: found });
      continue;
    }
    const difference = compare(resource, found);
    if (difference !== undefined) differences.set(resource.id, difference);
  }
  for (const resource of live) {
    if (resource.owner !== 'ours' || wantedById.has(resource.id)) continue;
    differences.set(resource.id, entry('delete', undefined, resource));
  }
  addCascades(differences, wantedById, live);
  return { differences, conflicts };
}

function compare(wanted: Resource, live: LiveResource | undefined): Difference | undefined {
  if (live === undefined) return entry('create', wanted, undefined);
  if (wanted.kind !== live.kind || isStale(live))
    return { ...entry('replace', wanted, live), attributes: ['kind'] };
  const kind = kindOf(wanted);
  const attributes = Object.keys(wanted.attributes).filter((name) => {
    const value = wanted.attributes[name];
    if (value === undefined) return false;
    return !(kind.same ?? sameValue)(name, value, live.attributes[name]);
  });
  if (attributes.length === 0) return undefined;
  const changeClass = strongest(attributes.map((name) => kind.changes[name] ?? 'replace'));
  if (changeClass === 'replace') return { ...entry('replace', wanted, live), attributes, class: 'replace' };
  return { ...entry('update', wanted, live), attributes, class: changeClass };
}

const order: readonly ChangeClass[] = ['in-place', 'bounce', 'replace'];

function strongest(classes: readonly ChangeClass[]): ChangeClass {
  return order[Math.max(0, ...classes.map((name) => order.indexOf(name)))] ?? 'in-place';
}

function entry(
  action: Difference['action'],
  wanted: Resource | undefined,
  live: LiveResource | undefined,
  dropsWith?: string,
): Difference {
  return { action, wanted, live, attributes: [], class: 'in-place', dropsWith };
}

/** Follows what the kernel takes along, until nothing more goes. */
function addCascades(
  differences: Map<string, Difference>,
  wantedById: ReadonlyMap<string, Resource>,
  live: readonly LiveResource[],
): void {
  const queue = [...differences.values()].filter(({ live: found }) => found !== undefined);
  if (queue.length === 0) return;
  const index = indexLive(live);
  // The kernel's own (`lo`) goes without being a step, but what is on it goes too.
  const unlisted = new Map<string, Difference>();
  for (let position = 0; position < queue.length; position += 1) {
    const id = queue[position]?.live?.id ?? '';
    const difference = differences.get(id) ?? unlisted.get(id);
    const cause = difference?.live;
    if (difference === undefined || cause === undefined) continue;
    const lost = isGone(difference) ? goneWith(cause, index) : lostByChange(difference, cause, index);
    for (const lostId of lost) {
      const found = index.byId.get(lostId);
      const wanted = wantedById.get(lostId);
      const known = differences.get(lostId);
      if (found === undefined || known?.dropsWith !== undefined || difference.dropsWith === lostId) continue;
      if (known !== undefined && mustGoFirst(difference, differences, found)) continue;
      const next = entry(wanted === undefined ? 'delete' : 'replace', wanted, found, cause.id);
      const isListed = wanted !== undefined || found.owner === 'ours';
      if (!isListed && unlisted.has(lostId)) continue;
      (isListed ? differences : unlisted).set(lostId, next);
      queue.push(next);
    }
    if (isGone(difference)) resetAttributes(cause.id, differences, wantedById, index);
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
  const goesWithNamespace = cause.live?.kind === 'veth' && cause.dropsWith === cause.live.namespace;
  return goesWithNamespace && peer.kind === 'veth' && !differences.has(peer.namespace);
}

interface LiveIndex {
  readonly byId: ReadonlyMap<string, LiveResource>;
  readonly dependents: ReadonlyMap<string, readonly string[]>;
  readonly byNamespace: ReadonlyMap<string, readonly LiveResource[]>;
  readonly ports: ReadonlyMap<string, readonly LiveResource[]>;
}

function indexLive(live: readonly LiveResource[]): LiveIndex {
  const dependents = new Map<string, string[]>();
  const byNamespace = new Map<string, LiveResource[]>();
  const ports = new Map<string, LiveResource[]>();
  for (const resource of live) {
    append(byNamespace, resource.namespace, resource);
    for (const id of kindOf(resource).requires(resource)) {
      // A veth's peer namespace is needed to make the pair; what takes the pair along is the peer itself.
      if (id === resource.namespace || id.startsWith(`${resource.namespace}/`))
        append(dependents, id, resource.id);
    }
    const peer = peerId(resource);
    if (peer !== undefined) append(dependents, peer, resource.id);
    if (resource.attributes['master'])
      append(ports, `${resource.namespace}/${resource.attributes['master']}`, resource);
  }
  return { byId: new Map(live.map((resource) => [resource.id, resource])), dependents, byNamespace, ports };
}

function goneWith(cause: LiveResource, index: LiveIndex): string[] {
  const others = kindOf(cause).dropsWith?.(cause, index.byNamespace.get(cause.namespace) ?? []) ?? [];
  return [...(index.dependents.get(cause.id) ?? []), ...others];
}

/** What a link loses that goes down, for good or for a moment. */
function lostByChange(difference: Difference, cause: LiveResource, index: LiveIndex): string[] {
  const goesDown =
    difference.class === 'bounce' ||
    (difference.attributes.includes('state') && difference.wanted?.attributes['state'] === 'down');
  if (!goesDown) return [];
  return (index.dependents.get(cause.id) ?? []).filter((id) => {
    const dependent = index.byId.get(id);
    return dependent !== undefined && kindOf(dependent).lostWhenDown?.(dependent) === true;
  });
}

/** A port whose bridge is made anew has to be put into it again. */
function resetAttributes(
  removed: string,
  differences: Map<string, Difference>,
  wantedById: ReadonlyMap<string, Resource>,
  index: LiveIndex,
): void {
  for (const port of index.ports.get(removed) ?? []) {
    const wanted = wantedById.get(port.id);
    const lost = kindOf(port).loses?.(port, removed) ?? [];
    const still = lost.filter((name) => wanted?.attributes[name] === port.attributes[name]);
    if (wanted === undefined || still.length === 0) continue;
    const known = differences.get(port.id);
    if (known === undefined)
      differences.set(port.id, { ...entry('update', wanted, port), attributes: still });
    else if (known.action === 'update') known.attributes = [...new Set([...known.attributes, ...still])];
  }
}

export function toChange({ wanted, live, attributes, class: changeClass }: Difference): Change | undefined {
  if (wanted === undefined || live === undefined) return undefined;
  return { wanted, live, attributes, class: changeClass };
}
