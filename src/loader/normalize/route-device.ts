import { contains, isHostPrefix, isLinkLocal, parseCidr, parseIp } from '../../lib/ip.ts';
import type { Nexthop, Route } from '../../topology/model.ts';
import type { Network } from './network.ts';
import { SubnetTable } from './subnet-table.ts';

/**
 * The device by which a next hop is reached: that of the namespace's own subnet, or that of a route of the file that
 * has no next hop itself. undefined where neither says it; then the kernel would refuse the route, or knows better.
 */
export function deviceFinder(
  network: Network,
  namespace: string,
  routes: readonly Route[],
): (hop: Nexthop, table: string) => string | undefined {
  const direct = directRoutes(routes);
  return ({ via }, table) => {
    const ip = via === undefined ? undefined : parseIp(via);
    // Every interface has link-local addresses, so only the file can tell which one is meant.
    if (ip === undefined || isLinkLocal(ip)) return undefined;
    const subnet = network
      .subnetsWith(namespace, ip)
      .find(
        ({ item, cidr, address }) =>
          item.kind !== 'loopback' &&
          (address.settings?.peer !== undefined || !isHostPrefix(cidr)) &&
          network.isInTable(item, table),
      );
    const [route] = direct.findAll(ip);
    if (subnet === undefined) return route?.dev;
    const isCloser =
      route !== undefined && route.prefixLength > subnet.cidr.prefixLength && contains(subnet.cidr, ip);
    return isCloser ? route.dev : subnet.item.name;
  };
}

/** Prefixes of the main table that lead to a device without a next hop. */
export function directRoutes(routes: readonly Route[]): SubnetTable<{ dev: string; prefixLength: number }> {
  const table = new SubnetTable<{ dev: string; prefixLength: number }>();
  for (const { to, type, table: name, nexthops } of routes) {
    const [hop] = nexthops;
    if (type !== 'unicast' || name !== 'main') continue;
    if (hop?.dev === undefined || hop.via !== undefined || nexthops.length !== 1) continue;
    const cidr = parseCidr(to);
    if (cidr !== undefined) table.add(cidr, { dev: hop.dev, prefixLength: cidr.prefixLength });
  }
  return table;
}
