import { isLinkLocal } from '../../lib/ip.ts';
import type { Network, Subnet } from './network.ts';

/**
 * The address by which one namespace knows another: in a subnet that both have, else the first one, IPv4 before IPv6;
 * addresses of `lo` last, and no link-local ones, which mean nothing without an interface.
 *
 * @param family only an address of this family.
 */
export function addressOfNamespace(
  network: Network,
  namespace: string,
  from: string,
  family?: 4 | 6,
): string | undefined {
  let best: { subnet: Subnet; rank: number } | undefined;
  for (const subnet of network.subnetsOf(namespace)) {
    if (isLinkLocal(subnet.cidr) || (family !== undefined && subnet.cidr.family !== family)) continue;
    const rank = rankOf(network, subnet, from);
    if (best === undefined || rank < best.rank) best = { subnet, rank };
  }
  return best?.subnet.address.address;
}

function rankOf(network: Network, { item, cidr }: Subnet, from: string): number {
  const family = cidr.family === 4 ? 0 : 1;
  if (item.kind === 'loopback') return 4 + family;
  const isShared = item.namespace !== from && network.subnetsWith(from, cidr).length > 0;
  return isShared ? family : 2 + family;
}

/** The same for each family: at most one IPv4 and one IPv6 address. */
export function addressesOfNamespace(network: Network, namespace: string, from: string): string[] {
  return ([4, 6] as const).flatMap((family) => {
    const candidates = candidatesOf(network, namespace, family);
    let best: { subnet: Subnet; rank: number } | undefined;
    for (const subnet of candidates) {
      const rank = candidates.length === 1 ? 0 : rankOf(network, subnet, from);
      if (best === undefined || rank < best.rank) best = { subnet, rank };
    }
    return best === undefined ? [] : [best.subnet.address.address];
  });
}

/** Whether all others know a namespace by the same addresses. */
export function isKnownAlike(network: Network, namespace: string): boolean {
  return ([4, 6] as const).every((family) => candidatesOf(network, namespace, family).length <= 1);
}

function candidatesOf(network: Network, namespace: string, family: 4 | 6): Subnet[] {
  return network.subnetsOf(namespace).filter(({ cidr }) => cidr.family === family && !isLinkLocal(cidr));
}
