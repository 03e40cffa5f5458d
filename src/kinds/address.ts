import { parseCidr } from '../lib/ip.ts';
import type { IpAddress, IpLink } from '../observe/live.ts';
import { HOST } from '../topology/model.ts';
import { interfaceId, interfaceOwner } from './interface.ts';
import type { Kind, LiveResource, Owner, ReadContext } from './resource.ts';

/**
 * An address of an interface. On a link of ours every static address is ours: neither iproute2 6.1 nor older kernels
 * can mark one. What the kernel (link-local, loopback), router advertisements or DHCP made is left alone.
 */
export const addressKind: Kind = {
  name: 'address',
  changes: {},
  lower: ({ topology }) => {
    const sources = sourceAddresses(topology.namespaces);
    return topology.interfaces.flatMap(({ namespace, name, addresses }) =>
      addresses.map(({ address, prefixLength, family, place }) => ({
        kind: 'address',
        id: addressId(namespace, name, address, prefixLength),
        namespace,
        label: `${address}/${prefixLength} on ${name}`,
        attributes: {
          address: `${address}/${prefixLength}`,
          dev: name,
          duplicate: false,
          // The kernel refuses a route's preferred source while duplicate address detection still runs.
          ...(family === 6 && sources.has(`${namespace} ${address}`) ? { nodad: true } : {}),
        },
        place,
      })),
    );
  },
  read: (live, context) => {
    const found: LiveResource[] = [];
    for (const namespace of live.namespaces.values()) {
      for (const link of namespace.links) {
        for (const address of link.addr_info ?? []) {
          const id = addressId(namespace.name, link.ifname, address.local, address.prefixlen);
          const owner = addressOwner(address, id, link, interfaceOwner(link, context.lab), {
            ...context,
            ourNamespace: namespace.mark?.lab === context.lab,
          });
          if (owner !== 'ours' && !context.wanted.has(id)) continue;
          found.push({
            kind: 'address',
            id,
            namespace: namespace.name,
            label: `${address.local}/${address.prefixlen} on ${link.ifname}`,
            attributes: {
              address: `${address.local}/${address.prefixlen}`,
              dev: link.ifname,
              duplicate: address.dadfailed === true,
              secondary: address.secondary === true,
            },
            owner,
          });
        }
      }
    }
    return found;
  },
  requires: ({ namespace, attributes }) => [interfaceId(namespace, String(attributes['dev']))],
  same: (attribute, wanted, live) => attribute === 'nodad' || wanted === live,
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

export function addressId(namespace: string, dev: string, address: string, prefixLength: number): string {
  return `${namespace}/${dev}/${address}/${prefixLength}`;
}

function addressOwner(
  address: IpAddress,
  id: string,
  link: IpLink,
  linkOwner: Owner,
  context: ReadContext & { readonly ourNamespace: boolean },
): Owner {
  if (address.dynamic || address.temporary || address.mngtmpaddr) return 'builtin';
  if (address.scope === 'link' && address.family === 'inet6') return 'builtin';
  if (link.ifname === 'lo' && address.scope === 'host') return 'builtin';
  if (link.ifname === 'lo') {
    if (context.ourNamespace || context.record.hostObjects.includes(id)) return 'ours';
    return 'builtin';
  }
  return linkOwner;
}

/** Source addresses that a route asks for: `NAMESPACE ADDRESS`. */
function sourceAddresses(
  namespaces: readonly {
    readonly name: string;
    readonly routes: readonly { readonly from: string | undefined }[];
  }[],
): Set<string> {
  return new Set(namespaces.flatMap(({ name, routes }) => routes.map(({ from }) => `${name} ${from}`)));
}

/**
 * Removing a primary IPv4 address removes the secondaries of its subnet (promote_secondaries is 0), the routes that
 * prefer it as their source, and, when it is the last one, every IPv4 route of the interface; without a route event
 * (net/ipv4/devinet.c, fib_frontend.c; measured on 6.18).
 */
function dropsWithAddress(removed: LiveResource, live: readonly LiveResource[]): string[] {
  const address = String(removed.attributes['address']);
  const dev = String(removed.attributes['dev']);
  const isOnDev = (other: LiveResource) =>
    other.namespace === removed.namespace && other.attributes['dev'] === dev;
  const others = live.filter(
    (other) => other.kind === 'address' && isOnDev(other) && other.id !== removed.id,
  );
  const dropped: string[] = [];
  if (isV4(address) && removed.attributes['secondary'] !== true) {
    for (const other of others) {
      const text = String(other.attributes['address']);
      if (other.attributes['secondary'] === true && sameSubnet(text, address)) dropped.push(other.id);
    }
  }
  const isLast =
    isV4(address) &&
    !others.some((other) => isV4(String(other.attributes['address'])) && !dropped.includes(other.id));
  const plain = address.slice(0, address.indexOf('/'));
  for (const route of live) {
    if (route.kind !== 'route' || route.namespace !== removed.namespace) continue;
    const prefersIt = route.attributes['from'] === plain;
    const devs = route.attributes['devs'];
    const usesDev = Array.isArray(devs) && devs.includes(dev) && route.attributes['family'] === 4;
    if (prefersIt || (isLast && usesDev)) dropped.push(route.id);
  }
  return dropped;
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
  return resource.kind === 'address' && resource.namespace === HOST && resource.attributes['dev'] === 'lo';
}
