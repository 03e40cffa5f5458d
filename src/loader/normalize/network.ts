import { append } from '../../lib/collections.ts';
import { type Cidr, type Ip, parseIp, withLength } from '../../lib/ip.ts';
import type { Address, Device, Interface } from '../../topology/model.ts';
import { interfaceKey } from './context.ts';
import { SubnetTable } from './subnet-table.ts';

/** An address of an interface, and the subnet that it makes. */
export interface Subnet {
  readonly item: Interface;
  readonly address: Address;
  readonly cidr: Cidr;
}

/** Look-ups over the interfaces of the file; everything is answered without walking over all of them. */
export interface Network {
  readonly interfaceOf: (namespace: string, name: string) => Interface | undefined;
  /** Sorted by name. */
  readonly interfacesOf: (namespace: string) => readonly Interface[];
  readonly subnetsOf: (namespace: string) => readonly Subnet[];
  /** Those of all namespaces, in the order of the interfaces. */
  readonly subnets: () => readonly Subnet[];
  /** The namespace's own subnets that an address is in, the longest prefix first. */
  readonly subnetsWith: (namespace: string, ip: Ip) => readonly Subnet[];
  readonly hasAddress: (namespace: string, address: string) => boolean;
  /** The VRF that an interface is, or is a member of; undefined: the namespace's own tables. */
  readonly vrfOf: (item: Interface) => string | undefined;
  /** Whether a routing table has the routes to an interface's subnets; of a table of no VRF, that may be. */
  readonly isInTable: (item: Interface, table: string) => boolean;
}

/** The interfaces are sorted by namespace and name, as in a topology. */
export function createNetwork(interfaces: readonly Interface[]): Network {
  const byKey = new Map(interfaces.map((item) => [interfaceKey(item.namespace, item.name), item]));
  const byNamespace = new Map<string, Interface[]>();
  for (const item of interfaces) append(byNamespace, item.namespace, item);
  const subnets = new Map<string, NamespaceSubnets>();
  const of = (namespace: string): NamespaceSubnets => {
    const known = subnets.get(namespace);
    if (known !== undefined) return known;
    const made = collectSubnets(byNamespace.get(namespace) ?? []);
    subnets.set(namespace, made);
    return made;
  };
  const vrfs = new Map<string, Device[]>();
  const vrfsOf = (namespace: string): Device[] => vrfs.get(namespace) ?? [];
  for (const item of interfaces) if (isVrf(item)) append(vrfs, item.namespace, item);
  const vrfOf = ({ kind, namespace, name, master }: Interface): string | undefined => {
    if (kind === 'vrf') return name;
    return vrfsOf(namespace).find((vrf) => vrf.name === master)?.name;
  };
  return {
    interfaceOf: (namespace, name) => byKey.get(interfaceKey(namespace, name)),
    interfacesOf: (namespace) => byNamespace.get(namespace) ?? [],
    subnetsOf: (namespace) => of(namespace).list,
    subnets: () => [...byNamespace.keys()].flatMap((namespace) => of(namespace).list),
    subnetsWith: (namespace, ip) => of(namespace).table.findAll(ip),
    hasAddress: (namespace, address) => of(namespace).addresses.has(address),
    vrfOf,
    isInTable: (item, table) => {
      const vrfs = vrfsOf(item.namespace);
      if (vrfs.length === 0) return true;
      const own = vrfOf(item);
      const owner = vrfs.find(({ settings }) => String(settings['table']) === table);
      if (owner !== undefined) return own === owner.name;
      return own === undefined || !mainTables.has(table);
    },
  };
}

/** Tables of the namespace itself. */
const mainTables: ReadonlySet<string> = new Set(['main', 'local', 'default']);

function isVrf(item: Interface): item is Device {
  return item.kind === 'vrf';
}

interface NamespaceSubnets {
  readonly list: readonly Subnet[];
  readonly table: SubnetTable<Subnet>;
  readonly addresses: ReadonlySet<string>;
}

function collectSubnets(interfaces: readonly Interface[]): NamespaceSubnets {
  const list: Subnet[] = [];
  const table = new SubnetTable<Subnet>();
  const addresses = new Set<string>();
  for (const item of interfaces) {
    for (const address of item.addresses) {
      // With a peer, the prefix is what is at the other end.
      const ip = parseIp(address.settings?.peer ?? address.address);
      if (ip === undefined) continue;
      const cidr = withLength(ip, address.prefixLength);
      const subnet = { item, address, cidr };
      list.push(subnet);
      addresses.add(address.address);
      table.add(cidr, subnet);
    }
  }
  return { list, table, addresses };
}
