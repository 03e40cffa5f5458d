import type { Bridge, Namespace, Nat, OvsBridge, TopologyFile } from '../../generated/topology-file.ts';
import { pointer } from '../../lib/pointer.ts';
import { HOST } from '../../topology/model.ts';

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
export type NamespaceDraft = Mutable<NonNullable<Namespace>>;
export type BridgeDraft = Mutable<NonNullable<Bridge>> | Mutable<OvsBridge>;

/** The file with what networks and pools stand for, and where each part that is new comes from. */
export interface Draft {
  readonly namespaces: Map<string, NamespaceDraft>;
  readonly bridges: Map<string, BridgeDraft>;
  readonly links: NonNullable<TopologyFile['links']>[number][];
  /** By the pointer of what is new: the pointer of what stands for it in the file. */
  readonly origins: Map<string, string>;
  /** The lists that were added to, by their pointer. */
  readonly own: Map<string, unknown[]>;
}

export function createDraft({ namespaces = {}, bridges = {}, links = [] }: TopologyFile): Draft {
  const origins = new Map<string, string>();
  const byName = new Map<string, NamespaceDraft>();
  if (Array.isArray(namespaces)) {
    for (const [index, name] of namespaces.entries()) {
      if (byName.has(name)) continue;
      byName.set(name, {});
      origins.set(pointer('namespaces', name), pointer('namespaces', index));
    }
  } else {
    for (const [name, raw] of Object.entries(namespaces)) byName.set(name, { ...raw });
  }
  return {
    namespaces: byName,
    bridges: new Map(Object.entries(bridges).map(([name, raw]) => [name, { ...raw }])),
    links: [...links],
    origins,
    own: new Map(),
  };
}

/** Networks and pools are written out, so they are not there any more. */
export function finishDraft(data: TopologyFile, { namespaces, bridges, links }: Draft): TopologyFile {
  const { networks: _networks, pools: _pools, defaults, ...rest } = data;
  const { pool: _pool, ...others } = defaults ?? {};
  return {
    ...rest,
    ...(defaults === undefined ? {} : { defaults: others }),
    ...(namespaces.size === 0 ? {} : { namespaces: Object.fromEntries(namespaces) }),
    ...(bridges.size === 0 ? {} : { bridges: Object.fromEntries(bridges) }),
    ...(links.length === 0 ? {} : { links }),
  };
}

/** A namespace to add to; the machine's own need not be declared. undefined: there is none of that name. */
export function namespaceOf(
  { namespaces, origins }: Draft,
  name: string,
  origin: string,
): NamespaceDraft | undefined {
  const known = namespaces.get(name);
  if (known !== undefined || name !== HOST) return known;
  const made: NamespaceDraft = {};
  namespaces.set(HOST, made);
  origins.set(pointer('namespaces', HOST), origin);
  return made;
}

type NatEntry = NonNullable<Nat['masquerade' | 'snat' | 'publish']>[number];

/** Adds an entry behind those that a list of a namespace's `nat` has. */
export function addNat<Key extends 'masquerade' | 'snat' | 'publish'>(
  draft: Draft,
  { namespace, origin }: { readonly namespace: string; readonly origin: string },
  key: Key,
  entry: NonNullable<Nat[Key]>[number],
): void {
  const target = namespaceOf(draft, namespace, origin);
  if (target === undefined) return;
  const present: readonly NatEntry[] = target.nat?.[key] ?? [];
  addTo<NatEntry>(
    draft,
    { at: pointer('namespaces', namespace, 'nat', key), origin },
    { item: entry, present },
    (list) => {
      target.nat = { ...target.nat, [key]: list };
    },
  );
}

/** Adds to what a namespace exposes, or to its names. */
export function addListed<Key extends 'expose' | 'aliases'>(
  draft: Draft,
  { namespace, origin }: { readonly namespace: string; readonly origin: string },
  key: Key,
  entry: NonNullable<NamespaceDraft[Key]>[number],
): void {
  const target = namespaceOf(draft, namespace, origin);
  if (target === undefined) return;
  const place = { at: pointer('namespaces', namespace, key), origin };
  addTo<string | number>(draft, place, { item: entry, present: target[key] ?? [] }, (list) => {
    target[key] = list as NamespaceDraft[Key];
  });
}

/** The list of the file is copied once, and then added to. */
function addTo<Item>(
  { own, origins }: Draft,
  { at, origin }: { readonly at: string; readonly origin: string },
  { item, present }: { readonly item: Item; readonly present: readonly Item[] },
  put: (list: Item[]) => void,
): void {
  let list = own.get(at) as Item[] | undefined;
  if (list === undefined) {
    list = [...present];
    own.set(at, list);
    put(list);
  }
  origins.set(`${at}/${list.length}`, origin);
  list.push(item);
}
