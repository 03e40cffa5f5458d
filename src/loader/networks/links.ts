import type { EndpointSettings, Link, TopologyFile } from '../../generated/topology-file.ts';
import { append } from '../../lib/collections.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { addressBits, formatIp, formatNetwork } from '../../lib/ip.ts';
import { pointer } from '../../lib/pointer.ts';
import { HOST } from '../../topology/model.ts';
import type { Report } from '../normalize/problem.ts';
import { suggest } from '../suggest.ts';
import { allocate } from './allocate.ts';
import type { Draft } from './draft.ts';
import type { LinkPool } from './overlaps.ts';
import { textsOf } from './read.ts';
import type { Scan } from './scan.ts';

interface File {
  readonly data: TopologyFile;
  readonly pools: readonly LinkPool[];
  readonly scan: Scan;
}

/** A link that takes its addresses from a pool. */
interface Taker {
  readonly index: number;
  /** Both ends as the file has them. */
  readonly ends: readonly [string, string];
  /** The same for either order. */
  readonly name: string;
  readonly place: Place;
}

/** Gives both ends of a link an address of each pool that it takes from. */
export function addLinkAddresses(draft: Draft, { data, pools, scan }: File, report: Report): void {
  const takers = new Map<LinkPool, Taker[]>(pools.map((pool) => [pool, []]));
  const find = finder(data, pools, report);
  const byDefault = find(data.defaults?.pool, pointer('defaults', 'pool'));
  for (const [index, raw] of (data.links ?? []).entries()) {
    const link: Link = Array.isArray(raw) ? { endpoints: raw } : (raw as Link);
    const at = pointer('links', index);
    const wanted = link.pool === undefined ? byDefault : find(link.pool, `${at}/pool`);
    const ends = Array.isArray(link.endpoints) ? link.endpoints : Object.keys(link.endpoints);
    const [left, right] = ends;
    if (left === undefined || right === undefined || ends.length !== 2 || hasAddresses(link)) continue;
    if (link.pool === undefined && (scan.ports.has(left) || scan.ports.has(right))) continue;
    const place: Place = { pointer: link.pool === undefined ? at : `${at}/pool`, part: 'value' };
    const taker: Taker = { index, ends: [left, right], name: [left, right].sort().join(' '), place };
    for (const pool of wanted) takers.get(pool)?.push(taker);
  }
  const added = new Map<number, Map<string, string[]>>();
  for (const [pool, list] of takers) {
    const taken = takenIn(pool, scan.fixed);
    const places = allocate(
      list.map(({ name }) => ({ name, isCounted: false })),
      1n << BigInt(pool.prefixLength - pool.cidr.prefixLength),
      taken,
    );
    const left = list.filter(({ name }) => !places.has(name));
    if (left.length > 0) reportFull(pool, { wanted: list.length, taken: taken.size, left, report });
    for (const taker of list) {
      const place = places.get(taker.name);
      if (place === undefined) continue;
      const known = added.get(taker.index) ?? new Map<string, string[]>();
      added.set(taker.index, known);
      for (const [end, address] of addressesOf(pool, place, taker)) append(known, end, address);
    }
  }
  for (const [index, addresses] of added) setAddresses(draft, index, addresses);
}

/** The pools of `pool`, by their names. */
function finder(
  data: TopologyFile,
  pools: readonly LinkPool[],
  report: Report,
): (raw: string | readonly string[] | undefined, at: string) => readonly LinkPool[] {
  const declared = Object.keys(data.pools ?? {});
  return (raw, at) => {
    if (raw === 'none') return [];
    const found: LinkPool[] = [];
    for (const { text, at: pointerOf } of textsOf(raw, at)) {
      const pool = pools.find(({ name }) => name === text);
      const place: Place = { pointer: pointerOf, part: 'value' };
      if (pool !== undefined && found.some(({ cidr }) => cidr.family === pool.cidr.family)) {
        report({ code: 'pool', message: `a link takes from one pool of IPv${pool.cidr.family}`, place });
      } else if (pool !== undefined) found.push(pool);
      else if (!declared.includes(text)) {
        const near = suggest(text, [...declared, 'none']);
        report({
          code: 'pool',
          message: `there is no pool '${text}'${near === undefined ? '' : `; did you mean '${near}'?`}`,
          place,
          help:
            declared.length === 0
              ? `declare it under pools: ${text}: { subnet: … }`
              : `pools are ${declared.join(', ')}`,
        });
      }
    }
    return found;
  };
}

function hasAddresses({ endpoints }: Link): boolean {
  if (Array.isArray(endpoints)) return false;
  return Object.values(endpoints as Record<string, EndpointSettings>).some((settings) => {
    if (settings === null || settings === undefined) return false;
    return typeof settings === 'string' || Array.isArray(settings) || 'addresses' in settings;
  });
}

/** The places of the pool in which the file has an address already. */
function takenIn({ cidr, prefixLength }: LinkPool, fixed: ReadonlySet<bigint>): Set<bigint> {
  const shift = BigInt(addressBits(cidr.family) - prefixLength);
  const size = 1n << BigInt(prefixLength - cidr.prefixLength);
  const taken = new Set<bigint>();
  for (const value of fixed) {
    const place = (value - cidr.network) >> shift;
    if (place >= 0n && place < size) taken.add(place);
  }
  return taken;
}

/** The end whose name sorts first has the first address. */
function addressesOf({ cidr, prefixLength }: LinkPool, place: bigint, { ends }: Taker): [string, string][] {
  const { family } = cidr;
  const bits = addressBits(family);
  const network = cidr.network + (place << BigInt(bits - prefixLength));
  // With two addresses there is no network address and no broadcast.
  const first = prefixLength === bits - 1 ? network : network + 1n;
  return [...ends]
    .sort()
    .map((end, index) => [end, `${formatIp(first + BigInt(index), family)}/${prefixLength}`]);
}

/** Once for each pool: with each link of a large mesh, nobody would read the second line. */
function reportFull(
  { name, cidr, prefixLength }: LinkPool,
  { wanted, taken, left, report }: { wanted: number; taken: number; left: readonly Taker[]; report: Report },
): void {
  const [first] = left;
  if (first === undefined) return;
  const those = left.length === 1 ? 'this link' : `${left.length} links, of which this is the first`;
  const enough = prefixLength - Math.ceil(Math.log2(wanted + taken));
  report({
    code: 'pool-full',
    message: `pool ${name} has no /${prefixLength} of ${formatNetwork(cidr)} left for ${those}`,
    place: first.place,
    help:
      enough < 1 || enough >= cidr.prefixLength
        ? 'make its subnet larger'
        : `${wanted} links want one; a /${enough} is enough`,
  });
}

function setAddresses(
  { links, origins }: Draft,
  index: number,
  addresses: ReadonlyMap<string, string[]>,
): void {
  const raw = links[index];
  if (raw === undefined) return;
  const isShort = Array.isArray(raw);
  const { pool: _pool, ...link }: Link = isShort ? { endpoints: raw } : (raw as Link);
  const at = pointer('links', index, 'endpoints');
  const given = isShort ? pointer('links', index) : at;
  const { endpoints } = link;
  const ends: [string, object | null][] = Array.isArray(endpoints)
    ? endpoints.map((end): [string, null] => [end, null])
    : Object.entries(endpoints as Record<string, object | null>);
  if (Array.isArray(endpoints))
    for (const [position, [end]] of ends.entries()) origins.set(at + pointer(end), `${given}/${position}`);
  links[index] = {
    ...link,
    endpoints: Object.fromEntries(
      ends.map(([end, settings]) => [
        end,
        {
          ...settings,
          addresses: (addresses.get(end) ?? []).map((address) =>
            end.startsWith(`${HOST}:`) ? { address, exclusive: true } : address,
          ),
        },
      ]),
    ),
  };
}
