import type { Topology } from '../topology/model.ts';

/**
 * Remembers what a topology was made into: the same one again for the same `key`, what was found on the machine, so that
 * all that is remembered by the topology itself is not worked out anew for each plan of a run.
 */
export function rememberFilledIn(): (topology: Topology, key: string, make: () => Topology) => Topology {
  const known = new WeakMap<Topology, { readonly key: string; readonly topology: Topology }>();
  return (topology, key, make) => {
    const last = known.get(topology);
    if (last?.key === key) return last.topology;
    const made = make();
    known.set(topology, { key, topology: made });
    return made;
  };
}
