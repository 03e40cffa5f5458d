import { groupBy } from '../../lib/collections.ts';
import { contains, formatNetwork, isHostPrefix, isLinkLocal } from '../../lib/ip.ts';
import type { Subnet } from '../normalize/network.ts';
import type { Report } from '../normalize/problem.ts';
import type { Subject } from './rules.ts';
import type { Segments } from './segments.ts';
import { nameOf } from './segments.ts';

/**
 * Two subnets of a namespace that overlap, on interfaces that are not connected: the kernel has one route for the
 * addresses in both, and so one of the two interfaces is not used. Host prefixes make no such route, and each VRF has
 * its own.
 */
export function checkSubnetOverlaps({ topology, network, segments }: Subject, report: Report): void {
  for (const { name } of topology.namespaces) {
    const all = network.subnetsOf(name);
    if (all.length < 2) continue;
    const subnets = all.filter(({ cidr }) => !isHostPrefix(cidr) && !isLinkLocal(cidr));
    for (const together of groupBy(subnets, ({ item }) => network.vrfOf(item)).values()) {
      for (const family of [4, 6] as const) {
        const ofFamily = together.filter(({ cidr }) => cidr.family === family);
        if (ofFamily.length > 1) checkFamily(ofFamily, segments, report);
      }
    }
  }
}

/** In the order of their first addresses a subnet directly follows those that it is inside of. */
function checkFamily(subnets: readonly Subnet[], segments: Segments, report: Report): void {
  const sorted = subnets.toSorted((a, b) => {
    if (a.cidr.network !== b.cidr.network) return a.cidr.network < b.cidr.network ? -1 : 1;
    return a.cidr.prefixLength - b.cidr.prefixLength;
  });
  const around: Subnet[] = [];
  for (const subnet of sorted) {
    while (around.length > 0 && !isInside(subnet, around.at(-1))) around.pop();
    const segment = segments.of(subnet.item);
    const other = around.findLast(({ item }) => segments.of(item) !== segment);
    if (other !== undefined) reportOverlap(subnet, other, report);
    // An equal subnet of the same segment adds nothing to the ones that are here, and would make the list long.
    const top = around.at(-1);
    if (top?.cidr.prefixLength !== subnet.cidr.prefixLength) around.push(subnet);
  }
}

function isInside({ cidr }: Subnet, outer: Subnet | undefined): boolean {
  return outer !== undefined && contains(outer.cidr, cidr);
}

function reportOverlap(subnet: Subnet, other: Subnet, report: Report): void {
  const [own, otherText] = [formatNetwork(subnet.cidr), formatNetwork(other.cidr)];
  const where = `${subnet.item.namespace}'s ${other.item.name}`;
  report({
    code: 'subnet-overlap',
    message:
      own === otherText
        ? `${own} on ${nameOf(subnet.item)} is also the subnet of ${where}, and the two are not connected`
        : `${own} on ${nameOf(subnet.item)} overlaps ${otherText} of ${where}, and the two are not connected`,
    place: subnet.address.place,
    help: 'use another subnet, or join the two interfaces with a bridge',
    related: [{ message: `${nameOf(other.item)} is in ${otherText}`, place: other.address.place }],
  });
}
