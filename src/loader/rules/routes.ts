import { familyOfAddress } from '../../lib/ip.ts';
import { HOST, type Route } from '../../topology/model.ts';
import { listNames } from '../normalize/names.ts';
import type { Report } from '../normalize/problem.ts';
import { suggest } from '../suggest.ts';
import type { Subject } from './rules.ts';

/** Types that refuse a packet and so lead nowhere. */
const refusing = new Set(['blackhole', 'unreachable', 'prohibit', 'throw']);

/** Which of next hop and device a type of route needs, and which it cannot have. */
export function checkRouteForms({ topology }: Subject, report: Report): void {
  for (const { routes } of topology.namespaces) {
    for (const route of routes) checkForm(route, report);
  }
}

function checkForm(route: Route, report: Report): void {
  const { type, family, nexthops, scope, nexthop, options, place } = route;
  const { tos, preference } = options;
  const fail = (message: string) => report({ code: 'route-form', message, place });
  const [hop] = nexthops;
  if (refusing.has(type) && hop !== undefined) {
    fail(`a route of type ${type} leads nowhere, so it has no next hop; leave via and dev out`);
  }
  if (nexthop !== undefined && type !== 'unicast') fail(`a route of type ${type} takes no nexthop`);
  if (tos !== 0 && family === 6) fail('IPv6 routes have no type-of-service; use a rule for it');
  if (preference !== 'medium' && family === 4) fail('preference is of IPv6 routes only; use metric');
  if (type === 'unicast' && hop === undefined && nexthop === undefined) {
    fail(`the route to ${route.to} leads nowhere; add via or dev, or a type such as blackhole`);
  }
  if (type === 'local' && (nexthops.length !== 1 || hop?.dev === undefined || hop.via !== undefined)) {
    fail('a route of type local needs dev, usually lo, and no via');
  }
  for (const { via, dev, onLink } of nexthops) {
    if (!onLink) continue;
    if (via === undefined) fail('on-link is about a next hop: add via');
    else if (dev === undefined) fail(`on-link needs dev: the interface by which ${via} is reached`);
  }
  if (family === 6 && scope !== undefined) {
    const message = 'the scope of an IPv6 route is fixed by the kernel; leave it out';
    report({ severity: 'warning', code: 'route-form', message, place });
  }
}

/** Table, destination and metric are a route's identity. */
export function checkRoutesTwice({ topology }: Subject, report: Report): void {
  for (const { name, routes } of topology.namespaces) {
    const seen = new Map<string, Route>();
    for (const route of routes) {
      const { family, to, table, metric, options } = route;
      const key = `${family} ${to} ${table} ${metric ?? (family === 6 ? 1024 : 0)} ${options.tos}`;
      const earlier = seen.get(key);
      if (earlier === undefined) {
        seen.set(key, route);
        continue;
      }
      const where = table === 'main' ? '' : ` in table ${table}`;
      report({
        code: 'route-twice',
        message: `${name} has a route to ${to}${where} with this metric already`,
        place: route.place,
        help: 'give one of them another metric, or join them as nexthops of one route',
        related: [{ message: 'the other one is here', place: earlier.place }],
      });
    }
  }
}

/** A device must be there; what the machine itself has cannot be known here. */
export function checkRouteDevices({ topology, network }: Subject, report: Report): void {
  for (const { name, routes } of topology.namespaces) {
    if (name === HOST) continue;
    for (const { nexthops } of routes) {
      for (const { dev, place, devPlace = place } of nexthops) {
        if (dev === undefined || dev === 'lo' || network.interfaceOf(name, dev) !== undefined) continue;
        const names = network.interfacesOf(name).map((item) => item.name);
        const nearest = suggest(dev, names);
        report({
          code: 'route-device',
          message: `'${dev}' is not an interface of ${name}; it has ${listNames(names) || 'none'}`,
          place: devPlace,
          ...(nearest === undefined ? {} : { help: `did you mean '${nearest}'?` }),
        });
      }
    }
  }
}

/** The kernel refuses a preferred source that the namespace does not have. */
export function checkRouteSources({ topology, network }: Subject, report: Report): void {
  for (const { name, routes } of topology.namespaces) {
    if (name === HOST) continue;
    for (const { from, family, place } of routes) {
      if (from === undefined) continue;
      const fail = (message: string) => report({ code: 'route-source', message, place });
      if (familyOfAddress(from) !== family) fail(`source ${from} is not of the route's family, IPv${family}`);
      else if (!network.hasAddress(name, from) && !from.startsWith('127.') && from !== '::1') {
        fail(`source ${from} is not an address of ${name}; give it to one of its interfaces, for example lo`);
      }
    }
  }
}
