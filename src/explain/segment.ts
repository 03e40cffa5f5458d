import { linkBelongsTo } from '../kinds/marks.ts';
import type { IpLink, Live, LiveNamespace } from '../observe/live.ts';
import { HOST } from '../topology/model.ts';

export interface End {
  readonly namespace: string;
  readonly link: IpLink;
}

/** A bridge that a packet crosses on its way from one interface to another. */
export interface Crossing {
  readonly namespace: string;
  readonly bridge: string;
  readonly in: string;
  readonly out: string;
}

export interface SegmentResult {
  /** Where the address is; undefined: nowhere in the segment. */
  readonly found: { readonly end: End; readonly crossings: readonly Crossing[] } | undefined;
  /** Interfaces of the segment that lead out of the lab. */
  readonly foreign: readonly string[];
}

interface Arrival {
  readonly end: End;
  readonly crossings: readonly Crossing[];
}

/**
 * Looks for an address in the layer-2 segment behind an interface: over veth pairs, through bridges, and up and down
 * between an interface and those on top of it.
 */
export function searchSegment(live: Live, lab: string, start: End, address: string): SegmentResult {
  const foreign = new Set<string>();
  const seen = new Set<string>();
  const queue: Arrival[] = leave(live, { end: start, crossings: [] }, { foreign, lab, seen });
  let found: Arrival | undefined;
  for (const arrival of queue) {
    const { end } = arrival;
    if (seen.has(keyOf(end))) continue;
    seen.add(keyOf(end));
    if (hasAddress(end.link, address)) found ??= arrival;
    queue.push(...arrive(live, arrival, { foreign, lab, seen }));
  }
  return { found, foreign: [...foreign].sort() };
}

interface Search {
  readonly foreign: Set<string>;
  readonly lab: string;
  readonly seen: Set<string>;
}

function keyOf({ namespace, link }: End): string {
  return `${namespace}/${link.ifname}`;
}

function hasAddress({ addr_info: addresses = [] }: IpLink, address: string): boolean {
  return addresses.some(({ local }) => local === address);
}

/** Where a packet gets that an interface sends. */
function leave(live: Live, { end, crossings }: Arrival, search: Search): Arrival[] {
  const { namespace, link } = end;
  const own = live.namespaces.get(namespace);
  if (own === undefined) return [];
  const kind = link.linkinfo?.info_kind;
  if (kind === 'veth') return peersOf(live, end).map((peer) => ({ end: peer, crossings }));
  const ends = tunnelEnds(live, end, search.lab);
  if (ends.length > 0) return ends.map((other) => ({ end: other, crossings }));
  if (kind === 'bridge') return flood(live, { own, bridge: link.ifname, from: undefined, crossings }, search);
  const lower = own.links.find(({ ifname }) => ifname === link.link);
  if (lower !== undefined && kind !== undefined) {
    const siblings = own.links.filter(
      ({ link: below, ifname }) => below === lower.ifname && ifname !== link.ifname,
    );
    return [
      ...siblings.map((sibling) => ({ end: { namespace, link: sibling }, crossings })),
      ...leave(live, { end: { namespace, link: lower }, crossings }, search),
    ];
  }
  if (link.ifname !== 'lo' && isForeign(end, search.lab)) search.foreign.add(keyOf(end));
  return [];
}

/** What a packet reaches that arrived at an interface: the bridge that it is a port of, and what is on top of it. */
function arrive(live: Live, { end, crossings }: Arrival, search: Search): Arrival[] {
  const { namespace, link } = end;
  const own = live.namespaces.get(namespace);
  if (own === undefined) return [];
  const uppers = own.links.filter(({ link: below, ifname, linkinfo }) => {
    return below === link.ifname && ifname !== link.ifname && linkinfo?.info_kind !== 'veth';
  });
  const above = uppers.map((upper) => ({ end: { namespace, link: upper }, crossings }));
  const master = own.links.find(({ ifname }) => ifname === link.master);
  if (master?.linkinfo?.info_kind !== 'bridge') return above;
  const bridge = master.ifname;
  const crossing = { namespace, bridge, in: link.ifname, out: bridge };
  return [
    ...above,
    { end: { namespace, link: master }, crossings: [...crossings, crossing] },
    ...flood(live, { own, bridge, from: link.ifname, crossings }, search),
  ];
}

interface Flood {
  readonly own: LiveNamespace;
  readonly bridge: string;
  /** The port that it came in by; undefined: the bridge itself sends. */
  readonly from: string | undefined;
  readonly crossings: readonly Crossing[];
}

function flood(live: Live, { own, bridge, from, crossings }: Flood, search: Search): Arrival[] {
  const namespace = own.name;
  return own.links
    .filter(({ master, ifname }) => master === bridge && ifname !== from)
    .flatMap((port) => {
      const crossing = { namespace, bridge, in: from ?? bridge, out: port.ifname };
      const end = { namespace, link: port };
      if (isForeign(end, search.lab)) search.foreign.add(keyOf(end));
      return leave(live, { end, crossings: [...crossings, crossing] }, search);
    });
}

/** The other end of a veth pair. */
export function peersOf(live: Live, { namespace, link }: End): End[] {
  const own = live.namespaces.get(namespace);
  if (own === undefined) return [];
  if (link.link !== undefined && link.link_netnsid === undefined) {
    const peer = own.links.find(({ ifname }) => ifname === link.link);
    return peer === undefined ? [] : [{ namespace, link: peer }];
  }
  const name = own.namespaceIds.get(link.link_netnsid ?? -1);
  const other = name === undefined ? undefined : live.namespaces.get(name);
  const peer = other?.links.find(({ ifindex }) => ifindex === link.link_index);
  return other === undefined || peer === undefined ? [] : [{ namespace: other.name, link: peer }];
}

/** The other ends of a tunnel that carries frames: those of the same network, or of the addresses turned round. */
function tunnelEnds(live: Live, { namespace, link }: End, lab: string): End[] {
  const { info_kind: kind, info_data: own } = link.linkinfo ?? {};
  if (kind === undefined || own === undefined) return [];
  const isEnd = (other: Readonly<Record<string, unknown>>) =>
    kind === 'vxlan' || kind === 'geneve'
      ? other['id'] === own['id']
      : /^(ip6)?gretap$/.test(kind) && other['local'] === own['remote'] && other['remote'] === own['local'];
  return [...live.namespaces.values()].flatMap(({ name, links }) =>
    links
      .filter(
        (other) =>
          other.linkinfo?.info_kind === kind &&
          isEnd(other.linkinfo.info_data ?? {}) &&
          linkBelongsTo(other, lab) &&
          !(name === namespace && other.ifname === link.ifname),
      )
      .map((other) => ({ namespace: name, link: other })),
  );
}

/** An interface that is not the lab's own: of the machine, or adopted. */
export function isForeign({ namespace, link }: End, lab: string): boolean {
  if (link.ifname === 'lo') return false;
  return !linkBelongsTo(link, lab) && (namespace === HOST || link.linkinfo?.info_kind === undefined);
}

/** All namespaces with an address; what a tunnel leads to is found by it. */
export function ownersOf(live: Live, lab: string, address: string): End[] {
  return [...live.namespaces.values()]
    .filter(({ name, mark }) => name === HOST || mark?.lab === lab)
    .flatMap(({ name, links }) =>
      links.filter((link) => hasAddress(link, address)).map((link) => ({ namespace: name, link })),
    );
}
