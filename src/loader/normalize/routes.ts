import type {
  Nexthop as RawNexthop,
  Route as RawRoute,
  RouteSettings,
} from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { familyOfAddress, parseCidr } from '../../lib/ip.ts';
import { pointer } from '../../lib/pointer.ts';
import {
  type Nexthop,
  type NexthopObject,
  type Route,
  type RouteOptions,
  usualOptions,
} from '../../topology/model.ts';
import { suggest } from '../suggest.ts';
import type { Context } from './context.ts';
import { listNames } from './names.ts';
import type { Network } from './network.ts';
import { deviceFinder } from './route-device.ts';
import { tosProblem } from './routing-policy.ts';
import { expandIp, expandPrefix } from './settings.ts';
import { resolveTable } from './tables.ts';

interface Routes {
  readonly namespace: string;
  /** The pointer of the routes. */
  readonly base: string;
  readonly raw: readonly RawRoute[] | Readonly<Record<string, string | RouteSettings>>;
  readonly network: Network;
  readonly nexthops: readonly NexthopObject[];
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
export function normalizeRoutes(
  context: Context,
  { namespace, base, raw, network, nexthops: objects }: Routes,
): Route[] {
  const routes: RouteDraft[] = [];
  for (const listed of listRoutes(base, raw)) {
    const route = expandRoute(context, listed, { namespace, network, objects });
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
  readonly objects: readonly NexthopObject[];
}

function expandRoute(context: Context, listed: ListedRoute, where: Where): RouteDraft | undefined {
  const { raw, place, base } = listed;
  const fromPlace: Place = { pointer: `${base}/from`, part: 'value' };
  const from = raw.from === undefined ? undefined : expandIp(raw.from, fromPlace, context.report);
  const nexthops = expandNexthops(context, listed);
  const nexthop = expandObject(context, listed, where);
  if (((raw['type-of-service'] ?? 0) & 3) !== 0) {
    const at: Place = { pointer: `${base}/type-of-service`, part: 'value' };
    context.report({ code: 'route-form', message: tosProblem, place: at });
  }
  const destination = expandDestination(context, listed, { ...where, from, nexthops, nexthop });
  if (destination === undefined) return undefined;
  const { to, family } = destination;
  const type = raw.type ?? 'unicast';
  const table = tableName(context, listed, where.namespace);
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
    options: expandOptions(raw),
    // An unknown one was reported; then nobody needs to hear that the route leads nowhere.
    nexthop: raw.nexthop === undefined ? undefined : { name: raw.nexthop, id: nexthop?.id ?? 0 },
    nexthops,
    place,
  };
}

function expandOptions(raw: RawRoute): RouteOptions {
  const options: RouteOptions = {
    tos: raw['type-of-service'] ?? 0,
    initialCongestionWindow: raw['initial-congestion-window'],
    initialReceiveWindow: raw['initial-receive-window'],
    hopLimit: raw['hop-limit'],
    quickAck: raw['quick-ack'] ?? false,
    preference: raw.preference ?? 'medium',
  };
  const { tos, initialCongestionWindow, initialReceiveWindow, hopLimit, quickAck, preference } = options;
  const isUsual =
    tos === 0 &&
    (initialCongestionWindow ?? initialReceiveWindow ?? hopLimit) === undefined &&
    !quickAck &&
    preference === 'medium';
  return isUsual ? usualOptions : options;
}

/** The nexthop object that a route names. */
function expandObject(
  context: Context,
  { raw, base }: ListedRoute,
  { namespace, objects }: Where,
): NexthopObject | undefined {
  if (raw.nexthop === undefined) return undefined;
  for (const key of ['via', 'dev', 'on-link', 'nexthops'] as const) {
    if (raw[key] === undefined) continue;
    failForm(context, `'${key}' and 'nexthop' exclude each other; put it into the nexthop`, `${base}/${key}`);
  }
  const found = objects.find(({ name }) => name === raw.nexthop);
  if (found !== undefined) return found;
  const names = objects.map(({ name }) => name);
  const nearest = suggest(raw.nexthop, names);
  context.report({
    code: 'route-form',
    message: `'${raw.nexthop}' is not one of ${namespace}'s nexthops; it has ${listNames(names) || 'none'}`,
    place: { pointer: `${base}/nexthop`, part: 'value' },
    ...(nearest === undefined ? {} : { help: `did you mean '${nearest}'?` }),
  });
  return undefined;
}

interface Hints extends Where {
  readonly from: string | undefined;
  readonly nexthops: readonly Nexthop[];
  readonly nexthop: NexthopObject | undefined;
}

/** `default` has no family of its own: the next hop, the source or the device's addresses tell it, else it is IPv4. */
function expandDestination(
  context: Context,
  { raw, toPlace }: ListedRoute,
  { namespace, network, objects, from, nexthops, nexthop }: Hints,
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
  if (hint !== undefined) return { to: 'default', family: familyOfAddress(hint) };
  const family = familyOf(nexthop, objects);
  if (family !== undefined) return { to: 'default', family };
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
      if (isOnLink && raw.nexthop === undefined)
        failForm(context, 'on-link needs a next hop: add via and dev', `${base}/on-link`);
      return [];
    }
    const at = isShort ? base : `${base}/via`;
    const viaPlace: Place = { pointer: via === undefined ? base : at, part: 'value' };
    const address = via === undefined ? undefined : expandIp(via, viaPlace, context.report);
    if (via !== undefined && address === undefined && dev === undefined) return [badHop(viaPlace)];
    const hopPlace = via === undefined ? place : viaPlace;
    return [{ via: address, dev, weight: 1, onLink: isOnLink, place: hopPlace, ...devPlaceOf(dev, base) }];
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
  return { via: address, dev, weight, onLink: raw['on-link'] ?? false, place, ...devPlaceOf(dev, base) };
}

function devPlaceOf(dev: string | undefined, base: string): Pick<HopDraft, 'devPlace'> {
  return dev === undefined ? {} : { devPlace: { pointer: `${base}/dev`, part: 'value' } };
}

/** Stands for a next hop that could not be read, so that nobody also complains that the route has none. */
function badHop(place: Place): HopDraft {
  return { via: undefined, dev: undefined, weight: 1, onLink: false, place };
}

function failForm({ report }: Context, message: string, at: string): void {
  report({ code: 'route-form', message, place: { pointer: at, part: 'key' } });
}

/** That of a nexthop object, or of the members of a group. */
export function familyOf(
  object: NexthopObject | undefined,
  objects: readonly NexthopObject[],
): 4 | 6 | undefined {
  if (object?.family !== undefined || object === undefined) return object?.family;
  const [first] = object.group;
  return objects.find(({ id }) => id === first?.id)?.family;
}

/** ip(8) puts a local route into `local` when no table is said. */
function tableName(
  context: Context,
  { raw: { table, type }, base }: ListedRoute,
  namespace: string,
): string | undefined {
  if (table === undefined) return type === 'local' ? 'local' : 'main';
  return resolveTable(context, table, namespace, { pointer: `${base}/table`, part: 'value' });
}

function isList(raw: Routes['raw']): raw is readonly RawRoute[] {
  return Array.isArray(raw);
}
