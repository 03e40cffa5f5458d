import { append } from '../lib/collections.ts';
import { parseCidr } from '../lib/ip.ts';
import type { IpAddress } from '../observe/live.ts';
import { HOST } from '../topology/model.ts';
import { interfaceId, interfaceOwner } from './interface.ts';
import type { Kind, LiveResource, Owner, ReadContext, Resource, Value } from './resource.ts';

/**
 * An address of an interface. On a link of ours every static address is ours: neither iproute2 6.1 nor older kernels
 * can mark one. What the kernel (link-local, loopback), router advertisements or DHCP made is left alone.
 */
export const addressKind: Kind = {
  name: 'address',
  changes: {},
  lower: ({ topology }) => {
    const sources = sourceAddresses(topology.namespaces);
    const resources: Resource[] = [];
    for (const { kind, namespace, name, addresses } of topology.interfaces) {
      for (const { address, prefixLength, family, place } of addresses) {
        const text = `${address}/${prefixLength}`;
        const attributes: Record<string, Value> = { address: text, dev: name, duplicate: false };
        // The kernel refuses a route's preferred source while duplicate address detection still runs.
        if (family === 6 && sources.has(`${namespace} ${address}`)) attributes['nodad'] = true;
        if (kind === 'adopted' && namespace === HOST) attributes['unmarked'] = true;
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
        const adopted =
          context.adopted.get(interfaceId(namespace, link.ifname)) ??
          movedLater(namespace, link.ifname, context);
        const linkOwner = adopted?.isExact ? 'ours' : interfaceOwner(link, context.lab);
        for (const address of link.addr_info ?? []) {
          const text = `${address.local}/${address.prefixlen}`;
          const id = addressId(namespace, link.ifname, text);
          const owner =
            link.ifname === 'lo'
              ? loopbackAddressOwner(address, isOurs || context.record.hostObjects.includes(id))
              : adopted?.isExact === false
                ? addressOwner(address, context.record.hostObjects.includes(id) ? 'ours' : 'builtin')
                : addressOwner(address, linkOwner);
          if (owner !== 'ours' && !context.wanted.has(id)) continue;
          const attributes = {
            address: text,
            dev: link.ifname,
            duplicate: address.dadfailed === true,
            secondary: address.secondary === true,
          };
          const label = `${text} on ${link.ifname}`;
          found.push({ kind: 'address', id, namespace, label, attributes, owner });
        }
      }
    }
    return found;
  },
  requires: ({ namespace, attributes }) => [interfaceId(namespace, String(attributes['dev']))],
  same: (attribute, wanted, live) => attribute === 'nodad' || attribute === 'unmarked' || wanted === live,
  create: ({ namespace, attributes }) => [
    {
      tool: 'ip',
      namespace,
      args: [
        ...['address', 'add', String(attributes['address']), 'dev', String(attributes['dev'])],
        ...(attributes['nodad'] ? ['nodad'] : []),
        ...(isV4(String(attributes['address'])) && prefixOf(String(attributes['address'])) < 31
          ? ['brd', '+']
          : []),
      ],
    },
  ],
  update: () => [],
  remove: ({ namespace, attributes }) => [
    {
      tool: 'ip',
      namespace,
      args: ['address', 'del', String(attributes['address']), 'dev', String(attributes['dev'])],
    },
  ],
  dropsWith: dropsWithAddress,
  // The kernel keeps IPv4 addresses of a link that is down, and drops IPv6 ones (keep_addr_on_down is 0).
  lostWhenDown: ({ attributes }) => !isV4(String(attributes['address'])),
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

function addressId(namespace: string, dev: string, addressWithLength: string): string {
  return `${namespace}/${dev}/${addressWithLength}`;
}

function loopbackAddressOwner(address: IpAddress, isKnown: boolean): Owner {
  return isKnown && address.scope !== 'host' ? addressOwner(address, 'ours') : 'builtin';
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
  for (const { id } of routesFrom.get(address.slice(0, address.indexOf('/'))) ?? []) dropped.add(id);
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
  const [one, other] = [parseCidr(a), parseCidr(b)];
  return one !== undefined && one.prefixLength === other?.prefixLength && one.network === other.network;
}

/** Whether the record must remember it, because nothing in the kernel says whose it is. */
export function isUnmarkedHostAddress(resource: {
  readonly kind: string;
  readonly namespace: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}): boolean {
  const { kind, namespace, attributes } = resource;
  if (kind !== 'address' || namespace !== HOST) return false;
  return attributes['dev'] === 'lo' || attributes['unmarked'] === true;
}
