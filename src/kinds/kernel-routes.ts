import { formatNetwork, parseCidr } from '../lib/ip.ts';
import type { IpAddress, IpLink, LiveNamespace } from '../observe/live.ts';
import type { Command } from './resource.ts';
import { canonicalTable } from './rule.ts';

/** Of an address that has all of its routes, which is nearly every one: the very same list each time. */
export const noRoutes: readonly string[] = [];

interface OnLink {
  readonly link: IpLink;
  /** Where its routes to a subnet are, and where those of its own addresses are. */
  readonly main: string;
  readonly local: string;
}

/** Tells which routes of the kernel's own an address lacks, in the words of ip-route(8). */
export type FindMissing = (link: IpLink, address: IpAddress) => readonly string[];

/**
 * The routes that the kernel makes with each address and nobody else makes again: what the address itself is, its
 * broadcast address and its subnet (fib_add_ifaddr in net/ipv4/fib_frontend.c, inet6_addr_add and __ipv6_ifa_notify in
 * net/ipv6/addrconf.c). Anycast addresses of IPv6 routers are not compared: whether there is one depends on settings that
 * are not read.
 */
export function kernelRouteFinder(namespace: LiveNamespace): FindMissing {
  const claimed = new Set<string>();
  let last: OnLink | undefined;
  return (link, address) => {
    const known = kernelRoutes(namespace);
    if (last?.link !== link) last = onLink(namespace, link);
    const expected = address.family === 'inet' ? routesOfV4(last, address) : routesOfV6(last, address);
    let missing = noRoutes;
    for (const route of expected) {
      const key = keyOf(route, link.ifname);
      if (known.has(key)) continue;
      // What several addresses share is made again with the first of them.
      const claim = address.family === 'inet' ? `${key} ${route.source ?? address.local}` : key;
      if (claimed.has(claim)) continue;
      claimed.add(claim);
      missing = [...missing, wordsOf(route, last)];
    }
    return missing;
  };
}

/**
 * The same for what belongs to a link itself: its link-local addresses and the multicast route of IPv6, and 127.0.0.1 and
 * ::1 of `lo`. `isWanted`: link-local addresses of the file, which are compared as addresses.
 */
export function missingOfLink(
  namespace: LiveNamespace,
  link: IpLink,
  isWanted: (address: IpAddress) => boolean,
): readonly string[] {
  const { addr_info: addresses = noAddresses, ifname, flags } = link;
  if (!flags.includes('UP')) return noRoutes;
  const own = addresses.filter((address) => isOfLink(address, ifname));
  const find = own.length === 0 || own.some(isWanted) ? undefined : kernelRouteFinder(namespace);
  const missing = find === undefined ? [] : own.flatMap((address) => find(link, address));
  if (ifname === 'lo' && !addresses.some(({ family, local }) => family === 'inet' && local === '127.0.0.1'))
    missing.push('address 127.0.0.1/8');
  const { local } = onLink(namespace, link);
  const multicast: KernelRoute = { type: 'multicast', to: 'ff00::/8', table: local };
  if (own.some(hasMulticast(link)) && !kernelRoutes(namespace).has(keyOf(multicast, ifname)))
    missing.push(`multicast ff00::/8 table ${local}`);
  return missing.length === 0 ? noRoutes : missing;
}

const noAddresses: readonly IpAddress[] = [];

function isOfLink({ family, scope, local }: IpAddress, dev: string): boolean {
  return dev === 'lo' ? local === '127.0.0.1' || local === '::1' : family === 'inet6' && scope === 'link';
}

/** addrconf_add_dev, which runs on each Ethernet device that IPv6 gives a link-local address to. */
function hasMulticast({ address: mac = '', flags, ifname }: IpLink): (address: IpAddress) => boolean {
  const isEthernet = ifname !== 'lo' && flags.includes('MULTICAST') && /^..(:..){5}$/.test(mac);
  return ({ tentative }) => isEthernet && tentative !== true && !flags.includes('NO-CARRIER');
}

/** Makes what is missing of a link again, where that takes no new beginning. */
export function linkRouteCommands(namespace: string, dev: string, missing: readonly string[]): Command[] {
  return missing.flatMap((words): Command[] =>
    words.startsWith('address ')
      ? [{ tool: 'ip', namespace, args: ['address', 'add', words.slice('address '.length), 'dev', dev] }]
      : routeCommands({ namespace, dev, source: '127.0.0.1' }, [words]),
  );
}

/** Whether a list has one that only a new address brings: no message of rtnetlink makes a route of IPv6 with metric 0. */
export function needsNewAddress(missing: readonly string[]): boolean {
  return missing.some((words) => words.startsWith('local ') && words.includes(':'));
}

/** Makes the routes again as the kernel makes them, beside equal ones of other interfaces. */
export function routeCommands(
  { namespace, dev, source }: { readonly namespace: string; readonly dev: string; readonly source: string },
  missing: readonly string[],
): Command[] {
  return missing.map((words) => {
    const args = ['route', 'append', ...words.split(' '), 'dev', dev, 'proto', 'kernel'];
    // IP6_RT_PRIO_ADDRCONF.
    if (words.includes(':')) args.push('metric', '256');
    else if (!words.includes(' src ')) args.push('src', source);
    return { tool: 'ip', namespace, args };
  });
}

interface KernelRoute {
  readonly type: 'local' | 'broadcast' | 'unicast' | 'multicast';
  readonly to: string;
  readonly table: string;
  /** Where it is not the address itself. */
  readonly source?: string | undefined;
}

const routesOf = new WeakMap<LiveNamespace, ReadonlySet<string>>();

function kernelRoutes(namespace: LiveNamespace): ReadonlySet<string> {
  const cached = routesOf.get(namespace);
  if (cached !== undefined) return cached;
  const keys = new Set<string>();
  routesOf.set(namespace, keys);
  const { routes } = namespace;
  for (const { protocol, type, dst, table = 'main', dev } of routes) {
    if (protocol !== 'kernel' || dev === undefined) continue;
    keys.add(keyOf({ type, to: dst, table: canonicalTable(table) }, dev));
  }
  return keys;
}

function keyOf({ type, to, table }: { type: string; to: string; table: string }, dev: string): string {
  return `${type} ${to} ${table} ${dev}`;
}

/** l3mdev_fib_table: all routes of a VRF, and of what is in one, are in its table. */
function onLink({ links }: LiveNamespace, link: IpLink): OnLink {
  const isVrf = ({ linkinfo }: IpLink) => linkinfo?.info_kind === 'vrf';
  const vrf = isVrf(link)
    ? link
    : link.master === undefined
      ? undefined
      : links.find((other) => other.ifname === link.master && isVrf(other));
  if (vrf === undefined) return { link, main: 'main', local: 'local' };
  const table = canonicalTable(String(vrf.linkinfo?.info_data?.['table'] ?? ''));
  return { link, main: table, local: table };
}

/** Those of a link that is down are gone, or are left from before: they come when it is set up. */
function routesOfV4({ link, main, local }: OnLink, address: IpAddress): KernelRoute[] {
  const { local: own, address: peer = own, prefixlen, secondary, broadcast, noprefixroute } = address;
  if (!link.flags.includes('UP')) return [];
  const [value, prefixValue] = [numberOf(own), numberOf(peer)];
  if (value === undefined || prefixValue === undefined) return [];
  const mask = prefixlen === 0 ? 0 : (0xffffffff << (32 - prefixlen)) >>> 0;
  const prefix = (prefixValue & mask) >>> 0;
  const source = secondary === true ? primaryOf(link, prefix, prefixlen) : own;
  if (source === undefined) return [];
  const from = source === own ? undefined : source;
  const routes: KernelRoute[] = [{ type: 'local', to: own, table: local, source: from }];
  const isShared = secondary === true && broadcast === textOf((prefix | ~mask) >>> 0);
  if (broadcast !== undefined && broadcast !== '255.255.255.255' && !isShared)
    routes.push({ type: 'broadcast', to: broadcast, table: local, source: from });
  const isZero = prefix >>> 24 === 0;
  if (isZero || secondary === true || (prefix === value && prefixlen === 32)) return routes;
  if (noprefixroute !== true) {
    const to = prefixlen === 32 ? textOf(prefix) : `${textOf(prefix)}/${prefixlen}`;
    const isLoopback = link.ifname === 'lo';
    routes.push({ type: isLoopback ? 'local' : 'unicast', to, table: isLoopback ? local : main });
  }
  const lastAddress = textOf((prefix | ~mask) >>> 0);
  if (prefixlen < 31 && lastAddress !== broadcast)
    routes.push({ type: 'broadcast', to: lastAddress, table: local });
  return routes;
}

/** An address that is still tried for duplicates, or was found to be one, is not in the tables. */
function routesOfV6({ link, main, local }: OnLink, address: IpAddress): KernelRoute[] {
  const { local: own, address: peer, prefixlen, tentative, dadfailed, noprefixroute } = address;
  if (!link.flags.includes('UP') || link.flags.includes('NO-CARRIER')) return [];
  if (tentative === true || dadfailed === true) return [];
  const routes: KernelRoute[] = [{ type: 'local', to: own, table: local }];
  if (noprefixroute !== true && prefixlen !== 0 && !(link.ifname === 'lo' && own === '::1'))
    routes.push({ type: 'unicast', to: subnetOfV6(own, prefixlen), table: main });
  if (peer !== undefined && peer !== own) routes.push({ type: 'unicast', to: peer, table: main });
  return routes;
}

/** Nearly all are link-local: computing with big numbers would be felt. */
function subnetOfV6(own: string, length: number): string {
  if (length === 128) return own;
  if (length === 64 && own.startsWith('fe80::')) return 'fe80::/64';
  const cidr = parseCidr(`${own}/${length}`);
  return cidr === undefined ? own : formatNetwork(cidr);
}

/** inet_ifa_byprefix: the address of a subnet that the routes of its secondary ones have as their source. */
function primaryOf({ addr_info: all = [] }: IpLink, prefix: number, length: number): string | undefined {
  const mask = length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0;
  return all.find(({ family, secondary, prefixlen, local, address = local }) => {
    if (family !== 'inet' || secondary === true || prefixlen !== length) return false;
    return ((numberOf(address) ?? 0) & mask) >>> 0 === prefix;
  })?.local;
}

function wordsOf({ type, to, table, source }: KernelRoute, { main, local }: OnLink): string {
  let words = type === 'unicast' ? to : `${type} ${to}`;
  if (main === local) words += ` table ${table}`;
  if (source !== undefined) words += ` src ${source}`;
  return words;
}

function numberOf(address: string): number | undefined {
  const [, a, b, c, d] = /^(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address) ?? [];
  if (d === undefined) return undefined;
  return ((Number(a) << 24) | (Number(b) << 16) | (Number(c) << 8) | Number(d)) >>> 0;
}

function textOf(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 0xff}.${(value >>> 8) & 0xff}.${value & 0xff}`;
}
