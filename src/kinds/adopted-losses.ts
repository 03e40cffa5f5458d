import type { Attributes, Resource } from './resource.ts';

/** What keeps the kernel from having addresses, routes and neighbours on an interface, as the file wants it. */
export interface Obstacles {
  /** It is down: IPv6 addresses, routes and neighbours go (addrconf_ifdown, fib_disable_ip, neigh_ifdown). */
  readonly isDown: boolean;
  /** IPv6 is off, by disable_ipv6 or by an mtu below the least that it takes (addrconf_notify in net/ipv6/addrconf.c). */
  readonly isWithoutIpv6: boolean;
}

const LEAST_IPV6_MTU = 1280;

/** Of an adopted interface of the host, from what the file wants there. */
export function obstaclesOf(
  { namespace, label, attributes }: Resource,
  wanted: (id: string) => { readonly attributes: Attributes } | undefined,
): Obstacles {
  const names = ['all', label.replaceAll('.', '/')];
  const isDisabled = names.some((name) => {
    const sysctl = wanted(`${namespace}/sysctl/net.ipv6.conf.${name}.disable_ipv6`);
    return sysctl !== undefined && sysctl.attributes['value'] !== '0';
  });
  const mtu = attributes['mtu'];
  return {
    isDown: attributes['state'] === 'down',
    isWithoutIpv6: isDisabled || (mtu !== undefined && Number(mtu) < LEAST_IPV6_MTU),
  };
}

/** Of the lines that bring back what an interface had, those that the kernel cannot have as long as that lasts. */
export function heldBack(lines: readonly string[], { isDown, isWithoutIpv6 }: Obstacles): string[] {
  if (!isDown && !isWithoutIpv6) return [];
  return lines.filter((line) => {
    const isV6 = isIpv6Line(line);
    // The kernel keeps IPv4 addresses of an interface that is down.
    return (isWithoutIpv6 && isV6) || (isDown && (isV6 || !line.startsWith('address ')));
  });
}

/** Those that a new MAC address costs: permanent neighbours (neigh_changeaddr in net/core/neighbour.c). */
export function lostWithMac(lines: readonly string[]): string[] {
  return lines.filter((line) => line.startsWith('neigh '));
}

/** By the address or the neighbour; of a route also a next hop, which an IPv4 route can have of IPv6. */
function isIpv6Line(line: string): boolean {
  const [object, , ...words] = line.split(' ');
  if (object === 'route') return words.some((word) => word.includes(':'));
  return words.find((word) => word !== 'proxy')?.includes(':') === true;
}
