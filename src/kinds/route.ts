import { numberOf } from '../engine/netlink/names.ts';
import type { IpLink, IpNexthop, IpRoute, Live, LiveNamespace } from '../observe/live.ts';
import { HOST, type Nexthop, type Route, type RouteOptions, usualOptions } from '../topology/model.ts';
import { interfaceId } from './interface.ts';
import { OWN_PROTOCOL } from './marks.ts';
import { nexthopId } from './nexthop.ts';
import { ownerByProtocol } from './protocol-owner.ts';
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
import { canonicalTable } from './rule.ts';

/** Metrics of a route: the name in the file, and the word of ip-route(8), which is also its key in the JSON. */
const metrics = {
  mtu: 'mtu',
  'advertised-mss': 'advmss',
  'congestion-window': 'cwnd',
  'advertised-receive-window': 'window',
} as const;

/** Of routes that are neither ours nor anybody's who set them by hand. */
const builtinProtocols = new Set(['kernel', 'ra', 'redirect']);

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
    options: 'in-place',
    ...Object.fromEntries(Object.keys(metrics).map((name) => [name, 'in-place'])),
  },
  lower: ({ topology }) =>
    topology.namespaces.flatMap(({ name, routes }) => {
      if (routes.length === 0) return [];
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
      namespace.routes.forEach((route) => {
        // Most routes are the kernel's own: they are left before anything is made of them.
        if (builtinProtocols.has(route.protocol ?? '')) return;
        const identity = identityOf(route);
        const id = routeId(namespace.name, identity);
        const owner = routeOwner(namespace, route, id, context);
        if (owner === 'ours' || context.wanted.has(id))
          found.push(Object.assign(readRoute(namespace.name, route, identity), { owner }));
      });
    }
    return found;
  },
  requires: ({ namespace, attributes }) => {
    const links = (attributes['devs'] as readonly string[]).map((dev) => interfaceId(namespace, dev));
    for (const id of objectsOf(attributes)) links.push(nexthopId(namespace, id));
    return namespace === HOST ? links : [namespace, ...links];
  },
  after: ({ comesAfter }) => comesAfter ?? [],
  releases: ({ namespace, attributes }) => objectsOf(attributes).map((id) => nexthopId(namespace, id)),
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

function routeId(namespace: string, { family, table, to, metric, tos }: RouteIdentity): string {
  const id = `${namespace}/${table}/${family === 6 && to === 'default' ? '::/0' : to}/${metric}`;
  return tos === 0 ? id : `${id}/${tos}`;
}

function lowerRoute(namespace: string, route: Route): Resource {
  const { nexthops, place } = route;
  const identity = {
    family: route.family,
    table: route.table,
    to: route.to,
    metric: route.metric ?? defaultMetric(route.family),
    tos: route.options.tos,
  };
  return {
    kind: 'route',
    id: routeId(namespace, identity),
    namespace,
    label: routeLabel(identity),
    attributes: routeAttributes(identity, {
      type: route.type,
      nexthops:
        route.nexthop === undefined ? nexthops.map(formatNexthop).sort() : [`nhid ${route.nexthop.id}`],
      devs: devices(nexthops),
      scope: route.scope,
      from: route.from ?? '',
      mtu: route.mtu ?? 0,
      advmss: route.advertisedMss ?? 0,
      cwnd: route.congestionWindow ?? 0,
      window: route.advertisedReceiveWindow ?? 0,
      options: route.options === usualOptions ? '' : wantedOptions(route.options),
    }),
    place,
  };
}

function readRoute(namespace: string, route: IpRoute, identity: RouteIdentity): Resource {
  const { nhid } = route;
  // What the object means is its own matter.
  const hops = nhid !== undefined || withoutNexthop.has(route.type) ? [] : (route.nexthops ?? [route]);
  const values = route.metrics?.[0];
  return {
    kind: 'route',
    id: routeId(namespace, identity),
    namespace,
    label: routeLabel(identity),
    attributes: routeAttributes(identity, {
      // Of a blackhole object the kernel says that the route is one.
      type: nhid === undefined ? route.type : 'unicast',
      nexthops:
        nhid === undefined ? hops.map((hop) => readNexthop(hop, hops.length > 1)).sort() : [`nhid ${nhid}`],
      devs: devices(hops),
      scope: route.scope ?? 'global',
      from: route.prefsrc ?? '',
      mtu: Number(values?.['mtu'] ?? 0),
      advmss: Number(values?.['advmss'] ?? 0),
      cwnd: Number(values?.['cwnd'] ?? 0),
      window: Number(values?.['window'] ?? 0),
      options:
        values === undefined && (route.pref ?? 'medium') === 'medium' ? '' : readOptions(route, values ?? {}),
    }),
  };
}

interface RouteIdentity {
  readonly family: 4 | 6;
  readonly table: string;
  readonly to: string;
  readonly metric: number;
  readonly tos: number;
}

/** What a route has beside its identity; the metrics by the words of ip-route(8). */
interface RouteContent {
  readonly type: string;
  readonly nexthops: readonly string[];
  readonly devs: readonly string[];
  readonly scope: string | undefined;
  readonly from: string;
  readonly mtu: number;
  readonly advmss: number;
  readonly cwnd: number;
  readonly window: number;
  /** Words of ip-route(8) that few routes have. */
  readonly options: string;
}

/** A type of service is part of the identity, and hardly any route has one. */
function routeAttributes(identity: RouteIdentity, content: RouteContent): Attributes {
  const attributes = usualAttributes(identity, content);
  return identity.tos === 0 ? attributes : { ...attributes, tos: identity.tos };
}

/** In plain literals: routes are many, and objects that are put together from others cost ten times as much. */
function usualAttributes({ family, table, to, metric }: RouteIdentity, content: RouteContent): Attributes {
  const { type, nexthops, devs, scope, from, mtu, advmss, cwnd, window, options } = content;
  if (scope === undefined) {
    return {
      family,
      table,
      to,
      metric,
      type,
      nexthops,
      devs,
      from,
      mtu,
      'advertised-mss': advmss,
      'congestion-window': cwnd,
      'advertised-receive-window': window,
      options,
    };
  }
  return {
    family,
    table,
    to,
    metric,
    type,
    nexthops,
    devs,
    scope,
    from,
    mtu,
    'advertised-mss': advmss,
    'congestion-window': cwnd,
    'advertised-receive-window': window,
    options,
  };
}

function identityOf(route: IpRoute): RouteIdentity {
  const family = route.pref !== undefined || route.dst.includes(':') ? 6 : 4;
  const to = withLength(route.dst, family);
  return {
    family,
    table: canonicalTable(route.table ?? 'main'),
    to,
    metric: route.metric ?? 0,
    tos: route.tos === undefined ? 0 : (numberOf('rt_dsfield', route.tos) ?? 0),
  };
}

function devices(hops: readonly { readonly dev?: string | undefined }[]): string[] {
  if (hops.length === 1) return hops[0]?.dev === undefined ? [] : [hops[0].dev];
  return [...new Set(hops.flatMap(({ dev }) => (dev === undefined ? [] : [dev])))];
}

function routeOwner(namespace: LiveNamespace, route: IpRoute, id: string, context: ReadContext): Owner {
  const { adopted } = context;
  const devs = devices(route.nexthops ?? [route]);
  // Routes over an interface that becomes a port, or leaves the host, go with it.
  const isTaken = (dev: string) =>
    [...adopted].some(
      ([key, { origin, isExact }]) => isExact && (key === interfaceId(HOST, dev) || origin === dev),
    );
  if (namespace.name === HOST && adopted.size > 0 && devs.length > 0 && devs.every(isTaken)) return 'ours';
  return ownerByProtocol(namespace, { id, protocol: route.protocol, devs }, context);
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
  if (attributes['tos'] !== undefined) args.push('tos', `0x${Number(attributes['tos']).toString(16)}`);
  if (verb === 'del') {
    return { tool: 'ip', namespace, args };
  }
  if (attributes['scope'] !== undefined && attributes['family'] === 4)
    args.push('scope', String(attributes['scope']));
  if (attributes['from']) args.push('src', String(attributes['from']));
  for (const [name, word] of Object.entries(metrics)) {
    if (attributes[name]) args.push(word, String(attributes[name]));
  }
  if (attributes['options']) args.push(...String(attributes['options']).split(' '));
  // Next hops of a multipath route end the line: ip-route(8) takes what follows as theirs.
  args.push('proto', String(OWN_PROTOCOL), ...nexthopWords(attributes['nexthops'] as readonly string[]));
  return { tool: 'ip', namespace, args };
}

function hasGateway(attributes: Attributes): boolean {
  return (attributes['nexthops'] as readonly string[]).some((nexthop) => nexthop.startsWith('via '));
}

const noObjects: readonly number[] = [];

/** The nexthop object that it uses, if it uses one. */
function objectsOf(attributes: Attributes): readonly number[] {
  const first = (attributes['nexthops'] as readonly string[])[0];
  return first?.startsWith('nhid ') ? [Number(first.slice('nhid '.length))] : noObjects;
}

function wantedOptions(options: RouteOptions): string {
  const { initialCongestionWindow, initialReceiveWindow, hopLimit, quickAck, preference } = options;
  return optionsText(initialCongestionWindow, initialReceiveWindow, hopLimit, quickAck, preference);
}

function readOptions(route: IpRoute, values: Readonly<Record<string, unknown>>): string {
  const [initcwnd, initrwnd, hoplimit] = ['initcwnd', 'initrwnd', 'hoplimit'].map((name) =>
    values[name] === undefined ? undefined : Number(values[name]),
  );
  return optionsText(initcwnd, initrwnd, hoplimit, Number(values['quickack'] ?? 0) === 1, route.pref);
}

function optionsText(
  initcwnd: number | undefined,
  initrwnd: number | undefined,
  hoplimit: number | undefined,
  quickack: boolean,
  pref: string | undefined,
): string {
  if (initcwnd === undefined && initrwnd === undefined && hoplimit === undefined && !quickack) {
    return pref === undefined || pref === 'medium' ? '' : `pref ${pref}`;
  }
  const values = { initcwnd, initrwnd, hoplimit, quickack: quickack ? 1 : undefined };
  const words = Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [name, value]));
  return [...words, ...(pref === undefined || pref === 'medium' ? [] : ['pref', pref])].join(' ');
}

/** A next hop as one comparable text, in the words of ip-route(8). */
function formatNexthop(
  { via, dev, weight, onLink }: Nexthop,
  _index: number,
  all: readonly Nexthop[],
): string {
  return nexthopText(via, dev, all.length > 1 ? weight : undefined, onLink);
}

function readNexthop(hop: IpNexthop, isMultipath: boolean): string {
  const via = hop.gateway ?? hop.via?.host;
  const weight = isMultipath ? (hop.weight ?? 1) : undefined;
  return nexthopText(via, hop.dev, weight, hop.flags?.includes('onlink') === true);
}

function nexthopText(
  via: string | undefined,
  dev: string | undefined,
  weight: number | undefined,
  onLink: boolean,
): string {
  let text = via === undefined ? '' : ` via ${via}`;
  if (dev !== undefined) text += ` dev ${dev}`;
  if (weight !== undefined) text += ` weight ${weight}`;
  if (onLink) text += ' onlink';
  return text.slice(1);
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

function routeLabel({ to, family, table, tos }: RouteIdentity): string {
  const name = to === 'default' && family === 6 ? 'default (IPv6)' : to;
  return `route ${name}${table === 'main' ? '' : ` table ${table}`}${tos === 0 ? '' : ` tos ${tos}`}`;
}

/** Routes that exist in a live namespace, whoever made them; for `inspect`. */
export function readAllRoutes(live: Live, namespace: string): { resource: Resource; protocol: string }[] {
  const routes = live.namespaces.get(namespace)?.routes ?? [];
  return routes.map((route) => ({
    resource: readRoute(namespace, route, identityOf(route)),
    protocol: route.protocol ?? '',
  }));
}

/**
 * Lines of ip(8) that bring the addresses and routes of an interface back as they are now. What the kernel, router
 * advertisements or DHCP made is theirs.
 */
export function linesThatRestore(
  { name, routes, neighbors = [] }: LiveNamespace,
  link: IpLink,
  ours: readonly string[],
): string[] {
  const lines: string[] = [];
  for (const address of link.addr_info ?? []) {
    const {
      family,
      local,
      prefixlen,
      scope,
      broadcast,
      label,
      address: peer,
      dynamic,
      temporary,
      nodad,
    } = address;
    if (dynamic || temporary || (family === 'inet6' && scope === 'link')) continue;
    // What the lab itself has added to it goes with the lab.
    if (ours.includes(`${name}/${link.ifname}/${local}/${prefixlen}`)) continue;
    const words = ['address', 'replace', peer === undefined ? `${local}/${prefixlen}` : local];
    if (peer !== undefined) words.push('peer', `${peer}/${prefixlen}`);
    if (broadcast !== undefined) words.push('broadcast', broadcast);
    if (scope !== 'global') words.push('scope', scope);
    if (label !== undefined && label !== link.ifname) words.push('label', label);
    if (nodad) words.push('nodad');
    if (address.noprefixroute) words.push('noprefixroute');
    lines.push([...words, 'dev', link.ifname].join(' '));
  }
  for (const { dst, dev, lladdr, proxy, state = [], protocol } of neighbors) {
    if (dev !== link.ifname || protocol === String(OWN_PROTOCOL)) continue;
    const from = protocol === undefined ? '' : ` protocol ${protocol}`;
    if (proxy === null) lines.push(`neigh replace proxy ${dst} dev ${dev}${from}`);
    else if (lladdr !== undefined && state.includes('PERMANENT'))
      lines.push(`neigh replace ${dst} dev ${dev} lladdr ${lladdr} nud permanent${from}`);
  }
  // Those without a gateway first: the others may need them.
  const own = routes
    .filter(({ protocol = '' }) => !builtinProtocols.has(protocol) && protocol !== String(OWN_PROTOCOL))
    .map((route) => ({ route, resource: readRoute(name, route, identityOf(route)) }))
    .filter(({ resource: { attributes } }) => (attributes['devs'] as readonly string[]).includes(link.ifname))
    .sort((a, b) => Number(hasGateway(a.resource.attributes)) - Number(hasGateway(b.resource.attributes)));
  for (const { route, resource } of own) {
    const { args } = routeCommand('replace', resource) as { args: readonly string[] };
    const at = args.lastIndexOf('proto');
    const isV4 = resource.attributes['family'] === 4;
    const words = args.flatMap((word, index) => {
      if (index === at + 1) return [route.protocol ?? 'boot'];
      // ip-route(8): a next hop of the other family.
      return isV4 && word.includes(':') && args[index - 1] === 'via' ? ['inet6', word] : [word];
    });
    lines.push(words.join(' '));
  }
  return lines;
}
