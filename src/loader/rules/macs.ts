import type { Interface } from '../../topology/model.ts';
import type { Report } from '../normalize/problem.ts';
import type { Subject } from './rules.ts';
import { nameOf } from './segments.ts';

/** A MAC address counts once in a segment: a bridge would send each frame to the port that spoke last. */
export function checkMacs({ topology, segments }: Subject, report: Report): void {
  const seen = new Map<string, Interface>();
  for (const item of topology.interfaces) {
    if (item.macaddress === undefined) continue;
    const key = `${segments.of(item)} ${item.macaddress}`;
    const earlier = seen.get(key);
    if (earlier === undefined) {
      seen.set(key, item);
      continue;
    }
    report({
      code: 'duplicate-mac',
      message: `${nameOf(item)} has the MAC address ${item.macaddress}, as ${nameOf(earlier)} has in the same layer-2 segment`,
      place: item.place,
      help: 'give one of them another macaddress, or leave it out: then each gets its own',
      related: [{ message: `${nameOf(earlier)} is here`, place: earlier.place }],
    });
  }
}
