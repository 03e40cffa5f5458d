import type { NetworkMember as RawMember, TopologyFile } from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import {
  addressBits,
  contains,
  formatNetwork,
  type Ip,
  lastAddressOf,
  parseCidr,
  parseIp,
} from '../../lib/ip.ts';
import { pointer } from '../../lib/pointer.ts';
import type { RawAddress } from '../normalize/addresses.ts';
import { macOfAddress, macOfName } from '../normalize/macaddress.ts';
import type { Report } from '../normalize/problem.ts';
import { allocate } from './allocate.ts';
import { ipAt, type Net, type NetSubnet } from './read.ts';

export type MemberSettings = Exclude<NonNullable<RawMember>, string | readonly unknown[]>;

/** A namespace in a network. */
export interface Member {
  readonly net: Net;
  readonly namespace: string;
  readonly settings: MemberSettings;
  /** The pointer of the member, and of its addresses. */
  readonly at: string;
  readonly addressesAt: string;
  readonly priority: number;
  /** The name of its interface; known when all networks are. */
  name: string;
  /** What the long form says, automatic addresses included. */
  readonly addresses: RawAddress[];
  /** Its address in each subnet of the network; the first one where there are several. */
  readonly ips: Map<NetSubnet, Ip>;
}

/** The members of a network with their fixed addresses. */
export function readMembers(net: Net, report: Report): Member[] {
  const { members } = net.raw;
  const list: readonly (readonly [string, RawMember, string])[] = isList(members)
    ? [...new Map(members.map((name, index) => [name, index])).entries()].map(([name, index]) => [
        name,
        null,
        `${net.base}/members/${index}`,
      ])
    : Object.entries(members ?? {}).map(([name, raw]) => [name, raw, `${net.base}/members${pointer(name)}`]);
  const namespaces = list.filter(([name, , at]) => {
    const [namespace, more] = name.split(':');
    if (more === undefined) return true;
    report({
      code: 'network',
      message: `'${name}' is no namespace: a network has namespaces as its members, and names their interfaces itself`,
      place: { pointer: at, part: isList(members) ? 'value' : 'key' },
      help: `write ${namespace}, or with a name of your choice: ${namespace}: { interface: ${more} }`,
    });
    return false;
  });
  return namespaces.map(([namespace, raw, at]) => {
    const isMap = raw !== null && typeof raw === 'object' && !Array.isArray(raw);
    const settings: MemberSettings = isMap ? (raw as MemberSettings) : {};
    const given = isMap ? settings.addresses : (raw as string | readonly RawAddress[] | null);
    const addressesAt = isMap ? `${at}/addresses` : at;
    const fixed = readFixed(net, given ?? [], addressesAt, report);
    const { priority = 0 } = settings;
    return { net, namespace, settings, at, addressesAt, priority, name: '', ...fixed };
  });
}

// Array.isArray does not narrow a readonly array out of a union.
function isList(raw: Net['raw']['members']): raw is string[] {
  return Array.isArray(raw);
}

/** An address in a subnet of the network needs no length. */
function readFixed(
  net: Net,
  given: RawAddress | readonly RawAddress[],
  at: string,
  report: Report,
): Pick<Member, 'addresses' | 'ips'> {
  const isOne = !Array.isArray(given);
  const addresses: RawAddress[] = [];
  const ips = new Map<NetSubnet, Ip>();
  for (const [index, entry] of ((isOne ? [given] : given) as readonly RawAddress[]).entries()) {
    const text = typeof entry === 'string' ? entry : entry.address;
    const place: Place = { pointer: isOne ? at : `${at}/${index}`, part: 'value' };
    const ip = parseIp(text) ?? parseCidr(text);
    const subnet = ip && net.subnets.find(({ cidr }) => contains(cidr, ip));
    if (ip !== undefined && subnet !== undefined && !ips.has(subnet)) ips.set(subnet, ip);
    const isBare = parseIp(text) !== undefined && (typeof entry === 'string' || entry.peer === undefined);
    if (isBare && subnet === undefined) {
      const subnets = net.subnets.map(({ cidr }) => formatNetwork(cidr)).join(' and ');
      report({
        code: 'network',
        message: `${text} is not in ${subnets}, the subnet of the network`,
        place,
        help: `take one from it, or write the length of the other subnet: ${text}/24`,
      });
      continue;
    }
    const long = isBare && subnet !== undefined ? `${text}/${subnet.cidr.prefixLength}` : text;
    addresses.push(typeof entry === 'string' ? long : { ...entry, address: long });
  }
  return { addresses, ips };
}

/**
 * Gives an address of each subnet to the members that have none in it. What is fixed anywhere in the file is set aside
 * first.
 */
export function addAutomatic(
  net: Net,
  members: readonly Member[],
  fixed: ReadonlySet<bigint>,
  report: Report,
): void {
  for (const subnet of net.subnets) {
    const { pool, poolAt, cidr } = subnet;
    const waiting = members.filter(
      (member) => !member.ips.has(subnet) && !hasDynamic(member.addresses, cidr.family),
    );
    if (waiting.length === 0) continue;
    const size = 1n << BigInt(addressBits(pool.family) - pool.prefixLength);
    const taken = takenIn(subnet, size, fixed);
    const choices = waiting.map(({ namespace }) => ({ name: namespace, isCounted: true }));
    const places = allocate(choices, size, taken);
    let missing = 0;
    for (const member of waiting) {
      const place = places.get(member.namespace);
      if (place === undefined) {
        missing += 1;
        continue;
      }
      const ip = ipAt(pool.network + place, pool.family);
      member.ips.set(subnet, ip);
      member.addresses.push(`${ip.address}/${cidr.prefixLength}`);
    }
    if (missing === 0) continue;
    report({
      code: 'pool-full',
      message: `${formatNetwork(pool)} has no address left for ${missing} of the members`,
      place: { pointer: poolAt, part: 'value' },
      help: 'give the network a larger one, or some members addresses outside of it',
    });
  }
}

/** `dhcp4` and `dhcp6` stand for an address that comes later. */
function hasDynamic(addresses: readonly RawAddress[], family: 4 | 6): boolean {
  return addresses.some((entry) => entry === `dhcp${family}`);
}

/** The places of the pool that no member can have. */
function takenIn(
  { cidr, pool, gateway, bridgeAddress }: NetSubnet,
  size: bigint,
  fixed: ReadonlySet<bigint>,
): Set<bigint> {
  const taken = new Set<bigint>();
  const take = (value: bigint) => {
    const place = value - pool.network;
    if (place >= 0n && place < size) taken.add(place);
  };
  for (const value of fixed) take(value);
  if (gateway !== undefined) take(gateway.value);
  if (bridgeAddress !== undefined) take(bridgeAddress.value);
  // An IPv6 subnet has no broadcast address.
  take(cidr.network);
  if (cidr.family === 4) take(lastAddressOf(cidr));
  return taken;
}

/**
 * Names of interfaces: those that are given first, then the first of eth0, eth1… that is free in the namespace; where it
 * is in several networks, in the order of their priority.
 */
export function nameInterfaces(members: readonly Member[], used: ReadonlyMap<string, Set<string>>): void {
  const taken = new Map([...used].map(([namespace, names]) => [namespace, new Set(names)]));
  const namesOf = (namespace: string): Set<string> => {
    const names = taken.get(namespace) ?? new Set();
    taken.set(namespace, names);
    return names;
  };
  for (const member of members) {
    if (member.settings.interface === undefined) continue;
    member.name = member.settings.interface;
    namesOf(member.namespace).add(member.name);
  }
  for (const member of members) {
    if (member.name !== '') continue;
    const names = namesOf(member.namespace);
    let number = 0;
    while (names.has(`eth${number}`)) number += 1;
    member.name = `eth${number}`;
    names.add(member.name);
  }
}

/** The MAC address as the long form says it. */
export function macOf({ name: lab }: TopologyFile, member: Member, report: Report): string | undefined {
  const { settings, namespace, name, at, ips } = member;
  const { macaddress } = settings;
  if (macaddress === 'hash') return macOfName(lab, namespace, settings.was ?? name);
  if (macaddress !== 'from-ip') return macaddress;
  const ip = [...ips.values()].find(({ family }) => family === 4);
  if (ip !== undefined) return macOfAddress(ip.address);
  report({
    code: 'bad-mac',
    message: `${namespace} has no IPv4 address in the network that a MAC address could be made from`,
    place: { pointer: `${at}/macaddress`, part: 'value' },
    help: 'write hash',
  });
  return undefined;
}
