import { inNamespace } from '../check/agents.ts';
import { parseToolJson } from '../engine/ip/tool-json.ts';
import { canonicalAddress } from '../lib/ip.ts';
import type { Live } from '../observe/live.ts';
import type { Run } from '../system/run.ts';
import { type Crossing, isForeign, ownersOf, searchSegment } from './segment.ts';

/** One namespace on the way, by its routes. */
export interface Hop {
  readonly namespace: string;
  /** The interface that the packet comes in by; undefined: it begins here. */
  readonly in: string | undefined;
  /** Its destination, as it is when it is routed here. */
  readonly destination: string;
  /** `local`: it has arrived. `none`: there is no way on. */
  readonly way: 'local' | 'forward' | 'none';
  readonly out: string | undefined;
  readonly via: string | undefined;
  /** The source address that the route chooses for a packet of the namespace's own. */
  readonly source: string | undefined;
  /** The bridges between it and the next one. */
  readonly crossings: readonly Crossing[];
  /** Why there is no way on. */
  readonly reason: string | undefined;
}

export interface Walk {
  readonly hops: readonly Hop[];
  /** Where it would leave the lab; then nothing is sent. */
  readonly exit: string | undefined;
}

export interface WalkRequest {
  readonly live: Live;
  readonly lab: string;
  readonly from: string;
  readonly address: string;
  /** Destinations that packets get by NAT, by namespace. */
  readonly rewritten: ReadonlyMap<string, string>;
  /** Source addresses that they leave it with. */
  readonly sources: ReadonlyMap<string, string>;
  /** Marks that packets have when they are routed, by namespace. */
  readonly marks: ReadonlyMap<string, string>;
  readonly run: Run;
}

const MOST_HOPS = 64;

/** Follows the routes of each namespace from the source to the destination, by what the kernel itself answers. */
export async function walk(request: WalkRequest): Promise<Walk> {
  const { live, lab, rewritten, sources, marks, run } = request;
  const hops: Hop[] = [];
  let at: { namespace: string; in: string | undefined } | undefined = {
    namespace: request.from,
    in: undefined,
  };
  let destination = request.address;
  let source: string | undefined;
  while (at !== undefined && hops.length < MOST_HOPS) {
    const { namespace, in: into }: { namespace: string; in: string | undefined } = at;
    destination = rewritten.get(namespace) ?? destination;
    const route = await routeGet({ run, namespace, destination, into, source, mark: marks.get(namespace) });
    source = sources.get(namespace) ?? source ?? route.source;
    const hop: Hop = { namespace, in: into, destination, crossings: [], ...route };
    at = undefined;
    if (route.way !== 'forward' || route.out === undefined) {
      hops.push(hop);
      break;
    }
    const next = nextHop({ live, lab, namespace, out: route.out, address: route.via ?? destination });
    if (next.exit !== undefined) {
      hops.push(hop);
      return { hops, exit: next.exit };
    }
    if (next.end === undefined) {
      hops.push({
        ...hop,
        reason: `nobody that is known behind ${route.out} has the address ${route.via ?? destination}`,
      });
      break;
    }
    hops.push({ ...hop, crossings: next.crossings });
    at = { namespace: next.end.namespace, in: next.end.in };
  }
  return { hops, exit: undefined };
}

interface Next {
  readonly end?: { readonly namespace: string; readonly in: string };
  readonly crossings: readonly Crossing[];
  readonly exit?: string;
}

function nextHop({
  live,
  lab,
  namespace,
  out,
  address,
}: {
  live: Live;
  lab: string;
  namespace: string;
  out: string;
  address: string;
}): Next {
  const link = live.namespaces.get(namespace)?.links.find(({ ifname }) => ifname === out);
  if (link === undefined) return { crossings: [] };
  const end = { namespace, link };
  if (isForeign(end, lab)) return { crossings: [], exit: `${out} of ${namespace}` };
  const { found, foreign } = searchSegment(live, lab, end, address);
  if (foreign.length > 0)
    return { crossings: [], exit: foreign.map((name) => name.replace('/', ':')).join(', ') };
  if (found !== undefined)
    return {
      end: { namespace: found.end.namespace, in: found.end.link.ifname },
      crossings: found.crossings,
    };
  // A tunnel: its other end is the one that has the address.
  const isTunnel = !['veth', 'bridge', 'vlan', 'macvlan', 'ipvlan'].includes(link.linkinfo?.info_kind ?? '');
  const [owner] = isTunnel
    ? ownersOf(live, lab, address).filter((other) => other.namespace !== namespace)
    : [];
  return owner === undefined
    ? { crossings: [] }
    : { end: { namespace: owner.namespace, in: owner.link.ifname }, crossings: [] };
}

interface RouteRequest {
  readonly run: Run;
  readonly namespace: string;
  readonly destination: string;
  readonly into: string | undefined;
  readonly source: string | undefined;
  readonly mark: string | undefined;
}

type Route = Pick<Hop, 'way' | 'out' | 'via' | 'source' | 'reason'>;

/** What the kernel would do with a packet: RTM_GETROUTE, as `ip route get` asks it. */
async function routeGet({ run, namespace, destination, into, source, mark }: RouteRequest): Promise<Route> {
  const words = ['ip', '-j', ...(destination.includes(':') ? ['-6'] : []), 'route', 'get', destination];
  if (into !== undefined && source !== undefined) words.push('from', source, 'iif', into);
  if (mark !== undefined) words.push('mark', mark);
  const { code, stdout, stderr } = await run(inNamespace(namespace, words));
  const none = { way: 'none', out: undefined, via: undefined, source: undefined } as const;
  if (code !== 0) return { ...none, reason: routeProblem(stderr, namespace, destination) };
  // A border: ip prints an array with the one route.
  const [route] = parseToolJson(stdout) as {
    type?: string;
    dev?: string;
    gateway?: string;
    via?: { host: string };
    prefsrc?: string;
  }[];
  const type = route?.type ?? 'unicast';
  if (type === 'local' || type === 'broadcast' || type === 'multicast')
    return { way: 'local', out: route?.dev, via: undefined, source: route?.prefsrc, reason: undefined };
  if (type !== 'unicast')
    return { ...none, reason: `${namespace} has a route of type ${type} for ${destination}` };
  const via = route?.gateway ?? route?.via?.host;
  return {
    way: 'forward',
    out: route?.dev,
    via: via === undefined ? undefined : (canonicalAddress(via) ?? via),
    source: route?.prefsrc,
    reason: undefined,
  };
}

function routeProblem(stderr: string, namespace: string, destination: string): string {
  if (/Network is unreachable/.test(stderr)) return `${namespace} has no route to ${destination}`;
  if (/No route to host/.test(stderr))
    return `${namespace} does not forward to ${destination}: forwarding is off, or a route says unreachable`;
  if (/Permission denied/.test(stderr)) return `${namespace} has a route of type prohibit for ${destination}`;
  if (/Invalid argument/.test(stderr)) return `${namespace} has a route of type blackhole for ${destination}`;
  if (/Invalid cross-device link/.test(stderr))
    return `${namespace} would not take a packet from there on this interface (rp_filter)`;
  return `${namespace}: ${stderr.replace(/^RTNETLINK answers: /, '').trim()}`;
}
