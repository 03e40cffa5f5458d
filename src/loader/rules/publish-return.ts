import { append } from '../../lib/collections.ts';
import {
  type Cidr,
  contains,
  formatNetwork,
  type Ip,
  isHostPrefix,
  isLinkLocal,
  isLoopback,
  parseCidr,
  parseIp,
} from '../../lib/ip.ts';
import { HOST, type Interface, type Masquerade, type Namespace, type Publish } from '../../topology/model.ts';
import { listNames } from '../normalize/names.ts';
import type { Network, Subnet } from '../normalize/network.ts';
import type { Problem, Report } from '../normalize/problem.ts';
import { forwards } from './nat.ts';
import type { Subject } from './rules.ts';

/**
 * A published port keeps the client's address, so the target must have a route back to clients that are in none of its
 * subnets. Only where the file shows that it has none: what a routing daemon, DHCP or a router's advertisements bring is not
 * in it.
 */
export function checkPublishReturn({ topology, network }: Subject, report: Report): void {
  const publishers = topology.namespaces.filter(({ nat }) => nat.publish.length > 0);
  if (publishers.length === 0) return;
  const owners = ownersOf(topology.interfaces);
  const byName = new Map(topology.namespaces.map((namespace) => [namespace.name, namespace]));
  const learns = topology.interfaces.some(({ kind }) => learning.has(kind));
  const runs = topology.namespaces.some(({ services = [] }) => services.length > 0);
  for (const publisher of publishers) {
    // Thousands of ports may lead to one target, and it is said once.
    const told = new Set<string>();
    const seen = new Set<string>();
    for (const publish of publisher.nat.publish) {
      const ip = parseIp(publish.to);
      const [owner, ...others] = owners.get(publish.to) ?? [];
      const target = byName.get(owner ?? '');
      if (ip === undefined || target === undefined || others.length > 0) continue;
      // Routers advertise themselves to IPv6.
      if (target.name === publisher.name || (ip.family === 6 && (learns || runs))) continue;
      const key = `${ip.family} ${target.name}`;
      const question = `${publish.address ?? ''} ${publish.to}`;
      if (told.has(key) || seen.has(question)) continue;
      seen.add(question);
      const way = { publisher, publish, target, ip, network };
      // Where nothing is forwarded, that is said.
      if (!forwards(publisher, ip.family) || !isOneWay(way)) continue;
      told.add(key);
      report(problemOf(way));
    }
  }
}

/** Kinds of interfaces that join a namespace to networks that are not in the file. */
const learning: ReadonlySet<string> = new Set(['adopted', 'macvlan', 'macvtap', 'ipvlan']);

function ownersOf(interfaces: readonly Interface[]): Map<string, string[]> {
  const owners = new Map<string, string[]>();
  for (const { namespace, addresses } of interfaces)
    for (const { address } of addresses) append(owners, address, namespace);
  return owners;
}

interface Way {
  readonly publisher: Namespace;
  readonly publish: Publish;
  readonly target: Namespace;
  /** The target's address. */
  readonly ip: Ip;
  readonly network: Network;
}

function isOneWay(way: Way): boolean {
  const { target, ip, network } = way;
  if (target.name === HOST || (target.services ?? []).length > 0 || target.nexthops.length > 0) return false;
  if (target.routes.some(({ family, type }) => family === ip.family && type === 'unicast')) return false;
  const isOpen = ({ kind, dhcp4 }: Interface) => dhcp4 !== undefined || learning.has(kind);
  if (network.interfacesOf(target.name).some(isOpen)) return false;
  return hasClientsOutside(way) && !isMasqueraded(way);
}

/** Whether clients that the target has no subnet with can come to the port. */
function hasClientsOutside({ publisher, publish, target, ip, network }: Way): boolean {
  const address = publish.address === undefined ? undefined : parseIp(publish.address);
  if (address !== undefined && (isLoopback(address) || network.subnetsWith(target.name, address).length > 0))
    return false;
  // The machine is in networks that the file does not know.
  if (publisher.name === HOST) return true;
  if (publisher.routes.some(({ family, type }) => family === ip.family && type === 'unicast')) return true;
  return subnetsFor(network, publisher.name, ip).some(
    ({ cidr }) => !subnetsFor(network, target.name, ip).some((own) => contains(own.cidr, cidr)),
  );
}

/** Those with room for others. */
function subnetsFor(network: Network, namespace: string, { family }: Ip): Subnet[] {
  return network
    .subnetsOf(namespace)
    .filter(
      ({ item, cidr }) =>
        cidr.family === family && item.kind !== 'loopback' && !isHostPrefix(cidr) && !isLinkLocal(cidr),
    );
}

/** Whether the namespace sends it on with an address of its own, to which the target answers. */
function isMasqueraded({ publisher, target, ip, network }: Way): boolean {
  const [towards] = network.subnetsWith(publisher.name, ip);
  const inside = (namespace: string, from: Cidr) =>
    subnetsFor(network, namespace, ip).some(({ cidr }) => contains(cidr, from));
  const applies = ({ from, out }: Masquerade): boolean => {
    const isNamed = out !== undefined && !out.not && out.name === towards?.item.name;
    const cidr = from === undefined ? undefined : parseCidr(from);
    // For one subnet, it is what lets that one out; what comes from the target's own is not from outside.
    const leaves = cidr !== undefined && inside(isNamed ? target.name : publisher.name, cidr);
    if (leaves || (cidr !== undefined && cidr.family !== ip.family)) return false;
    return out === undefined || towards === undefined || (out.name === towards.item.name) !== out.not;
  };
  return [...publisher.nat.masquerade, ...publisher.nat.snat].some(applies);
}

function problemOf({ publisher, publish, target, ip, network }: Way): Problem {
  const { name } = target;
  const subnets = subnetsFor(network, name, ip).map(
    ({ cidr, item }) => `${formatNetwork(cidr)} on ${item.name}`,
  );
  const [shared] = network.subnetsWith(publisher.name, ip);
  const routes =
    shared === undefined
      ? `give ${name} a default route`
      : `give ${name} a default route, routes: { default: ${yamlAddress(shared.address.address)} }`;
  const masquerade =
    shared === undefined
      ? ''
      : `; or let ${publisher.name} masquerade what goes there: masquerade: [{ out: ${shared.item.name} }]`;
  return {
    severity: 'warning',
    code: 'publish-return',
    message: `${name} has no route back to clients outside of ${listNames(subnets) || 'itself'}, so they get no answer from the published port`,
    place: publish.place,
    help: `${routes}${masquerade}`,
  };
}

function yamlAddress(address: string): string {
  return address.includes(':') ? `"${address}"` : address;
}
