import {
  formatNetwork,
  type Ip,
  isHostPrefix,
  isLinkLocal,
  isLoopback,
  isMulticast,
  lastAddressOf,
  parseIp,
} from '../../lib/ip.ts';
import { HOST, type Interface, type Namespace, type Nexthop, type Route } from '../../topology/model.ts';
import { listNames } from '../normalize/names.ts';
import type { Network, Subnet } from '../normalize/network.ts';
import type { Report } from '../normalize/problem.ts';
import { directRoutes } from '../normalize/route-device.ts';
import type { Subject } from './rules.ts';

/** Every next hop must be a neighbour: the kernel refuses others ("Nexthop has invalid gateway"). */
export function checkNextHops({ topology, network }: Subject, report: Report): void {
  for (const namespace of topology.namespaces) {
    const direct = directRoutes(namespace.routes);
    for (const route of namespace.routes) {
      for (const hop of route.nexthops) {
        const problem = findProblem({ namespace, route, hop, network, direct });
        if (problem !== undefined) report({ code: 'next-hop', message: problem, place: hop.place });
      }
    }
  }
}

interface Hop {
  readonly namespace: Namespace;
  readonly route: Route;
  readonly hop: Nexthop;
  readonly network: Network;
  readonly direct: ReturnType<typeof directRoutes>;
}

function findProblem({ namespace, route, hop, network, direct }: Hop): string | undefined {
  const { name } = namespace;
  const { via, dev } = hop;
  const ip = via === undefined ? undefined : parseIp(via);
  if (ip === undefined) return undefined;
  const text = `next hop ${ip.address}`;
  const impossible = describeImpossible(ip, route);
  if (impossible !== undefined) return `${text} ${impossible}`;
  if (isLinkLocal(ip)) {
    return dev === undefined
      ? `${text} is link-local; add dev, the interface by which it is reached`
      : undefined;
  }
  const isNear = ({ item }: Subnet) =>
    dev === undefined ? network.isInTable(item, route.table) : sharesTables(network, item, dev);
  const near = network.subnetsWith(name, ip).filter(isNear);
  if (near.some(({ address }) => address.address === ip.address))
    return `${text} is ${name}'s own address; name a neighbour`;
  const subnets = near.filter(isNeighbourhood);
  const edge = subnets.map((subnet) => edgeOf(ip, subnet)).find((found) => found !== undefined);
  if (edge !== undefined) return `${text} is ${edge}, which no neighbour can have`;
  // What subnets and interfaces the machine itself has cannot be known here.
  if (hop.onLink || name === HOST) return undefined;
  if (dev !== undefined && network.interfaceOf(name, dev) === undefined) return undefined;
  const isDirect = direct.findAll(ip).some((other) => dev === undefined || other.dev === dev);
  if (isDirect || subnets.some(({ item }) => dev === undefined || item.name === dev)) return undefined;
  const [elsewhere] = subnets;
  if (elsewhere !== undefined)
    return `${text} is not on ${dev} but on ${elsewhere.item.name} (${formatNetwork(elsewhere.cidr)})`;
  return `${text} is on none of ${name}'s subnets (${listSubnets(network.subnetsOf(name).filter(isNear), ip.family)}); add on-link: true if that is meant`;
}

/** Whether an interface is in the VRF of another one, or both are in none. */
function sharesTables(network: Network, item: Interface, dev: string): boolean {
  const other = network.interfaceOf(item.namespace, dev);
  return other === undefined || network.vrfOf(other) === network.vrfOf(item);
}

function describeImpossible(ip: Ip, { family, to }: Route): string | undefined {
  if (ip.family !== family) return `is IPv${ip.family}, and the route to ${to} is IPv${family}`;
  if (ip.value === 0n) return 'is the unspecified address; leave via out and name the dev';
  if (isMulticast(ip)) return 'is a multicast address, and no single neighbour';
  return isLoopback(ip) ? 'is a loopback address, which no neighbour has' : undefined;
}

/** A subnet with room for a neighbour. */
function isNeighbourhood({ item, cidr, address }: Subnet): boolean {
  return item.kind !== 'loopback' && (address.settings?.peer !== undefined || !isHostPrefix(cidr));
}

function edgeOf(ip: Ip, { item, cidr }: Subnet): string | undefined {
  if (cidr.prefixLength >= (cidr.family === 4 ? 31 : 127)) return undefined;
  const where = `${formatNetwork(cidr)} on ${item.name}`;
  // The first address of an IPv6 subnet is every router's (RFC 4291, 2.6.1).
  if (cidr.family === 6) return undefined;
  if (ip.value === cidr.network) return `the address of the subnet ${where} itself`;
  return ip.value === lastAddressOf(cidr) ? `the broadcast address of ${where}` : undefined;
}

function listSubnets(all: readonly Subnet[], family: 4 | 6): string {
  const subnets = all.filter((subnet) => isNeighbourhood(subnet) && subnet.cidr.family === family);
  if (subnets.length === 0) return `it has none of IPv${family}`;
  return listNames(subnets.map(({ cidr, item }) => `${formatNetwork(cidr)} on ${item.name}`));
}
