import { UsageError } from '../lib/errors.ts';
import type { Graph } from './graph.ts';

/** More would not fit below 10.0.0.0/8 as it is shared out here. */
export const MAX_NODES = 4096;

/** A link of a node's own takes two addresses of its 256, of which the first two are taken. */
const MAX_OWN_LINKS = 127;

export interface AddressPlan {
  /** By node: its loopback address. */
  readonly loopbacks: readonly string[];
  /** By link, the addresses of both ends. */
  readonly links: readonly (readonly [string, string])[];
}

/**
 * Node N, counted from 1, has 256 addresses, 10.0.N.0/24 for the first 255: .1 is its loopback address, and its links
 * take two each from .2 on. A link is of the node that has fewer links, so that the addresses of both ends can be
 * reached by one route to that node, and hosts do not fill those of their router.
 */
export function planAddresses({ nodes, links }: Graph): AddressPlan {
  const degrees = new Array<number>(nodes.length).fill(0);
  for (const ends of links) for (const end of ends) degrees[end] = (degrees[end] ?? 0) + 1;
  const owned = new Array<number>(nodes.length).fill(0);
  const pairs = links.map(([a, b]): [string, string] => {
    const [first, second] = (degrees[a] ?? 0) <= (degrees[b] ?? 0) ? [a, b] : [b, a];
    const owner = (owned[first] ?? 0) < MAX_OWN_LINKS ? first : second;
    const count = owned[owner] ?? 0;
    if (count >= MAX_OWN_LINKS)
      throw new UsageError(`${nodes[owner]?.name} has more links than there are addresses for`);
    owned[owner] = count + 1;
    const [near, far] = [addressOf(owner, 2 + 2 * count), addressOf(owner, 3 + 2 * count)];
    return owner === a ? [near, far] : [far, near];
  });
  return { loopbacks: nodes.map((_, index) => addressOf(index, 1)), links: pairs };
}

/** The prefixes that cover the blocks of the nodes from `first` to `last`, and no others. */
export function prefixesOf(first: number, last: number): string[] {
  const prefixes: string[] = [];
  let block = first + 1;
  while (block <= last + 1) {
    let size = 1;
    while (block % (size * 2) === 0 && block + size * 2 <= last + 2) size *= 2;
    prefixes.push(`10.${block >> 8}.${block & 255}.0/${24 - Math.log2(size)}`);
    block += size;
  }
  return prefixes;
}

function addressOf(node: number, host: number): string {
  const block = node + 1;
  return `10.${block >> 8}.${block & 255}.${host}`;
}
