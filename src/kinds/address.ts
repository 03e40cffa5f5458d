import { append, groupBy } from '../lib/collections.ts';
import { type Cidr, parseCidr } from '../lib/ip.ts';
import type { IpAddress, LiveNamespace } from '../observe/live.ts';
import { type AddressSettings, HOST, type Topology } from '../topology/model.ts';
import { interfaceId, interfaceOwner } from './interface.ts';
import { kernelRouteFinder, needsNewAddress, noRoutes, routeCommands } from './kernel-routes.ts';
import type {
  Attributes,
  Change,
  Command,
  Kind,
  LiveResource,
  Owner,
  ReadContext,
  Resource,
  Value,
} from './resource.ts';

/**
 * An address of an interface. On a link of ours every static address is ours: neither iproute2 6.1 nor older kernels
 * can mark one. What the kernel (link-local, loopback), router advertisements or DHCP made is left alone.
 */
export const addressKind: Kind = {
  name: 'address',
  changes: { lifetime: 'in-place', 'missing-routes': 'in-place' },
  classOf: (attribute, _wanted, live) =>
    attribute === 'missing-routes' && mustBeNew(live) ? 'replace' : undefined,
  lower: ({ topology }) => {
    const sources = sourceAddresses(topology.namespaces);
    const resources: Resource[] = [];
    for (const { kind, namespace, name, addresses } of topology.interfaces) {
      const behind = neighboursInFile(addresses);
      for (const [index, { address, prefixLength, family, settings, place }] of addresses.entries()) {
        const text = addressText(address, prefixLength, settings?.peer);
        const attributes: Record<string, Value> = addressAttributes(text, name, settings);
        // The kernel refuses a route's preferred source while duplicate address detection still runs.
        if (settings?.dad === false || (family === 6 && sources.has(`${namespace} ${address}`)))
          attributes['nodad'] = true;
        if (kind === 'adopted' && namespace === HOST) attributes['unmarked'] = true;
        const id = addressId(namespace, name, text);
        const { before = '', inSubnet } = behind?.[index] ?? {};
        if (inSubnet !== undefined) attributes['behind'] = inSubnet;
        const resource = { kind: 'address', id, namespace, label: `${text} on ${name}`, attributes, place };
        const earlier = [before, inSubnet].flatMap((other) =>
          other ? addressId(namespace, name, other) : [],
        );
        resources.push(earlier.length === 0 ? resource : { ...resource, comesAfter: earlier });
      }
    }
    return resources;
  },
  read: (live, context) => {
    const found: LiveResource[] = [];
    for (const namespace of live.namespaces.values()) {
      const { name, mark, links } = namespace;
      const isOurs = mark?.lab === context.lab;
      const findMissing = kernelRouteFinder(namespace);
      for (const link of links) {
        const { ifname: dev } = link;
        const adopted = context.adopted.get(interfaceId(name, dev)) ?? movedLater(name, dev, context);
        const linkOwner = adopted?.isExact ? 'ours' : interfaceOwner(link, context.lab);
        const onLink: LiveResource[] = [];
        for (const address of link.addr_info ?? []) {
          const text = addressText(address.local, address.prefixlen, address.address);
          const id = addressId(name, dev, text);
          let owner =
            dev === 'lo'
              ? loopbackAddressOwner(address, isOurs || context.record.hostObjects.includes(id))
              : adopted?.isExact === false
                ? addressOwner(address, context.record.hostObjects.includes(id) ? 'ours' : 'builtin')
                : addressOwner(address, linkOwner);
          // An address that the lab gave to an interface of the host which is in no file any more.
          if (owner === 'foreign' && name === HOST && context.record.hostObjects.includes(id)) owner = 'ours';
          if (owner === 'builtin' && dev !== 'lo' && isGivenUp(id, { dev, address, namespace }, context))
            owner = linkOwner;
          if (owner !== 'ours' && !context.wanted.has(id)) continue;
          const attributes = liveAttributes(text, dev, address);
          if (owner !== 'foreign') attributes['missing-routes'] = findMissing(link, address);
          const label = `${text} on ${dev}`;
          onLink.push({ kind: 'address', id, namespace: name, label, attributes, owner });
        }
        if (onLink.length > 1) addOrder(onLink);
        for (const resource of onLink) found.push(resource);
      }
    }
    return found;
  },
  requires: ({ namespace, attributes }) => [interfaceId(namespace, String(attributes['dev']))],
  after: ({ comesAfter }) => comesAfter ?? [],
  same: sameAddress,
  create: (resource) => [addressCommand('add', resource)],
  update: updateAddress,
  // With promote_secondaries, the next address of the subnet would take the place of a primary one and stay.
  remove: ({ namespace, attributes }) =>
    [...secondariesOf(attributes).toReversed(), String(attributes['address'])].map((text) => ({
      tool: 'ip',
      namespace,
      args: ['address', 'del', ...text.split(' '), 'dev', String(attributes['dev'])],
    })),
  dropsWith: dropsWithAddress,
  // The kernel keeps IPv4 addresses of a link that is down, and drops IPv6 ones (keep_addr_on_down is 0).
  lostWhenDown: ({ attributes }) => !isV4(String(attributes['address'])),
  mendedByBounce: () => ['missing-routes'],
  disrupts: (_change, action) => (action === 'delete' ? 'connections from and to it break' : undefined),
};

/** An interface of the host that is about to be moved into a namespace. */
function movedLater(
  namespace: string,
  name: string,
  { adopted }: ReadContext,
): { isExact: boolean } | undefined {
  if (namespace !== HOST) return undefined;
  for (const [id, entry] of adopted) {
    if (entry.origin === name && !id.startsWith(`${HOST}/`)) return entry;
  }
  return undefined;
}

/** `10.0.0.1/24`, or `10.0.0.1 peer 10.0.0.2/32`, in the words of ip-address(8). */
function addressText(address: string, length: number, peer: string | undefined): string {
  return peer === undefined ? `${address}/${length}` : `${address} peer ${peer}/${length}`;
}

/**
 * `options` are the words of ip-address(8) for what the kernel would choose otherwise, and `lifetime` is `for ever` or the
 * words for the seconds: few addresses have any, and there are thousands.
 */
function addressAttributes(
  text: string,
  dev: string,
  settings: AddressSettings | undefined,
): Record<string, Value> {
  if (settings === undefined)
    return {
      address: text,
      dev,
      duplicate: false,
      options: '',
      lifetime: FOR_EVER,
      'missing-routes': noRoutes,
    };
  const { scope, label, broadcast, lifetime, preferred, prefixRoute } = settings;
  const options = optionsText(text, dev, { scope, label, broadcast, prefixRoute });
  return {
    address: text,
    dev,
    duplicate: false,
    options,
    lifetime: lifetimeText(lifetime, preferred),
    'missing-routes': noRoutes,
  };
}

const FOR_EVER = 'for ever';
const FOREVER = 0xffffffff;

function liveAttributes(text: string, dev: string, address: IpAddress): Record<string, Value> {
  const { family, scope, label, broadcast, noprefixroute, deprecated, dadfailed, secondary } = address;
  const { valid_life_time: valid = FOREVER, preferred_life_time: preferred = FOREVER } = address;
  const options = optionsText(text, dev, {
    scope: family === 'inet' ? scope : undefined,
    label,
    broadcast,
    prefixRoute: noprefixroute !== true,
  });
  const isForEver = valid === FOREVER && preferred === FOREVER && deprecated !== true;
  return {
    address: text,
    dev,
    duplicate: dadfailed === true,
    secondary: secondary === true,
    options,
    lifetime: isForEver
      ? FOR_EVER
      : lifetimeText(
          valid === FOREVER ? 'forever' : valid,
          // A deprecated IPv4 address without an end shows as preferred for ever all the same.
          deprecated === true ? 0 : preferred === FOREVER ? 'forever' : preferred,
        ),
  };
}

interface Choices {
  readonly scope: string | undefined;
  readonly label: string | undefined;
  readonly broadcast: string | undefined;
  readonly prefixRoute: boolean;
}

function optionsText(text: string, dev: string, { scope, label, broadcast, prefixRoute }: Choices): string {
  let options = '';
  if (!prefixRoute) options += ' noprefixroute';
  if (scope !== undefined && scope !== defaultScope(text)) options += ` scope ${scope}`;
  if (label !== undefined && label !== dev) options += ` label ${label}`;
  if (broadcast !== undefined && broadcast !== defaultBroadcast(text)) options += ` brd ${broadcast}`;
  return options.slice(1);
}

function lifetimeText(valid: number | 'forever', preferred: number | 'forever'): string {
  return valid === 'forever' && preferred === 'forever'
    ? FOR_EVER
    : `valid_lft ${valid} preferred_lft ${preferred}`;
}

type FileAddress = Topology['interfaces'][number]['addresses'][number];

/** What stands in front of an address in the file: on its interface, and in its subnet. */
interface InFront {
  readonly before?: string;
  /** '' for the first of a subnet that has several. */
  readonly inSubnet?: string;
}

/**
 * IPv4 addresses are made in the order of the file: the first one of a subnet becomes its primary address, which is the
 * source of what is sent there, and the first one of the interface is the source where no subnet decides
 * (__inet_insert_ifa and inet_select_addr in net/ipv4/devinet.c).
 */
function neighboursInFile(addresses: readonly FileAddress[]): readonly InFront[] | undefined {
  if (addresses.length < 2) return undefined;
  const texts = addresses.map(({ address, prefixLength, settings }) =>
    addressText(address, prefixLength, settings?.peer),
  );
  const subnets = groupBy(texts.filter(isV4), subnetOf);
  let before: string | undefined;
  return texts.map((text) => {
    if (!isV4(text)) return {};
    const inFront = before === undefined ? {} : { before };
    before = text;
    const group = subnets.get(subnetOf(text)) ?? [];
    return group.length < 2 ? inFront : { ...inFront, inSubnet: group[group.indexOf(text) - 1] ?? '' };
  });
}

/** Tells the addresses of one link what is in front of them in their subnets; the kernel lists them in its own order. */
function addOrder(addresses: readonly LiveResource[]): void {
  const own = addresses.filter(({ attributes }) => isV4(String(attributes['address'])));
  if (own.length < 2) return;
  const subnets = groupBy(own, ({ attributes }) => subnetOf(String(attributes['address'])));
  for (const group of subnets.values()) {
    const texts = group.map(({ attributes }) => String(attributes['address']));
    for (const [index, { attributes, owner }] of group.entries()) {
      const behind = texts[index - 1] ?? '';
      const isPrimary = attributes['secondary'] === false && owner === 'ours';
      const secondaries = group
        .filter((other) => other.owner === 'ours' && other.attributes['secondary'] === true)
        .map((other) => String(other.attributes['address']));
      Object.assign(attributes, { behind }, isPrimary && secondaries.length > 0 ? { secondaries } : {});
    }
  }
}

function secondariesOf({ secondaries = [] }: Attributes): readonly string[] {
  return Array.isArray(secondaries) ? secondaries : [];
}

function subnetOf(text: string): string {
  const cidr = cidrOf(text);
  return cidr === undefined ? text : `${cidr.network}/${cidr.prefixLength}`;
}

/**
 * Lifetimes count down, so one that ends is as the file says as long as it ends, and not later than the file says. One
 * that the file makes longer is therefore noticed only when the address is gone.
 */
function sameAddress(attribute: string, wanted: Value, live: Value | undefined): boolean {
  if (attribute === 'nodad' || attribute === 'unmarked') return true;
  if (attribute === 'behind') return wanted === (live ?? '');
  if (attribute === 'missing-routes') return missingRoutes(live).length === 0;
  if (attribute !== 'lifetime' || wanted === FOR_EVER || live === FOR_EVER) return wanted === live;
  const [, ...times] = /^valid_lft (\S+) preferred_lft (\S+)$/.exec(String(wanted)) ?? [];
  const [, ...left] = /^valid_lft (\S+) preferred_lft (\S+)$/.exec(String(live)) ?? [];
  return times.every((time, index) => {
    const rest = left[index] ?? '';
    if (time === 'forever' || time === '0' || rest === 'forever') return time === rest;
    return Number(rest) <= Number(time);
  });
}

/** Routes in their place: connections go on, and so do the routes of others that need them. */
function updateAddress({ wanted, live, attributes: changed }: Change): readonly Command[] {
  const { namespace, attributes } = wanted;
  const dev = String(attributes['dev']);
  const source = localOf(String(attributes['address']));
  const missing = missingRoutes(live.attributes['missing-routes']);
  return [
    ...(changed.every((name) => name === 'missing-routes') ? [] : [addressCommand('change', wanted)]),
    ...routeCommands({ namespace, dev, source }, missing),
  ];
}

/** The route of an IPv6 address with an end has that end, too. */
function mustBeNew({ attributes }: LiveResource): boolean {
  const missing = missingRoutes(attributes['missing-routes']);
  if (needsNewAddress(missing)) return true;
  return !isV4(String(attributes['address'])) && attributes['lifetime'] !== FOR_EVER;
}

function missingRoutes(value: Value | undefined): readonly string[] {
  return Array.isArray(value) ? value : noRoutes;
}

function addressCommand(verb: 'add' | 'change', { namespace, attributes }: Resource): Command {
  const text = String(attributes['address']);
  const args = ['address', verb, ...text.split(' '), 'dev', String(attributes['dev'])];
  const { options, lifetime } = attributes;
  if (attributes['nodad']) args.push('nodad');
  if (options) args.push(...String(options).split(' '));
  if (!args.includes('brd') && isV4(text) && prefixOf(text) < 31) args.push('brd', '+');
  if (lifetime !== FOR_EVER) args.push(...String(lifetime).split(' '));
  else if (verb === 'change') args.push('valid_lft', 'forever', 'preferred_lft', 'forever');
  return { tool: 'ip', namespace, args };
}

/** iproute2's own (default_scope in ip/ipaddress.c). */
function defaultScope(text: string): string {
  return text.startsWith('127.') ? 'host' : 'global';
}

/** The last address of an IPv4 subnet; by hand, because there are thousands of them and big integers are slow. */
function defaultBroadcast(text: string): string {
  if (text.includes(':')) return '';
  const [, a, b, c, d, length] = /(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(text) ?? [];
  const bits = 32 - Number(length);
  if (!(bits > 1)) return '';
  const value = ((Number(a) << 24) | (Number(b) << 16) | (Number(c) << 8) | Number(d)) >>> 0;
  const last = (value | (bits === 32 ? 0xffffffff : (1 << bits) - 1)) >>> 0;
  return `${last >>> 24}.${(last >>> 16) & 0xff}.${(last >>> 8) & 0xff}.${last & 0xff}`;
}

/** The subnet that an address makes, which is the peer's where it has one. */
function cidrOf(text: string): Cidr | undefined {
  return parseCidr(text.slice(text.lastIndexOf(' ') + 1));
}

function localOf(text: string): string {
  return text.split(/[ /]/, 1)[0] ?? '';
}

interface Found {
  readonly dev: string;
  readonly address: IpAddress;
  readonly namespace: LiveNamespace;
}

/** Whether an address that looks like somebody else's work goes all the same when the file does not have it. */
function isGivenUp(id: string, { dev, address, namespace }: Found, context: ReadContext): boolean {
  const { scope, family, temporary } = address;
  if (scope !== 'link' || family !== 'inet6') {
    // One with an end looks like what DHCP or a router advertisement made; the record says that it is ours.
    return context.record.hostObjects.includes(id) && !temporary;
  }
  // Where the file says that there is no link-local address, the kernel's own from before is removed.
  if (namespace.sysctls.size === 0 || context.wanted.has(id)) return false;
  return context.wanted.get(`${namespace.name}/sysctl/${addressMode(dev)}`)?.attributes['value'] === '1';
}

function addressMode(dev: string): string {
  return `net.ipv6.conf.${dev.replaceAll('.', '/')}.addr_gen_mode`;
}

export function addressId(namespace: string, dev: string, addressWithLength: string): string {
  return `${namespace}/${dev}/${addressWithLength}`;
}

function loopbackAddressOwner(address: IpAddress, isKnown: boolean): Owner {
  const isKernels = address.local === '::1' || address.local === '127.0.0.1';
  return isKnown && !isKernels ? addressOwner(address, 'ours') : 'builtin';
}

function addressOwner(address: IpAddress, linkOwner: Owner): Owner {
  if (address.dynamic || address.temporary || address.mngtmpaddr) return 'builtin';
  if (address.scope === 'link' && address.family === 'inet6') return 'builtin';
  return linkOwner;
}

/** Source addresses that a route asks for: `NAMESPACE ADDRESS`. */
function sourceAddresses(
  namespaces: readonly {
    readonly name: string;
    readonly routes: readonly { readonly from: string | undefined }[];
  }[],
): Set<string> {
  const sources = new Set<string>();
  for (const { name, routes } of namespaces) {
    for (const { from } of routes) if (from !== undefined) sources.add(`${name} ${from}`);
  }
  return sources;
}

/**
 * Removing a primary IPv4 address removes the secondaries of its subnet (promote_secondaries is 0), the routes that
 * prefer it as their source, and, when it is the last one, every IPv4 route of the interface; without a route event
 * (net/ipv4/devinet.c, fib_frontend.c; measured on 6.18).
 */
function dropsWithAddress(removed: LiveResource, live: readonly LiveResource[]): string[] {
  const address = String(removed.attributes['address']);
  const { addressesOn, routesOver, routesFrom } = neighboursIn(live);
  const others = (addressesOn.get(removed.attributes['dev'] ?? '') ?? []).filter(
    ({ id }) => id !== removed.id,
  );
  const dropped = new Set<string>();
  if (isV4(address) && removed.attributes['secondary'] !== true) {
    for (const other of others) {
      const text = String(other.attributes['address']);
      if (other.attributes['secondary'] === true && sameSubnet(text, address)) dropped.add(other.id);
    }
  }
  const isLast =
    isV4(address) &&
    !others.some(({ id, attributes }) => isV4(String(attributes['address'])) && !dropped.has(id));
  if (isLast) for (const { id } of routesOver.get(removed.attributes['dev'] ?? '') ?? []) dropped.add(id);
  for (const { id } of routesFrom.get(localOf(address)) ?? []) dropped.add(id);
  return [...dropped];
}

/** What can go with an address, of one namespace. */
interface Neighbours {
  readonly addressesOn: ReadonlyMap<Value, readonly LiveResource[]>;
  /** IPv4 routes by device. */
  readonly routesOver: ReadonlyMap<Value, readonly LiveResource[]>;
  /** Routes by the source that they prefer. */
  readonly routesFrom: ReadonlyMap<Value, readonly LiveResource[]>;
}

const neighbourCache = new WeakMap<readonly LiveResource[], Neighbours>();

function neighboursIn(live: readonly LiveResource[]): Neighbours {
  const cached = neighbourCache.get(live);
  if (cached !== undefined) return cached;
  const addressesOn = new Map<Value, LiveResource[]>();
  const routesOver = new Map<Value, LiveResource[]>();
  const routesFrom = new Map<Value, LiveResource[]>();
  for (const resource of live) {
    const { kind, attributes } = resource;
    if (kind === 'address') append(addressesOn, attributes['dev'] ?? '', resource);
    if (kind !== 'route') continue;
    append(routesFrom, attributes['from'] ?? '', resource);
    if (attributes['family'] !== 4) continue;
    for (const dev of attributes['devs'] as readonly string[]) append(routesOver, dev, resource);
  }
  const neighbours = { addressesOn, routesOver, routesFrom };
  neighbourCache.set(live, neighbours);
  return neighbours;
}

function isV4(text: string): boolean {
  return !text.includes(':');
}

function prefixOf(text: string): number {
  return Number(text.slice(text.indexOf('/') + 1));
}

function sameSubnet(a: string, b: string): boolean {
  const [one, other] = [cidrOf(a), cidrOf(b)];
  return one !== undefined && one.prefixLength === other?.prefixLength && one.network === other.network;
}

/** Whether the record must remember it, because nothing in the kernel says whose it is. */
export function isUnmarkedHostAddress(resource: {
  readonly kind: string;
  readonly namespace: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}): boolean {
  const { kind, namespace, attributes } = resource;
  if (kind !== 'address') return false;
  if (/^valid_lft \d/.test(String(attributes['lifetime']))) return true;
  return namespace === HOST && (attributes['dev'] === 'lo' || attributes['unmarked'] === true);
}
