import { append } from '../lib/collections.ts';
import { type Cidr, formatIp, lastAddressOf, parseCidr } from '../lib/ip.ts';
import type { IpAddress } from '../observe/live.ts';
import { type AddressSettings, HOST } from '../topology/model.ts';
import { interfaceId, interfaceOwner } from './interface.ts';
import type { Command, Kind, LiveResource, Owner, ReadContext, Resource, Value } from './resource.ts';

/**
 * An address of an interface. On a link of ours every static address is ours: neither iproute2 6.1 nor older kernels
 * can mark one. What the kernel (link-local, loopback), router advertisements or DHCP made is left alone.
 */
export const addressKind: Kind = {
  name: 'address',
  changes: { lifetime: 'in-place', preferred: 'in-place' },
  lower: ({ topology }) => {
    const sources = sourceAddresses(topology.namespaces);
    const resources: Resource[] = [];
    for (const { namespace, name, addresses } of topology.interfaces) {
      for (const { address, prefixLength, family, settings, place } of addresses) {
        const text = addressText(address, prefixLength, settings?.peer);
        const attributes: Record<string, Value> = addressAttributes(text, name, settings);
        // The kernel refuses a route's preferred source while duplicate address detection still runs.
        if (settings?.dad === false || (family === 6 && sources.has(`${namespace} ${address}`)))
          attributes['nodad'] = true;
        const id = addressId(namespace, name, text);
        resources.push({ kind: 'address', id, namespace, label: `${text} on ${name}`, attributes, place });
      }
    }
    return resources;
  },
  read: (live, context) => {
    const found: LiveResource[] = [];
    for (const { name: namespace, mark, links } of live.namespaces.values()) {
      const isOurs = mark?.lab === context.lab;
      for (const link of links) {
        const { ifname: dev } = link;
        const linkOwner = interfaceOwner(link, context.lab);
        for (const address of link.addr_info ?? []) {
          const text = addressText(address.local, address.prefixlen, address.address);
          const id = addressId(namespace, dev, text);
          const owner =
            dev === 'lo'
              ? loopbackAddressOwner(address, isOurs || context.record.hostObjects.includes(id))
              : liveOwner(address, { id, dev, namespace, linkOwner }, context);
          if (owner !== 'ours' && !context.wanted.has(id)) continue;
          const attributes = liveAttributes(text, dev, address);
          const label = `${text} on ${dev}`;
          found.push({ kind: 'address', id, namespace, label, attributes, owner });
        }
      }
    }
    return found;
  },
  requires: ({ namespace, attributes }) => [interfaceId(namespace, String(attributes['dev']))],
  same: sameAddress,
  create: (resource) => [addressCommand('add', resource)],
  update: ({ wanted }) => [addressCommand('change', wanted)],
  remove: ({ namespace, attributes }) => [
    {
      tool: 'ip',
      namespace,
      args: ['address', 'del', ...String(attributes['address']).split(' '), 'dev', String(attributes['dev'])],
    },
  ],
  dropsWith: dropsWithAddress,
  // The kernel keeps IPv4 addresses of a link that is down, and drops IPv6 ones (keep_addr_on_down is 0).
  lostWhenDown: ({ attributes }) => !isV4(String(attributes['address'])),
  disrupts: (_change, action) => (action === 'delete' ? 'connections from and to it break' : undefined),
};

/** `10.0.0.1/24`, or `10.0.0.1 peer 10.0.0.2/32`, in the words of ip-address(8). */
function addressText(address: string, length: number, peer: string | undefined): string {
  return peer === undefined ? `${address}/${length}` : `${address} peer ${peer}/${length}`;
}

/** What the kernel chooses is the empty text, on both sides. */
function addressAttributes(
  text: string,
  dev: string,
  settings: AddressSettings | undefined,
): Record<string, Value> {
  if (settings === undefined) {
    return {
      address: text,
      dev,
      duplicate: false,
      scope: '',
      label: '',
      broadcast: '',
      lifetime: 'forever',
      preferred: 'forever',
      'prefix-route': true,
    };
  }
  const { scope = '', label = '', broadcast = '', lifetime, preferred, prefixRoute } = settings;
  return {
    address: text,
    dev,
    duplicate: false,
    scope: scope === defaultScope(text) ? '' : scope,
    label: label === dev ? '' : label,
    broadcast: broadcast === defaultBroadcast(text) ? '' : broadcast,
    lifetime,
    preferred,
    'prefix-route': prefixRoute,
  };
}

const FOREVER = 0xffffffff;

function liveAttributes(text: string, dev: string, address: IpAddress): Record<string, Value> {
  const { family, scope, label = dev, broadcast = '' } = address;
  const { valid_life_time: valid = FOREVER, preferred_life_time: preferred = FOREVER } = address;
  const isV4Address = family === 'inet';
  const hasOwnScope = isV4Address && scope !== defaultScope(text);
  const hasOwnBroadcast = broadcast !== '' && broadcast !== defaultBroadcast(text);
  return {
    address: text,
    dev,
    duplicate: address.dadfailed === true,
    secondary: address.secondary === true,
    scope: hasOwnScope ? scope : '',
    label: label === dev ? '' : label,
    broadcast: hasOwnBroadcast ? broadcast : '',
    lifetime: valid === FOREVER ? 'forever' : valid,
    // A deprecated IPv4 address without an end shows as preferred for ever all the same.
    preferred: address.deprecated === true ? 0 : preferred === FOREVER ? 'forever' : preferred,
    'prefix-route': address.noprefixroute !== true,
  };
}

/**
 * Lifetimes count down, so one that ends is as the file says as long as it ends, and not later than the file says. One
 * that the file makes longer is therefore noticed only when the address is gone.
 */
function sameAddress(attribute: string, wanted: Value, live: Value | undefined): boolean {
  if (attribute === 'nodad') return true;
  const isTime = attribute === 'lifetime' || attribute === 'preferred';
  if (isTime && typeof wanted === 'number' && typeof live === 'number')
    return wanted === 0 ? live === 0 : live <= wanted;
  return wanted === live;
}

function addressCommand(verb: 'add' | 'change', { namespace, attributes }: Resource): Command {
  const text = String(attributes['address']);
  const args = ['address', verb, ...text.split(' '), 'dev', String(attributes['dev'])];
  const { scope, label, lifetime, preferred } = attributes;
  if (attributes['nodad']) args.push('nodad');
  if (attributes['prefix-route'] === false) args.push('noprefixroute');
  if (scope) args.push('scope', String(scope));
  if (label) args.push('label', String(label));
  if (attributes['broadcast']) args.push('brd', String(attributes['broadcast']));
  else if (isV4(text) && prefixOf(text) < 31) args.push('brd', '+');
  if (lifetime !== 'forever' || preferred !== 'forever' || verb === 'change')
    args.push('valid_lft', String(lifetime), 'preferred_lft', String(preferred));
  return { tool: 'ip', namespace, args };
}

/** iproute2's own (default_scope in ip/ipaddress.c). */
function defaultScope(text: string): string {
  return text.startsWith('127.') ? 'host' : 'global';
}

function defaultBroadcast(text: string): string {
  const cidr = cidrOf(text);
  return cidr?.family !== 4 || cidr.prefixLength >= 31 ? '' : formatIp(lastAddressOf(cidr), 4);
}

/** The subnet that an address makes, which is the peer's where it has one. */
function cidrOf(text: string): Cidr | undefined {
  return parseCidr(text.slice(text.lastIndexOf(' ') + 1));
}

function localOf(text: string): string {
  return text.split(/[ /]/, 1)[0] ?? '';
}

interface Where {
  readonly id: string;
  readonly dev: string;
  readonly namespace: string;
  readonly linkOwner: Owner;
}

function liveOwner(
  address: IpAddress,
  { id, dev, namespace, linkOwner }: Where,
  context: ReadContext,
): Owner {
  const owner = addressOwner(address, linkOwner);
  if (owner !== 'builtin') return owner;
  if (address.scope === 'link' && address.family === 'inet6') {
    // Where the file says that there is none, what the kernel made before is removed.
    const mode = context.wanted.get(`${namespace}/sysctl/${addressMode(dev)}`)?.attributes['value'];
    return mode === '1' && !context.wanted.has(id) ? linkOwner : owner;
  }
  // One with an end looks like what DHCP or a router advertisement made; the record says that it is ours.
  return context.record.hostObjects.includes(id) && !address.temporary ? linkOwner : owner;
}

function addressMode(dev: string): string {
  return `net.ipv6.conf.${dev.replaceAll('.', '/')}.addr_gen_mode`;
}

function addressId(namespace: string, dev: string, addressWithLength: string): string {
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
  if (resource.kind !== 'address') return false;
  const hasEnd = typeof resource.attributes['lifetime'] === 'number';
  return hasEnd || (resource.namespace === HOST && resource.attributes['dev'] === 'lo');
}
