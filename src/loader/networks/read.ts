import type { Network as RawNetwork, TopologyFile } from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import {
  addressBits,
  type Cidr,
  contains,
  formatIp,
  formatNetwork,
  type Ip,
  isMulticast,
  parseCidr,
  parseIp,
} from '../../lib/ip.ts';
import { pointer } from '../../lib/pointer.ts';
import { HOST } from '../../topology/model.ts';
import type { RawAddress } from '../normalize/addresses.ts';
import type { Report } from '../normalize/problem.ts';
import { expandPrefix } from '../normalize/settings.ts';

/** A network of the file, its defaults filled in. */
export interface Net {
  readonly name: string;
  readonly raw: RawNetwork;
  /** The pointer of the network. */
  readonly base: string;
  readonly namespace: string;
  readonly bridge: string;
  /** The bridge is one that stands under `bridges`. */
  readonly isAttached: boolean;
  readonly isInternal: boolean;
  /** IPv4 before IPv6. */
  readonly subnets: readonly NetSubnet[];
}

export interface NetSubnet {
  readonly cidr: Cidr;
  /** The pointer of the subnet in the file. */
  readonly at: string;
  /** Where members send what is not for the network; undefined: nowhere. */
  readonly gateway: Ip | undefined;
  /** What the network gives to the bridge. */
  readonly bridgeAddress: (Ip & { readonly at: string }) | undefined;
  /** The bridge has an address in it that the file knows: its namespace routes for the members. */
  readonly isRouted: boolean;
  readonly pool: Cidr;
  readonly poolAt: string;
}

/** A network whose subnet is wrong is left out: nothing in it could be checked. */
export function readNetwork(data: TopologyFile, name: string, report: Report): Net | undefined {
  const raw = data.networks?.[name];
  if (raw === undefined) return undefined;
  const base = pointer('networks', name);
  const bridge = raw.bridge ?? name;
  const attached =
    data.bridges === undefined || !Object.hasOwn(data.bridges, bridge) ? undefined : data.bridges[bridge];
  const isAttached = attached !== undefined;
  const own = attached?.namespace ?? HOST;
  const namespace = isAttached ? own : (raw.namespace ?? HOST);
  const place = (key: string, part: Place['part'] = 'value'): Place => ({ pointer: `${base}/${key}`, part });
  if (isAttached && raw.namespace !== undefined && raw.namespace !== own) {
    report({
      code: 'network',
      message: `bridge ${bridge} is in ${own}, so the network cannot be in ${raw.namespace}`,
      place: place('namespace'),
      help: 'leave namespace out',
      related: [
        { message: `${bridge} is defined here`, place: { pointer: pointer('bridges', bridge), part: 'key' } },
      ],
    });
  }
  if (isAttached && raw['bridge-address'] !== undefined) {
    report({
      code: 'network',
      message: `bridge ${bridge} stands under bridges, which says its addresses`,
      place: place('bridge-address', 'key'),
      help: `write it as addresses of ${bridge}`,
    });
  }
  const isInternal = raw.internal === true;
  const subnets = readSubnets({ raw, base, isAttached, attached: addressesOf(attached), report });
  if (subnets === undefined) return undefined;
  if (!isInternal && raw.masquerade !== false) warnOfPublic(subnets, report);
  return { name, raw, base, namespace, bridge, isAttached, isInternal, subnets };
}

/** Whose addresses nobody has on the internet: private, shared, link-local, for tests and for documentation. */
const notPublic = [
  ...['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '169.254.0.0/16', '198.18.0.0/15'],
  ...['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', '192.0.0.0/24', '127.0.0.0/8', '240.0.0.0/4'],
  ...['fc00::/7', 'fe80::/10', '2001:db8::/32', '3fff::/20', '100::/64', '64:ff9b:1::/48'],
];
let notPublicBlocks: readonly Cidr[] | undefined;

/** Made where it is needed: most files have no networks. */
function isPublic(cidr: Cidr): boolean {
  notPublicBlocks ??= notPublic.flatMap((text) => parseCidr(text) ?? []);
  return !notPublicBlocks.some((block) => contains(block, cidr));
}

/** 172.167.1.0/28 is soon written for 172.16.7.0/28. */
function warnOfPublic(subnets: readonly NetSubnet[], report: Report): void {
  for (const { cidr, at, isRouted } of subnets) {
    if (!isRouted || !isPublic(cidr)) continue;
    report({
      code: 'public-subnet',
      severity: 'warning',
      message: `${formatNetwork(cidr)} is public: the members do not reach who has these addresses on the internet`,
      place: { pointer: at, part: 'value' },
      help:
        cidr.family === 4
          ? 'take one of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16; masquerade: false if it is yours'
          : 'take one of fd00::/8; masquerade: false if it is yours',
    });
  }
}

interface Reading {
  readonly raw: RawNetwork;
  readonly base: string;
  readonly isAttached: boolean;
  /** The addresses that the bridge has in the file. */
  readonly attached: readonly Cidr[];
  readonly report: Report;
}

function readSubnets(reading: Reading): NetSubnet[] | undefined {
  const { raw, base, report } = reading;
  const texts = textsOf(raw.subnet, `${base}/subnet`);
  const cidrs: { cidr: Cidr; at: string }[] = [];
  for (const { text, at } of texts) {
    const place: Place = { pointer: at, part: 'value' };
    const prefix = expandPrefix(text, place, report);
    const cidr = prefix === undefined ? undefined : parseCidr(prefix.prefix);
    if (cidr === undefined) continue;
    const problem = subnetProblem(cidr, cidrs);
    if (problem === undefined) cidrs.push({ cidr, at });
    else report({ code: 'network', message: problem, place });
  }
  if (cidrs.length !== texts.length) return undefined;
  const find = (key: 'gateway' | 'bridge-address') =>
    readOnes(
      reading,
      cidrs.map(({ cidr }) => cidr),
      key,
    );
  const [gateways, bridgeAddresses] = [find('gateway'), find('bridge-address')];
  const pools = readPools(
    reading,
    cidrs.map(({ cidr }) => cidr),
  );
  return cidrs
    .map(({ cidr, at }) => {
      const { family } = cidr;
      const pool = pools.find((each) => each.cidr.family === family);
      return {
        cidr,
        at,
        ...gatewayOf(reading, {
          cidr,
          at,
          gateway: gateways.get(family),
          address: bridgeAddresses.get(family),
        }),
        pool: pool?.cidr ?? cidr,
        poolAt: pool?.at ?? at,
      };
    })
    .sort((a, b) => a.cidr.family - b.cidr.family);
}

function subnetProblem(cidr: Cidr, earlier: readonly { readonly cidr: Cidr }[]): string | undefined {
  const text = formatNetwork(cidr);
  if (isMulticast(cidr)) return `${text} is for multicast`;
  if (cidr.prefixLength > addressBits(cidr.family) - 2)
    return `${text} has no room for a gateway and members`;
  const isTwice = earlier.some((other) => other.cidr.family === cidr.family);
  return isTwice ? `a network has one subnet of IPv${cidr.family}; make a second network` : undefined;
}

interface Found {
  readonly ip: Ip;
  readonly at: string;
}

type Given = Found | 'none' | undefined;

/** By default the gateway is the bridge, and has the subnet's first address. */
function gatewayOf(
  { raw, isAttached, attached }: Reading,
  { cidr, at, gateway, address }: { cidr: Cidr; at: string; gateway: Given; address: Given },
): Pick<NetSubnet, 'gateway' | 'bridgeAddress' | 'isRouted'> {
  if (isAttached) {
    const own = attached.find((each) => contains(cidr, each));
    const ip = gateway === undefined ? own : gateway === 'none' ? undefined : gateway.ip;
    return { gateway: ip, bridgeAddress: undefined, isRouted: own !== undefined };
  }
  const isMember = gateway !== undefined && gateway !== 'none' && isAddressOfMember(raw, gateway.ip);
  const isBridge = address === undefined && !isMember && gateway !== undefined && gateway !== 'none';
  const first = { ip: ipAt(cidr.network + 1n, cidr.family), at };
  const wanted = address ?? (isBridge ? gateway : isMember ? 'none' : first);
  const own = wanted === 'none' || wanted === undefined ? undefined : wanted;
  const way = gateway ?? own;
  return {
    gateway: way === undefined || way === 'none' ? undefined : way.ip,
    bridgeAddress: own === undefined ? undefined : { ...own.ip, at: own.at },
    isRouted: own !== undefined,
  };
}

/** Then the member is the router, and the bridge cannot have the address too. */
function isAddressOfMember({ members }: RawNetwork, ip: Ip): boolean {
  if (members === undefined || Array.isArray(members)) return false;
  return Object.values(members).some((member) => {
    const addresses =
      member === null || typeof member !== 'object' || Array.isArray(member) ? member : member.addresses;
    const list = (Array.isArray(addresses) ? addresses : [addresses]) as readonly (
      | RawAddress
      | null
      | undefined
    )[];
    return list.some((entry) => {
      const text = typeof entry === 'object' ? entry?.address : entry;
      const found = text === undefined ? undefined : (parseIp(text) ?? parseCidr(text));
      return found?.family === ip.family && found.value === ip.value;
    });
  });
}

/** One address of each family that the network has; `none` is for all. */
function readOnes(
  { raw, base, report }: Reading,
  cidrs: readonly Cidr[],
  key: 'gateway' | 'bridge-address',
): Map<4 | 6, Found | 'none'> {
  const found = new Map<4 | 6, Found | 'none'>();
  const given = raw[key];
  if (given === 'none') return new Map(cidrs.map(({ family }) => [family, 'none']));
  for (const { text, at } of textsOf(given, `${base}/${key}`)) {
    const place: Place = { pointer: at, part: 'value' };
    const fail = (message: string) => report({ code: 'network', message, place });
    const ip = parseIp(text);
    const cidr = cidrs.find(({ family }) => family === ip?.family);
    if (ip === undefined) {
      const help =
        parseCidr(text) === undefined ? 'write one such as 172.18.0.1' : 'write it without the length';
      report({ code: 'bad-address', message: `'${text}' is not an address; ${help}`, place });
    } else if (cidr === undefined) fail(`the network has no subnet of IPv${ip.family} for ${text}`);
    else if (!contains(cidr, ip)) fail(`${text} is not in ${formatNetwork(cidr)}, the subnet of the network`);
    else if (found.has(ip.family)) fail(`there is an address of IPv${ip.family} already`);
    else found.set(ip.family, { ip, at });
  }
  return found;
}

function readPools({ raw, base, report }: Reading, cidrs: readonly Cidr[]): { cidr: Cidr; at: string }[] {
  return textsOf(raw.pool, `${base}/pool`).flatMap(({ text, at }) => {
    const place: Place = { pointer: at, part: 'value' };
    const prefix = expandPrefix(text, place, report);
    const pool = prefix === undefined ? undefined : parseCidr(prefix.prefix);
    if (pool === undefined) return [];
    const subnet = cidrs.find(({ family }) => family === pool.family);
    if (subnet !== undefined && contains(subnet, pool) && pool.prefixLength >= subnet.prefixLength)
      return [{ cidr: pool, at }];
    const message =
      subnet === undefined
        ? `the network has no subnet of IPv${pool.family} for ${text}`
        : `${text} is not inside of ${formatNetwork(subnet)}, the subnet of the network`;
    report({ code: 'network', message, place });
    return [];
  });
}

/** What the bridge of the file has, as far as it can be read. */
function addressesOf(bridge: NonNullable<TopologyFile['bridges']>[string] | undefined): Cidr[] {
  const addresses = bridge?.addresses;
  if (addresses === undefined || addresses === null) return [];
  const list = (Array.isArray(addresses) ? addresses : [addresses]) as readonly RawAddress[];
  return list.flatMap((entry) => parseCidr(typeof entry === 'string' ? entry : entry.address) ?? []);
}

/** One text or a list, each with its pointer. */
export function textsOf(
  raw: string | readonly string[] | undefined,
  at: string,
): { text: string; at: string }[] {
  if (raw === undefined) return [];
  if (typeof raw === 'string') return [{ text: raw, at }];
  return raw.map((text, index) => ({ text, at: `${at}/${index}` }));
}

export function ipAt(value: bigint, family: 4 | 6): Ip {
  return { address: formatIp(value, family), family, value };
}
