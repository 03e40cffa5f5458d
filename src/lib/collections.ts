/** Appends to the list at a key of a map of lists, which is made at its first entry. */
export function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

export function groupBy<K, V>(items: Iterable<V>, keyOf: (item: V) => K): Map<K, V[]> {
  const groups = new Map<K, V[]>();
  for (const item of items) append(groups, keyOf(item), item);
  return groups;
}

export function byId<V extends { readonly id: string }>(items: Iterable<V>): Map<string, V> {
  const map = new Map<string, V>();
  for (const item of items) map.set(item.id, item);
  return map;
}

/** Ordered by code units, the same on each machine. */
export function compareNames(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
