import { parseIp } from '../../lib/ip.ts';
import type { Gre, Interface, Vxlan } from '../../topology/model.ts';
import type { Network } from './network.ts';

export type TunnelInterface = Gre | Vxlan;

const tunnelKinds: ReadonlySet<string> = new Set(['gre', 'gretap', 'ip6gre', 'ip6gretap', 'vxlan']);

export function isTunnel(item: Interface): item is TunnelInterface {
  return tunnelKinds.has(item.kind);
}

/**
 * The interface that a tunnel's outer packets leave by: `dev`, or the one with the local address, or the one in whose
 * subnet the remote address is. undefined where only a route, or the machine's own configuration, would tell.
 */
export function findUnderlay(network: Network, item: TunnelInterface): Interface | undefined {
  const { namespace, dev } = item;
  if (dev !== undefined) return network.interfaceOf(namespace, dev);
  const remote = item.kind === 'vxlan' ? item.peers[0] : item.remote;
  return findInterfaceTo(network, namespace, [item.local, remote], item.name);
}

/** The first interface, of those but one, that is in a subnet of one of these addresses. */
export function findInterfaceTo(
  network: Network,
  namespace: string,
  addresses: readonly (string | undefined)[],
  except?: string,
): Interface | undefined {
  for (const address of addresses) {
    const ip = address === undefined ? undefined : parseIp(address);
    if (ip === undefined) continue;
    const found = network
      .subnetsWith(namespace, ip)
      .find(({ item: other }) => other.name !== except && other.kind !== 'loopback');
    if (found !== undefined) return found.item;
  }
  return undefined;
}

/**
 * The bytes that a tunnel puts before each packet. Outer IPv4 takes 20 and IPv6 40; GRE 4, and 4 more with a key; UDP
 * and VXLAN 16; an inner Ethernet header 14. ip6gre and ip6gretap add 8 for the tunnel encapsulation limit, which is on
 * unless it is switched off (ip6gre_tnl_link_config in net/ipv6/ip6_gre.c: 1500 leave 1448, or 1434 for ip6gretap).
 */
export function tunnelOverhead(item: TunnelInterface): number {
  if (item.kind === 'vxlan') {
    const outer = item.local ?? item.peers[0] ?? '';
    return outer.includes(':') ? 70 : 50;
  }
  const base = { gre: 24, gretap: 38, ip6gre: 52, ip6gretap: 66 }[item.kind];
  return base + (item.key === undefined ? 0 : 4);
}
