import { parseIp } from '../../lib/ip.ts';
import type { Direction, Gre, Interface, InterfaceKind, Tunnel, Wireguard } from '../../topology/model.ts';
import type { Network } from './network.ts';

export type TunnelInterface = Tunnel | Wireguard;

/** Of each type of tunnel, whether it has Ethernet frames inside, and the family of its outer packets. */
export const tunnelTypes: {
  readonly [Kind in TunnelInterface['kind']]: { ethernet: boolean; outer?: 4 | 6 };
} = {
  gre: { ethernet: false, outer: 4 },
  gretap: { ethernet: true, outer: 4 },
  ip6gre: { ethernet: false, outer: 6 },
  ip6gretap: { ethernet: true, outer: 6 },
  ipip: { ethernet: false, outer: 4 },
  sit: { ethernet: false, outer: 4 },
  ip6tnl: { ethernet: false, outer: 6 },
  vxlan: { ethernet: true },
  geneve: { ethernet: true },
  wireguard: { ethernet: false },
};

export function isTunnel(item: Interface): item is TunnelInterface {
  return Object.hasOwn(tunnelTypes, item.kind);
}

/** Whether it is a tunnel that has no Ethernet frames inside, and so no MAC address. */
export function isIpTunnel(kind: InterfaceKind): boolean {
  return Object.hasOwn(tunnelTypes, kind) && !tunnelTypes[kind as Tunnel['kind']].ethernet;
}

/** Where the outer packets go, as far as it is one address. */
export function remoteOf(item: TunnelInterface): string | undefined {
  if (item.kind === 'wireguard') return remotesOf(item)[0];
  return item.kind === 'vxlan' ? (item.group ?? item.peers[0]) : item.remote;
}

/**
 * The interface that a tunnel's outer packets leave by: `dev`, or the one with the local address, or the one in whose
 * subnet the remote address is. undefined where only a route, or the machine's own configuration, would tell.
 */
export function findUnderlay(network: Network, item: TunnelInterface): Interface | undefined {
  const { namespace } = item;
  const dev = underlayDevice(item);
  if (dev !== undefined) return network.interfaceOf(namespace, dev);
  return findInterfaceTo(network, namespace, [item.local, ...remotesOf(item)], item.name);
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

/** The `dev` of a tunnel; WireGuard's packets leave by whatever the routes say. */
export function underlayDevice(item: TunnelInterface): string | undefined {
  return item.kind === 'wireguard' ? undefined : item.dev;
}

/** The outer addresses that it sends to, those that are known. */
function remotesOf(item: TunnelInterface): readonly (string | undefined)[] {
  if (item.kind !== 'wireguard') return [remoteOf(item)];
  return item.peers.map(({ endpoint }) => endpoint?.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1'));
}

/**
 * The bytes that a tunnel puts before each packet. Outer IPv4 takes 20 and IPv6 40; GRE 4, and 4 more each with a key, a
 * checksum and a number in the packets that it sends; UDP and VXLAN or Geneve 16; an inner Ethernet header 14. GRE over
 * IPv6 and ip6tnl add 8 for the tunnel encapsulation limit, which is on unless it is switched off
 * (ip6gre_tnl_link_config in net/ipv6/ip6_gre.c, ip6_tnl_link_config in net/ipv6/ip6_tunnel.c: 1500 leave 1448 and 1452).
 * WireGuard takes 8 for UDP and 32 of its own (drivers/net/wireguard/messages.h).
 */
export function tunnelOverhead(item: TunnelInterface): number {
  switch (item.kind) {
    case 'vxlan':
    case 'geneve':
      return isOverIpv6(item) ? 70 : 50;
    case 'ipip':
    case 'sit':
      return 20;
    case 'wireguard':
      return [item.local, ...remotesOf(item)].some((address) => address?.includes(':')) ? 80 : 60;
    case 'ip6tnl':
      return 40 + (item.encapLimit === 'none' ? 0 : 8);
    default:
      return greOverhead(item);
  }
}

function greOverhead({ kind, encapLimit, outputKey, seq, csum }: Gre): number {
  const outer = kind.startsWith('ip6') ? 40 + (encapLimit === 'none' ? 0 : 8) : 20;
  const options = [outputKey !== undefined, sends(seq), sends(csum)].filter(Boolean).length;
  return outer + 4 + 4 * options + (tunnelTypes[kind].ethernet ? 14 : 0);
}

function sends(direction: Direction): boolean {
  return direction === 'both' || direction === 'output';
}

export function isOverIpv6(item: TunnelInterface): boolean {
  return (item.local ?? remoteOf(item) ?? '').includes(':');
}
