import { isDeepStrictEqual } from 'node:util';
import { dataOf, type MapTree, type Origin, type Tree } from './tree.ts';

/** A value that is written twice: what counts, and what it wins over. */
export interface Override {
  readonly path: readonly string[];
  readonly earlier: Origin;
  readonly later: Origin;
}

export interface MergeOptions {
  /** Which of two maps is the place of both. */
  readonly place: 'base' | 'over';
  readonly onOverride?: (override: Override) => void;
}

/** Maps become one, entry by entry; links and checks follow one another; of all else, what is over the base wins. */
export function mergeMaps(
  base: MapTree,
  over: MapTree,
  options: MergeOptions,
  path: readonly string[] = [],
): MapTree {
  const entries = new Map(base.entries);
  for (const [key, later] of over.entries) {
    const earlier = entries.get(key);
    entries.set(key, earlier === undefined ? later : merge(earlier, later, options, [...path, key]));
  }
  return { ...(options.place === 'base' ? base : over), entries };
}

function merge(base: Tree, over: Tree, options: MergeOptions, path: readonly string[]): Tree {
  const [earlier, later] = alike(base, over, path);
  if (earlier.kind === 'map' && later.kind === 'map') return mergeMaps(earlier, later, options, path);
  if (earlier.kind === 'list' && later.kind === 'list' && isAppended(path))
    return { ...earlier, items: [...earlier.items, ...later.items] };
  // A name with nothing behind it stands for what is known of it.
  if (isNothing(earlier)) return later;
  if (isNothing(later)) return earlier;
  if (!isDeepStrictEqual(dataOf(earlier), dataOf(later)))
    options.onOverride?.({ path, earlier: earlier.origin, later: later.origin });
  return later;
}

function isAppended([section, ...rest]: readonly string[]): boolean {
  return rest.length === 0 && (section === 'links' || section === 'checks');
}

function isNothing(tree: Tree): boolean {
  return tree.kind === 'leaf' && tree.value === null;
}

/** Two forms of the same, in the long one. */
function alike(base: Tree, over: Tree, path: readonly string[]): readonly [Tree, Tree] {
  const last = path.at(-1);
  const [section] = path;
  const isPortList = last === 'ports' && section === 'bridges';
  const isMemberList = last === 'members' && section === 'networks';
  if (path.length === 1 ? last === 'namespaces' : isPortList || isMemberList)
    return [namedMap(base), namedMap(over)];
  const isMember = section === 'networks' && path[2] === 'members';
  const isEndpoint =
    path.length === 4 && (isMember || ['ports', 'endpoints', 'interfaces'].includes(path[2] ?? ''));
  if (!isEndpoint || base.kind === over.kind || (base.kind !== 'map' && over.kind !== 'map'))
    return [base, over];
  return [settingsOf(base), settingsOf(over)];
}

/** A list of names is short for a map to nothing. */
function namedMap(tree: Tree): Tree {
  if (tree.kind !== 'list') return tree;
  const entries = new Map<string, Tree>();
  for (const item of tree.items) {
    if (item.kind !== 'leaf' || typeof item.value !== 'string') return tree;
    entries.set(item.value, { kind: 'leaf', value: null, origin: item.origin });
  }
  return { kind: 'map', entries, origin: tree.origin };
}

/** An address or a list of them is short for `addresses`. */
function settingsOf(tree: Tree): Tree {
  if (tree.kind === 'map' || isNothing(tree)) return tree;
  return { kind: 'map', entries: new Map([['addresses', tree]]), origin: tree.origin };
}
