import type { IpNexthop, IpRoute, Live, LiveNamespace } from '../observe/live.ts';
import { HOST, type Nexthop, type Route } from '../topology/model.ts';
import { interfaceId, interfaceOwner } from './interface.ts';
import { ROUTE_PROTOCOL } from './marks.ts';
import type {
  Attributes,
  Command,
  Kind,
  LiveResource,
  Owner,
  ReadContext,
  Resource,
  Value,
} from './resource.ts';

/** Metrics of a route: the name in the file, and the word of ip-route(8), which is also its key in the JSON. */
const metrics = {
  mtu: 'mtu',
  'advertised-mss': 'advmss',
  'congestion-window': 'cwnd',
  'advertised-receive-window': 'window',
} as const;

const withoutNexthop = new Set(['blackhole', 'unreachable', 'prohibit', 'throw']);

/**
 * A static route, IPv4 or IPv6. Ours carry the protocol number 116, so that routes of the kernel, of router
 * advertisements and of routing daemons are never touched.
 */
export const routeKind: Kind = {
  name: 'route',
  changes: {
    type: 'in-place',
    nexthops: 'in-place',
    scope: 'in-place',
    from: 'in-place',
    ...Object.fromEntries(Object.keys(metrics).map((name) => [name, 'in-place'])),
  },
  lower: ({ topology }) =>
    topology.namespaces.flatMap(({ name, routes }) => {
      const resources = routes.map((route) => lowerRoute(name, route));
      // A next hop may be reachable only by another route of the file, one without a next hop.
      const direct = resources.filter(({ attributes }) => !hasGateway(attributes)).map(({ id }) => id);
      return resources.map((resource) =>
        hasGateway(resource.attributes) && direct.length > 0 ? { ...resource, comesAfter: direct } : resource,
      );
    }),
  read: (live, context) => {
    const found: LiveResource[] = [];
    for (const namespace of live.namespaces.values()) {
      for (const route of namespace.routes) {
        const resource = readRoute(namespace.name, route);
        const owner = routeOwner(namespace, route, resource, context);
        if (owner === 'ours' || (owner === 'foreign' && context.wanted.has(resource.id)))
          found.push({ ...resource, owner });
      }
    }
    return found;
  },
  requires: ({ namespace, attributes }) => [
    ...(namespace === HOST ? [] : [namespace]),
    ...(attributes['devs'] as readonly string[]).map((dev) => interfaceId(namespace, dev)),
  ],
  after: ({ comesAfter }) => comesAfter ?? [],
  same: sameValue,
  create: (resource) => [routeCommand('add', resource)],
  // An IPv6 "replace" changes one next hop of a multipath route, not the set of them (fib6_add_rt2node).
  update: ({ wanted, live }) =>
    wanted.attributes['family'] === 4
      ? [routeCommand('replace', wanted)]
      : [routeCommand('del', live), routeCommand('add', wanted)],
  remove: (resource) => [routeCommand('del', resource)],
  lostWhenDown: ({ attributes }) => (attributes['devs'] as readonly string[]).length > 0,
  disrupts: (_change, action) => (action === 'delete' ? 'packets to it lose this way' : undefined),
};

export function routeId(namespace: string, family: 4 | 6, table: string, to: string, metric: number): string {
  return `${namespace}/${table}/${family === 6 && to === 'default' ? '::/0' : to}/${metric}`;
}

function lowerRoute(namespace: string, route: Route): Resource {
  const { family, table, to, type, scope, nexthops, place } = route;
  const wantedMetrics = {
    mtu: route.mtu,
    'advertised-mss': route.advertisedMss,
    'congestion-window': route.congestionWindow,
    'advertised-receive-window': route.advertisedReceiveWindow,
  };
  const identity = { family, table, to, metric: route.metric ?? defaultMetric(family) };
  const resource = routeResource(namespace, identity, {
    type,
    nexthops: nexthops.map(formatNexthop).sort(),
    devs: devices(nexthops),
    ...(scope === undefined ? {} : { scope }),
    from: route.from ?? '',
    ...Object.fromEntries(Object.entries(wantedMetrics).map(([name, value]) => [name, value ?? 0])),
  });
  return { ...resource, place };
}

function readRoute(namespace: string, route: IpRoute): Resource {
  const family = route.pref !== undefined || route.dst.includes(':') ? 6 : 4;
  const to = withLength(route.dst, family);
  const identity = { family, table: route.table ?? 'main', to, metric: route.metric ?? 0 } as const;
  const hops = withoutNexthop.has(route.type) ? [] : (route.nexthops ?? [route]);
  const liveMetrics = Object.entries(metrics).map(([name, word]) => [
    name,
    Number(route.metrics?.[0]?.[word] ?? 0),
  ]);
  return routeResource(namespace, identity, {
    type: route.type,
    nexthops: hops.map((hop) => readNexthop(hop, hops.length > 1)).sort(),
    devs: devices(hops),
    scope: route.scope ?? 'global',
    from: route.prefsrc ?? '',
    ...Object.fromEntries(liveMetrics),
  });
}

interface RouteIdentity {
  readonly family: 4 | 6;
  readonly table: string;
  readonly to: string;
  readonly metric: number;
}

function routeResource(namespace: string, identity: RouteIdentity, rest: Attributes): Resource {
  const { family, table, to, metric } = identity;
  return {
    kind: 'route',
    id: routeId(namespace, family, table, to, metric),
    namespace,
    label: routeLabel(to, family, table),
    attributes: { family, table, to, metric, ...rest },
  };
}

function devices(hops: readonly { readonly dev?: string | undefined }[]): string[] {
  return [...new Set(hops.flatMap(({ dev }) => (dev === undefined ? [] : [dev])))];
}

function routeOwner(
  namespace: LiveNamespace,
  route: IpRoute,
  { id }: Resource,
  { lab, record, wanted }: ReadContext,
): Owner {
  if (['kernel', 'ra', 'redirect'].includes(route.protocol ?? '')) return 'builtin';
  const isMarked = route.protocol === String(ROUTE_PROTOCOL);
  if (namespace.name !== HOST) {
    if (namespace.mark?.lab !== lab) return 'foreign';
    // In a namespace of ours a wanted route is ours even if somebody replaced it by hand: that is drift to mend.
    return isMarked || wanted.has(id) ? 'ours' : 'foreign';
  }
  if (!isMarked) return 'foreign';
  const devs = (route.nexthops ?? [route]).flatMap(({ dev }) => (dev === undefined ? [] : [dev]));
  const links = namespace.links.filter(({ ifname }) => devs.includes(ifname));
  const isOnOurLink = links.some((link) => interfaceOwner(link, lab) === 'ours');
  return isOnOurLink || record.hostObjects.includes(id) ? 'ours' : 'foreign';
}

/** Whether the record must remember it: a route of the host over a device that is not the lab's. */
export function isHostRoute(resource: Resource): boolean {
  return resource.kind === 'route' && resource.namespace === HOST;
}

function routeCommand(verb: 'add' | 'replace' | 'del', { namespace, attributes }: Resource): Command {
  const args = ['route', verb];
  const type = String(attributes['type']);
  if (type !== 'unicast') args.push(type);
  args.push(attributes['family'] === 6 && attributes['to'] === 'default' ? '::/0' : String(attributes['to']));
  // Without a table, ip-route(8) puts a route of type local into the table local.
  if (attributes['table'] !== 'main' || type === 'local') args.push('table', String(attributes['table']));
  if (attributes['metric'] !== 0) args.push('metric', String(attributes['metric']));
  if (verb === 'del') {
    return { tool: 'ip', namespace, args };
  }
  if (attributes['scope'] !== undefined && attributes['family'] === 4)
    args.push('scope', String(attributes['scope']));
  if (attributes['from']) args.push('src', String(attributes['from']));
  for (const [name, word] of Object.entries(metrics)) {
    if (attributes[name]) args.push(word, String(attributes[name]));
  }
  // Next hops of a multipath route end the line: ip-route(8) takes what follows as theirs.
  args.push('proto', String(ROUTE_PROTOCOL), ...nexthopWords(attributes['nexthops'] as readonly string[]));
  return { tool: 'ip', namespace, args };
}

function hasGateway(attributes: Attributes): boolean {
  return (attributes['nexthops'] as readonly string[]).some((nexthop) => nexthop.startsWith('via '));
}

/** A next hop as one comparable text, in the words of ip-route(8). */
function formatNexthop(
  { via, dev, weight, onLink }: Nexthop,
  _index: number,
  all: readonly Nexthop[],
): string {
  return [
    ...(via === undefined ? [] : ['via', via]),
    ...(dev === undefined ? [] : ['dev', dev]),
    ...(all.length > 1 ? ['weight', String(weight)] : []),
    ...(onLink ? ['onlink'] : []),
  ].join(' ');
}

function readNexthop(hop: IpNexthop, isMultipath: boolean): string {
  const via = hop.gateway ?? hop.via?.host;
  return [
    ...(via === undefined ? [] : ['via', via]),
    ...(hop.dev === undefined ? [] : ['dev', hop.dev]),
    ...(isMultipath ? ['weight', String(hop.weight ?? 1)] : []),
    ...(hop.flags?.includes('onlink') ? ['onlink'] : []),
  ].join(' ');
}

function nexthopWords(nexthops: readonly string[]): string[] {
  if (nexthops.length === 1) return (nexthops[0] ?? '').split(' ').filter((word) => word !== '');
  return nexthops.flatMap((nexthop) => ['nexthop', ...nexthop.split(' ')]);
}

function sameValue(attribute: string, wanted: Value, live: Value | undefined): boolean {
  if (attribute === 'devs') return true;
  if (attribute !== 'nexthops') return wanted === live;
  const wantedHops = wanted as readonly string[];
  const liveHops = (live ?? []) as readonly string[];
  if (wantedHops.length !== liveHops.length) return false;
  return wantedHops.every((hop, index) => {
    const liveHop = liveHops[index] ?? '';
    // Where the file names no device, the kernel's choice stands.
    return hop === liveHop || (!hop.includes('dev ') && hop === liveHop.replace(/ ?dev \S+/, '').trim());
  });
}

/** The kernel's own default: 0 for IPv4, IP6_RT_PRIO_USER (1024) for IPv6. */
function defaultMetric(family: 4 | 6): number {
  return family === 4 ? 0 : 1024;
}

/** The kernel leaves the length of a host route out. */
function withLength(destination: string, family: 4 | 6): string {
  if (destination === 'default' || destination.includes('/')) return destination;
  return `${destination}/${family === 4 ? 32 : 128}`;
}

function routeLabel(to: string, family: 4 | 6, table: string): string {
  const name = to === 'default' && family === 6 ? 'default (IPv6)' : to;
  return `route ${name}${table === 'main' ? '' : ` table ${table}`}`;
}

/** Routes that exist in a live namespace, whoever made them; for `inspect`. */
export function readAllRoutes(live: Live, namespace: string): { resource: Resource; protocol: string }[] {
  const routes = live.namespaces.get(namespace)?.routes ?? [];
  return routes.map((route) => ({ resource: readRoute(namespace, route), protocol: route.protocol ?? '' }));
}
