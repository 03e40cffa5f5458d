import { addressId } from '../kinds/address.ts';
import { interfaceOwner } from '../kinds/interface.ts';
import { type Cidr, formatNetwork, overlaps, parseCidr, parseIp, withLength } from '../lib/ip.ts';
import type { IpLink, Live, LiveNamespace } from '../observe/live.ts';
import type { Conflict } from '../plan/step.ts';
import type { LabRecord } from '../system/record.ts';
import { type Address, HOST, type Interface, type Topology } from '../topology/model.ts';

interface Claim {
  readonly item: Interface;
  readonly address: Address;
  readonly cidr: Cidr;
}

interface Holder {
  readonly cidr: Cidr;
  readonly title: string;
  readonly lab: string | undefined;
}

/**
 * Subnets that the file wants for itself and that the machine has already: what is sent to them would go elsewhere, or
 * what others send there would come to the lab.
 */
export function exclusiveConflicts(topology: Topology, live: Live, { lab }: LabRecord): Conflict[] {
  const claims = topology.interfaces.flatMap(claimsOf);
  const host = live.namespaces.get(HOST);
  if (claims.length === 0 || host === undefined) return [];
  const holders = holdersOf(host, topology, lab);
  return claims.flatMap((claim) => {
    const holder = holders.find(({ cidr }) => overlaps(cidr, claim.cidr));
    return holder === undefined ? [] : [toConflict(claim, holder)];
  });
}

function claimsOf(item: Interface): Claim[] {
  if (item.namespace !== HOST) return [];
  return item.addresses.flatMap((address) => {
    const ip = address.settings?.exclusive === true ? parseIp(address.address) : undefined;
    return ip === undefined ? [] : [{ item, address, cidr: withLength(ip, address.prefixLength) }];
  });
}

/** What others have: addresses first, since they say more than the routes that the kernel makes of them. */
function holdersOf(host: LiveNamespace, topology: Topology, lab: string): Holder[] {
  const own = new Set(
    topology.interfaces.filter(({ namespace }) => namespace === HOST).map(({ name }) => name),
  );
  const links = new Map(host.links.map((link) => [link.ifname, link]));
  const isOurs = (link: IpLink) => own.has(link.ifname) || interfaceOwner(link, lab) === 'ours';
  const holders: Holder[] = [];
  for (const link of host.links) {
    if (isOurs(link)) continue;
    for (const { local, address, prefixlen } of link.addr_info ?? []) {
      const ip = parseIp(address ?? local);
      if (ip === undefined) continue;
      const text = `${local}/${prefixlen}`;
      holders.push({
        cidr: withLength(ip, prefixlen),
        title: `the address ${text} of ${link.ifname}`,
        lab: labOf(link, lab),
      });
    }
  }
  for (const { dst, dev, type, gateway, nexthops = [] } of host.routes) {
    const cidr = cidrOf(dst);
    const [first] = nexthops;
    const device = links.get(dev ?? first?.dev ?? '');
    if (cidr === undefined || isDefault(cidr) || !passes.has(type)) continue;
    if (device !== undefined && isOurs(device)) continue;
    const via = gateway ?? first?.gateway;
    const where = device === undefined ? type : via === undefined ? `over ${device.ifname}` : `via ${via}`;
    holders.push({
      cidr,
      title: `the route to ${formatNetwork(cidr)} (${where})`,
      lab: device && labOf(device, lab),
    });
  }
  return holders;
}

/** Routes that say where packets go; the others are those that come with an address. */
const passes: ReadonlySet<string> = new Set(['unicast', 'blackhole', 'unreachable', 'prohibit', 'throw']);

/** The default route, also in the two halves that VPNs write, which leave the other one alone; in IPv6 it may be 2000::/3. */
function isDefault({ prefixLength, family, network }: Cidr): boolean {
  return prefixLength <= 1 || (family === 6 && prefixLength === 3 && network === 0x2n << 124n);
}

function cidrOf(dst: string): Cidr | undefined {
  const ip = parseIp(dst);
  return ip === undefined ? parseCidr(dst) : withLength(ip, ip.family === 4 ? 32 : 128);
}

function labOf(link: IpLink, lab: string): string | undefined {
  const owner = interfaceOwner(link, lab);
  return typeof owner === 'object' ? owner.lab : undefined;
}

function toConflict({ item, address, cidr }: Claim, { title, lab }: Holder): Conflict {
  const { namespace, name } = item;
  return {
    resource: addressId(namespace, name, `${address.address}/${address.prefixLength}`),
    namespace,
    label: name,
    lab,
    message: `${formatNetwork(cidr)} of ${name} overlaps ${title}${lab === undefined ? ', which is not of this lab' : ` of the lab '${lab}'`}`,
    hint: 'give it another subnet in the file',
    place: address.place,
  };
}
