import { type Cidr, formatIp, isHostPrefix, isLinkLocal, lastAddressOf } from '../../lib/ip.ts';
import { type Address, bridgeOf } from '../../topology/model.ts';
import type { Subnet } from '../normalize/network.ts';
import type { Report } from '../normalize/problem.ts';
import type { Subject } from './rules.ts';
import { nameOf } from './segments.ts';

/** The first and the last address of an IPv4 subnet, and the first of an IPv6 one, are not an interface's. */
export function checkEdgeAddresses({ network }: Subject, report: Report): void {
  for (const { address, cidr } of network.subnets()) {
    // With a peer it is the peer's prefix, and all of it is at the other end.
    const edge = address.settings?.peer === undefined ? edgeOf(cidr) : undefined;
    if (edge === undefined) continue;
    const kind =
      edge === 'network' ? 'the address of the subnet itself' : 'the broadcast address of its subnet';
    report({
      code: 'network-address',
      message: `${textOf(address)} is ${kind}, which no interface can have`,
      place: address.place,
      help: `take one from ${usableRange(cidr)}`,
    });
  }
}

/** An address counts once in a segment and once in a namespace; unconnected segments may use it again. */
export function checkDuplicateAddresses({ topology, network, segments }: Subject, report: Report): void {
  const bySegment = new Map<string, Subnet>();
  for (const { name } of topology.namespaces) {
    const inNamespace = new Map<string, Subnet>();
    for (const subnet of network.subnetsOf(name)) {
      const { address } = subnet.address;
      const segmentKey = `${segments.of(subnet.item)} ${address}`;
      const neighbour = bySegment.get(segmentKey);
      // Each VRF is a router of its own.
      const ownKey = `${network.vrfOf(subnet.item) ?? ''} ${address}`;
      const own = inNamespace.get(ownKey);
      if (neighbour !== undefined) reportTwice(subnet, neighbour, report);
      else if (own !== undefined && !mayRepeat(subnet, own)) reportTwice(subnet, own, report);
      if (neighbour === undefined) bySegment.set(segmentKey, subnet);
      if (own === undefined) inNamespace.set(ownKey, subnet);
    }
  }
}

/** Link-local addresses count per interface, and "unnumbered" interfaces share one host address. */
function mayRepeat(subnet: Subnet, own: Subnet): boolean {
  if (subnet.item.name === own.item.name) return false;
  return isLinkLocal(subnet.cidr) || (isHostPrefix(subnet.cidr) && isHostPrefix(own.cidr));
}

function reportTwice(subnet: Subnet, earlier: Subnet, report: Report): void {
  const text = textOf(subnet.address);
  const isSame = nameOf(subnet.item) === nameOf(earlier.item);
  const isSameNamespace = subnet.item.namespace === earlier.item.namespace;
  const where = isSameNamespace ? 'in the same namespace' : 'in the same layer-2 segment';
  report({
    code: 'duplicate-address',
    message: isSame
      ? `${nameOf(subnet.item)} has ${subnet.address.address} already`
      : `${text} of ${nameOf(subnet.item)} is also given to ${nameOf(earlier.item)}, ${where}`,
    place: subnet.address.place,
    related: [
      {
        message: `${textOf(earlier.address)} of ${nameOf(earlier.item)} is here`,
        place: earlier.address.place,
      },
    ],
  });
}

/** What arrives at a port belongs to the bridge or bond, so an address of the port itself is hardly ever reached. */
export function checkPortAddresses({ topology, network }: Subject, report: Report): void {
  for (const item of topology.interfaces) {
    const [address] = item.addresses;
    // What arrives at an internal port of Open vSwitch is for the machine.
    const bridge = item.kind === 'ovs-internal' ? item.master : bridgeOf(item);
    if (bridge === undefined || address === undefined || network.vrfOf(item) !== undefined) continue;
    const isBond = network.interfaceOf(item.namespace, bridge)?.kind === 'bond';
    const [title, port] = isBond ? ['member of bond', 'member'] : ['port of bridge', 'port'];
    report({
      severity: 'warning',
      code: 'address-on-port',
      message: `${nameOf(item)} is a ${title} ${bridge}, and packets to ${address.address} do not reach a ${port}`,
      place: address.place,
      help: `give the address to ${bridge}`,
    });
  }
}

/** ip(8) takes no other labels, and what lists them by interface would not find them. */
export function checkAddressLabels({ topology }: Subject, report: Report): void {
  for (const { name, addresses } of topology.interfaces) {
    for (const { settings, place } of addresses) {
      const label = settings?.label;
      if (label === undefined || label === name || label.startsWith(`${name}:`)) continue;
      report({
        code: 'bad-address',
        message: `the label '${label}' does not begin with the interface's name`,
        place,
        help: `write ${name}:${label}`,
      });
    }
  }
}

function edgeOf(cidr: Cidr): 'network' | 'broadcast' | undefined {
  if (cidr.prefixLength >= (cidr.family === 4 ? 31 : 127)) return undefined;
  if (cidr.value === cidr.network) return 'network';
  return cidr.family === 4 && cidr.value === lastAddressOf(cidr) ? 'broadcast' : undefined;
}

/** `10.0.0.1 to 10.0.0.254` */
function usableRange(cidr: Cidr): string {
  const reserved = cidr.family === 4 ? 1n : 0n;
  const last = lastAddressOf(cidr) - reserved;
  return `${formatIp(cidr.network + 1n, cidr.family)} to ${formatIp(last, cidr.family)}`;
}

function textOf({ address, prefixLength }: Address): string {
  return `${address}/${prefixLength}`;
}
