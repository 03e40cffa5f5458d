import { parseMark } from '../kinds/marks.ts';
import { describeNat } from '../kinds/nat.ts';
import { readAllRoutes } from '../kinds/route.ts';
import { HOST } from '../topology/model.ts';
import type { IpLink, Live, LiveNamespace, LiveService } from './live.ts';
import type { OvsBridgeRow } from './ovs.ts';

export interface InspectedInterface {
  readonly name: string;
  readonly ifindex: number;
  readonly kind: string;
  /** The lab that marked it; null for a stranger's. */
  readonly lab: string | null;
  readonly state: 'up' | 'down';
  readonly carrier: boolean;
  readonly mtu: number;
  readonly macaddress: string | null;
  readonly addresses: readonly string[];
  readonly master: string | null;
  /** The other end of a veth, found by ifindex and namespace id; null when it is in a namespace without a name. */
  readonly peer: { readonly namespace: string; readonly interface: string } | null;
  readonly alias: string | null;
}

export interface InspectedRoute {
  readonly to: string;
  readonly table: string;
  readonly type: string;
  readonly nexthops: readonly string[];
  readonly metric: number;
  readonly protocol: string;
}

export interface InspectedNamespace {
  readonly name: string;
  readonly lab: string | null;
  /** Why it is nobody's lab's, where it looks like one: `a symbolic link`. */
  readonly notOurs: string | null;
  readonly forwarding: { readonly ipv4: boolean; readonly ipv6: boolean };
  readonly interfaces: readonly InspectedInterface[];
  readonly bridges: readonly { readonly name: string; readonly ports: readonly string[] }[];
  readonly routes: readonly InspectedRoute[];
  readonly nat: readonly string[];
  readonly services: readonly InspectedService[];
}

export interface InspectedService {
  readonly name: string;
  readonly lab: string;
  readonly state: LiveService['state'];
  readonly pid: number | null;
  readonly command: readonly string[];
  readonly log: string;
}

export interface Inspection {
  readonly lab: string | null;
  readonly namespaces: readonly InspectedNamespace[];
  /** Files under /run/netns that are no namespace. */
  readonly stale: readonly string[];
  /** What they are. */
  readonly notNamespaces: readonly { readonly name: string; readonly what: string }[];
}

/** What there is, of one lab or of the whole machine, in stable order. */
export function inspectLive(live: Live, lab: string | undefined): Inspection {
  const namespaces = [...live.namespaces.values()]
    .filter((namespace) => lab === undefined || belongs(live, namespace, lab))
    .map((namespace) => inspectNamespace(live, namespace, lab));
  const stale = lab === undefined ? live.stale : [];
  return {
    lab: lab ?? null,
    namespaces,
    stale: stale.map(({ name }) => name),
    notNamespaces: stale.map(({ name, what }) => ({ name, what })),
  };
}

function belongs({ services = [] }: Live, { name, mark, links, nft }: LiveNamespace, lab: string): boolean {
  if (name !== HOST) return mark?.lab === lab;
  if (services.some((service) => service.namespace === HOST && service.lab === lab)) return true;
  return nft.length > 0 || links.some((link) => parseMark(link.ifalias)?.lab === lab);
}

function inspectNamespace(live: Live, namespace: LiveNamespace, lab: string | undefined): InspectedNamespace {
  const shown = namespace.links.filter(
    (link) => lab === undefined || namespace.name !== HOST || parseMark(link.ifalias)?.lab === lab,
  );
  const names = new Set(shown.map(({ ifname }) => ifname));
  return {
    name: namespace.name,
    lab: namespace.mark?.lab ?? null,
    notOurs: namespace.notOurs ?? null,
    forwarding: { ipv4: forwards(namespace, 'inet'), ipv6: forwards(namespace, 'inet6') },
    interfaces: shown.map((link) => inspectLink(live, namespace, link)),
    bridges: shown.flatMap(({ ifname, linkinfo }) => {
      const row =
        linkinfo?.info_kind === 'ovs-bridge' && live.ovs?.bridges.find(({ name }) => name === ifname);
      if (row) return [{ name: ifname, ports: ovsPorts(row) }];
      if (linkinfo?.info_kind !== 'bridge') return [];
      const ports = namespace.links.filter(({ master }) => master === ifname);
      return [{ name: ifname, ports: ports.map((port) => port.ifname) }];
    }),
    routes: readAllRoutes(live, namespace.name)
      .filter(
        ({ resource: { attributes } }) =>
          attributes['table'] !== 'local' && !isMulticast(String(attributes['to'])),
      )
      .filter(
        ({ resource: { attributes } }) =>
          names.has('lo') || (attributes['devs'] as readonly string[]).some((dev) => names.has(dev)),
      )
      .map(({ resource: { attributes }, protocol }) => ({
        to: String(attributes['to']),
        table: String(attributes['table']),
        type: String(attributes['type']),
        nexthops: attributes['nexthops'] as readonly string[],
        metric: Number(attributes['metric']),
        protocol,
      })),
    nat: describeNat(namespace),
    services: (live.services ?? [])
      .filter((service) => service.namespace === namespace.name)
      .map(({ name, lab: owner, state, pid, attributes, log }) => ({
        name,
        lab: owner,
        state,
        pid: state === 'dead' ? null : (pid ?? null),
        command: attributes['command'] as readonly string[],
        log,
      })),
  };
}

function inspectLink(live: Live, namespace: LiveNamespace, link: IpLink): InspectedInterface {
  const mark = parseMark(link.ifalias);
  return {
    name: link.ifname,
    ifindex: link.ifindex,
    kind: link.ifname === 'lo' ? 'loopback' : (link.linkinfo?.info_kind ?? 'physical'),
    lab: mark?.lab ?? null,
    state: link.flags.includes('UP') ? 'up' : 'down',
    carrier: link.flags.includes('LOWER_UP'),
    mtu: link.mtu,
    macaddress: link.address ?? null,
    addresses: (link.addr_info ?? []).map(({ local, prefixlen }) => `${local}/${prefixlen}`),
    master: link.master ?? link.ovsBridge ?? null,
    peer: link.linkinfo?.info_kind === 'veth' ? peerOf(live, namespace, link) : null,
    alias: mark === undefined ? (link.ifalias ?? null) : mark.text || null,
  };
}

/** The names of the ports, those without an interface among them; not the bridge's own. */
function ovsPorts({ name, ports }: OvsBridgeRow): string[] {
  return ports
    .map((port) => port.name)
    .filter((port) => port !== name)
    .sort();
}

/** A veth's peer: the link with that ifindex in the namespace that the kernel's namespace id stands for. */
function peerOf(live: Live, namespace: LiveNamespace, link: IpLink): InspectedInterface['peer'] {
  if (link.link !== undefined && link.link_netnsid === undefined)
    return { namespace: namespace.name, interface: link.link };
  const name = namespace.namespaceIds.get(link.link_netnsid ?? -1);
  const peer = live.namespaces
    .get(name ?? '')
    ?.links.find((other) => other.ifindex === link.link_index && other.link_index === link.ifindex);
  return name === undefined || peer === undefined ? null : { namespace: name, interface: peer.ifname };
}

function forwards({ netconf }: LiveNamespace, family: 'inet' | 'inet6'): boolean {
  return netconf.some(
    (entry) => entry.family === family && entry.interface === 'all' && entry.forwarding === true,
  );
}

function isMulticast(destination: string): boolean {
  return destination.startsWith('ff00::') || destination.startsWith('fe80::');
}
