import type {
  Nexthop as RawNexthop,
  Route as RawRoute,
  RouteSettings,
} from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { parseCidr } from '../../lib/ip.ts';
import { pointer } from '../../lib/pointer.ts';
import type { Nexthop, Route } from '../../topology/model.ts';
import { suggest } from '../suggest.ts';
import type { Context } from './context.ts';
import { listNames } from './names.ts';
import type { Network } from './network.ts';
import { deviceFinder } from './route-device.ts';
import { expandIp, expandPrefix } from './settings.ts';

interface Routes {
  readonly namespace: string;
  /** The pointer of the routes. */
  readonly base: string;
  readonly raw: readonly RawRoute[] | Readonly<Record<string, string | RouteSettings>>;
  readonly network: Network;
}

interface ListedRoute {
  readonly raw: RawRoute;
  /** Of the route, of its destination, and the pointer of its settings. */
  readonly place: Place;
  readonly toPlace: Place;
  readonly base: string;
  /** The map's short form: the value is the next hop. */
  readonly isShort: boolean;
}

/** A next hop whose device is still to be found. */
type HopDraft = { -readonly [Key in keyof Nexthop]: Nexthop[Key] };

interface RouteDraft extends Route {
  readonly nexthops: readonly HopDraft[];
}

/** The routes of one namespace, each with its device. */
export function normalizeRoutes(context: Context, { namespace, base, raw, network }: Routes): Route[] {
  const routes: RouteDraft[] = [];
  for (const listed of listRoutes(base, raw)) {
    const route = expandRoute(context, listed, { namespace, network });
    if (route !== undefined) routes.push(route);
  }
  const findDevice = deviceFinder(network, namespace, routes);
  // After all of them, since a device may follow from a route that had none itself until then.
  const devices = routes.map(({ nexthops, table }) =>
    nexthops.map((hop) => hop.dev ?? findDevice(hop, table)),
  );
  for (const [index, { nexthops }] of routes.entries()) {
    for (const [at, hop] of nexthops.entries()) hop.dev = devices[index]?.[at];
  }
  return routes;
}

function listRoutes(base: string, raw: Routes['raw']): ListedRoute[] {
  if (isList(raw)) {
    return raw.map((route, index) => {
      const at = `${base}/${index}`;
      const toPlace: Place = { pointer: `${at}/to`, part: 'value' };
      return { raw: route, place: { pointer: at, part: 'value' }, toPlace, base: at, isShort: false };
    });
  }
  return Object.entries(raw).map(([to, settings]) => {
    const at = base + pointer(to);
    const place: Place = { pointer: at, part: 'key' };
    if (typeof settings === 'string')
      return { raw: { to, via: settings }, place, toPlace: place, base: at, isShort: true };
    return { raw: { to, ...settings }, place, toPlace: place, base: at, isShort: false };
  });
}

interface Where {
  readonly namespace: string;
  readonly network: Network;
}

function expandRoute(context: Context, listed: ListedRoute, where: Where): RouteDraft | undefined {
  const { raw, place, base } = listed;
  const fromPlace: Place = { pointer: `${base}/from`, part: 'value' };
  const from = raw.from === undefined ? undefined : expandIp(raw.from, fromPlace, context.report);
  const nexthops = expandNexthops(context, listed);
  const { namespace, network } = where;
  const destination = expandDestination(context, listed, { namespace, network, from, nexthops });
  if (destination === undefined) return undefined;
  const { to, family } = destination;
  const type = raw.type ?? 'unicast';
  const table = tableOf(context, listed, { where, type });
  if (table === undefined) return undefined;
  // Written out, as in addVeth.
  return {
    to,
    family,
    type,
    table,
    // Metric 0 means the default to the kernel, which is 0 for IPv4 and 1024 for IPv6 (ip6_route_info_create).
    metric: raw.metric === 0 && family === 6 ? undefined : raw.metric,
    scope: raw.scope,
    from,
    mtu: raw.mtu,
    advertisedMss: raw['advertised-mss'],
    congestionWindow: raw['congestion-window'],
    advertisedReceiveWindow: raw['advertised-receive-window'],
    nexthops,
    place,
  };
}

interface Hints extends Where {
  readonly from: string | undefined;
  readonly nexthops: readonly Nexthop[];
}

/** `default` has no family of its own: the next hop, the source or the device's addresses tell it, else it is IPv4. */
function expandDestination(
  context: Context,
  { raw, toPlace }: ListedRoute,
  { namespace, network, from, nexthops }: Hints,
): { to: string; family: 4 | 6 } | undefined {
  if (raw.to === '0.0.0.0/0') return { to: 'default', family: 4 };
  const cidr = raw.to === 'default' ? undefined : parseCidr(raw.to);
  if (raw.to !== 'default' && cidr?.prefixLength !== 0) {
    const found = expandPrefix(raw.to, toPlace, context.report);
    return found === undefined ? undefined : { to: found.prefix, family: found.family };
  }
  if (raw.to !== 'default') {
    const family = cidr?.family ?? 4;
    return expandPrefix(raw.to, toPlace, context.report) === undefined
      ? undefined
      : { to: 'default', family };
  }
  const hint = nexthops.find(({ via }) => via !== undefined)?.via ?? from;
  if (hint !== undefined) return { to: 'default', family: hint.includes(':') ? 6 : 4 };
  const dev = nexthops[0]?.dev;
  const addresses = dev === undefined ? [] : (network.interfaceOf(namespace, dev)?.addresses ?? []);
  const isOnlyV6 = addresses.length > 0 && addresses.every(({ family }) => family === 6);
  return { to: 'default', family: isOnlyV6 ? 6 : 4 };
}

function expandNexthops(context: Context, { raw, place, base, isShort }: ListedRoute): HopDraft[] {
  const { via, dev, nexthops } = raw;
  const isOnLink = raw['on-link'] ?? false;
  if (nexthops === undefined) {
    if (via === undefined && dev === undefined) {
      if (isOnLink) failForm(context, 'on-link needs a next hop: add via and dev', `${base}/on-link`);
      return [];
    }
    const at = isShort ? base : `${base}/via`;
    const viaPlace: Place = { pointer: via === undefined ? base : at, part: 'value' };
    const address = via === undefined ? undefined : expandIp(via, viaPlace, context.report);
    if (via !== undefined && address === undefined && dev === undefined) return [badHop(viaPlace)];
    return [{ via: address, dev, weight: 1, onLink: isOnLink, place: via === undefined ? place : viaPlace }];
  }
  for (const key of ['via', 'dev', 'on-link'] as const) {
    if (raw[key] === undefined) continue;
    failForm(
      context,
      `'${key}' and 'nexthops' exclude each other; put it into the next hop`,
      `${base}/${key}`,
    );
  }
  return nexthops.map((hop, index) => expandNexthop(context, hop, `${base}/nexthops/${index}`));
}

function expandNexthop(context: Context, raw: RawNexthop, base: string): HopDraft {
  const place: Place = { pointer: base, part: 'value' };
  const { via, dev, weight = 1 } = raw;
  if (via === undefined && dev === undefined) {
    context.report({ code: 'route-form', message: 'a next hop needs via, dev, or both', place });
  }
  const address =
    via === undefined ? undefined : expandIp(via, { pointer: `${base}/via`, part: 'value' }, context.report);
  return { via: address, dev, weight, onLink: raw['on-link'] ?? false, place };
}

/** Stands for a next hop that could not be read, so that nobody also complains that the route has none. */
function badHop(place: Place): HopDraft {
  return { via: undefined, dev: undefined, weight: 1, onLink: false, place };
}

function failForm({ report }: Context, message: string, at: string): void {
  report({ code: 'route-form', message, place: { pointer: at, part: 'key' } });
}

const tableNumbers: ReadonlyMap<number, string> = new Map([
  [253, 'default'],
  [254, 'main'],
  [255, 'local'],
]);

/** A number, or a name that rtnetlink has for one, or a VRF; ip(8) puts a local route into `local` when none is said. */
function tableOf(
  { report }: Context,
  { raw, base }: ListedRoute,
  { where, type }: { readonly where: Where; readonly type: Route['type'] },
): string | undefined {
  const { table } = raw;
  if (table === undefined) return type === 'local' ? 'local' : 'main';
  if (typeof table === 'number') return tableNumbers.get(table) ?? String(table);
  if ([...tableNumbers.values()].includes(table)) return table;
  const vrfs = where.network.interfacesOf(where.namespace).filter(({ kind }) => kind === 'vrf');
  const vrf = vrfs.find(({ name }) => name === table);
  if (vrf !== undefined && 'settings' in vrf) return String(vrf.settings['table']);
  const names = vrfs.map(({ name }) => name);
  const nearest = suggest(table, [...names, ...tableNumbers.values()]);
  const known = names.length === 0 ? 'it has none' : `it has ${listNames(names)}`;
  report({
    code: 'route-table',
    message: `table '${table}' is neither a number nor a VRF of ${where.namespace}; ${known}`,
    place: { pointer: `${base}/table`, part: 'value' },
    ...(nearest === undefined ? {} : { help: `did you mean '${nearest}'?` }),
  });
  return undefined;
}

function isList(raw: Routes['raw']): raw is readonly RawRoute[] {
  return Array.isArray(raw);
}
