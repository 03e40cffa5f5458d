import type { TopologyFile } from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { addressBits, type Cidr, formatNetwork, overlaps, parseCidr } from '../../lib/ip.ts';
import { pointer } from '../../lib/pointer.ts';
import type { Report } from '../normalize/problem.ts';
import { expandPrefix } from '../normalize/settings.ts';
import type { Member } from './members.ts';
import type { Net } from './read.ts';

/** A pool of subnets for links. */
export interface LinkPool {
  readonly name: string;
  readonly cidr: Cidr;
  /** Of the subnet of one link. */
  readonly prefixLength: number;
  readonly at: string;
}

export function readPools({ pools }: TopologyFile, report: Report): LinkPool[] {
  return Object.entries(pools ?? {}).flatMap(([name, { subnet, prefix }]): LinkPool[] => {
    const at = pointer('pools', name, 'subnet');
    const found = expandPrefix(subnet, { pointer: at, part: 'value' }, report);
    const cidr = found === undefined ? undefined : parseCidr(found.prefix);
    if (cidr === undefined) return [];
    const prefixLength = prefix ?? (cidr.family === 4 ? 31 : 64);
    const longest = addressBits(cidr.family) - 1;
    if (prefixLength >= cidr.prefixLength && prefixLength <= longest)
      return [{ name, cidr, prefixLength, at }];
    const message =
      prefixLength > longest
        ? `a link has two ends, and /${prefixLength} has no room for two addresses; the longest is /${longest}`
        : `${formatNetwork(cidr)} is smaller than the /${prefixLength} of one link`;
    const isGiven = prefix !== undefined;
    report({
      code: 'pool',
      message,
      place: { pointer: isGiven ? pointer('pools', name, 'prefix') : at, part: 'value' },
      ...(isGiven ? {} : { help: 'say with prefix how large the subnet of a link is' }),
    });
    return [];
  });
}

/** Two networks with one bridge: only one that stands under `bridges` can have both. */
export function checkBridges(nets: readonly Net[], report: Report): void {
  const seen = new Map<string, Net>();
  for (const net of nets) {
    const earlier = seen.get(net.bridge);
    if (earlier === undefined) seen.set(net.bridge, net);
    if (earlier === undefined || net.isAttached) continue;
    report({
      code: 'network',
      message: `${net.bridge} is the bridge of network ${earlier.name} too`,
      place: { pointer: net.base, part: 'key' },
      help: `give one of the two another bridge, or write ${net.bridge} under bridges`,
      related: [{ message: `${earlier.name} is here`, place: { pointer: earlier.base, part: 'key' } }],
    });
  }
}

interface Claim {
  readonly title: string;
  readonly cidr: Cidr;
  readonly at: string;
  /** undefined: a pool, whose links may be anywhere. */
  readonly net: Net | undefined;
}

interface Subject {
  readonly nets: readonly Net[];
  readonly members: readonly Member[];
  readonly pools: readonly LinkPool[];
}

/**
 * Networks that do not know each other may have the same subnet; those that meet in a namespace may not.
 *
 * @returns the networks that overlap an earlier one.
 */
export function checkOverlaps({ nets, members, pools }: Subject, report: Report): Net[] {
  const places = new Map(nets.map((net) => [net, new Set([net.namespace])]));
  for (const { net, namespace } of members) places.get(net)?.add(namespace);
  const claims: Claim[] = [
    ...nets.flatMap((net) =>
      net.subnets.map(({ cidr, at }) => ({ title: `network ${net.name}`, cidr, at, net })),
    ),
    ...pools.map(({ name, cidr, at }) => ({ title: `pool ${name}`, cidr, at, net: undefined })),
  ];
  const found = new Set<Net>();
  for (const [index, claim] of claims.entries()) {
    const other = claims
      .slice(0, index)
      .find((earlier) => overlaps(earlier.cidr, claim.cidr) && meet(earlier, claim));
    if (other === undefined) continue;
    reportOverlap(claim, other, report);
    if (claim.net !== undefined) found.add(claim.net);
  }
  return [...found];

  function meet(a: Claim, b: Claim): boolean {
    if (a.net === undefined || b.net === undefined) return true;
    const theirs = places.get(b.net);
    return [...(places.get(a.net) ?? [])].some((namespace) => theirs?.has(namespace));
  }
}

function reportOverlap(claim: Claim, other: Claim, report: Report): void {
  const place = (at: string): Place => ({ pointer: at, part: 'value' });
  report({
    code: 'subnet-overlap',
    message: `${formatNetwork(claim.cidr)} of ${claim.title} overlaps ${formatNetwork(other.cidr)} of ${other.title}`,
    place: place(claim.at),
    help: 'use another subnet for one of the two',
    related: [{ message: `the subnet of ${other.title} is here`, place: place(other.at) }],
  });
}
