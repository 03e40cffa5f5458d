import { append, groupBy } from '../lib/collections.ts';
import type { Place } from '../lib/diagnostic.ts';
import {
  type Cidr,
  contains,
  familyOfAddress,
  formatNetwork,
  parseCidr,
  parseIp,
  withLength,
} from '../lib/ip.ts';
import type { LiveNamespace, NftObject } from '../observe/live.ts';
import {
  type Interface,
  isNumbered,
  type Namespace,
  type NumberedPublish,
  type PortRange,
  type Topology,
} from '../topology/model.ts';
import { type NftRule, type NftSet, rulesHash } from './nft.ts';
import type { Attributes, LiveResource, Resource } from './resource.ts';

/**
 * Published ports: elements of maps that a few rules look up, so that thousands of them take one look-up for the first
 * packet of a connection. An element is compared by its content, which nft prints in one way only.
 *
 *   published4      protocol . port → target            for packets to any address of the namespace
 *   published4_at   address . protocol . port → target  for packets to one address
 *   hairpin4        subnet . target                     clients that the target would answer past the namespace
 *   targets4        target                              of those that 127.0.0.1 leads to
 *
 * and the same for IPv6, but for the last one.
 */
const maps = {
  4: { any: 'published4', at: 'published4_at', hairpin: 'hairpin4', targets: 'targets4', type: 'ipv4_addr' },
  6: { any: 'published6', at: 'published6_at', hairpin: 'hairpin6', targets: 'targets6', type: 'ipv6_addr' },
} as const;

type Family = keyof typeof maps;
const families: readonly Family[] = [4, 6];

const RULES_LABEL = 'rules for published ports';

/** Where packets of a published port go. */
export interface Target {
  readonly address: string;
  readonly port: number;
}

/** A run of published ports that lead to as many ports of one target. */
export interface PublishedPorts {
  readonly protocol: NumberedPublish['protocol'];
  readonly family: Family;
  /** undefined: any of the namespace. */
  readonly address: string | undefined;
  readonly port: PortRange;
  readonly to: string;
  readonly toPort: PortRange;
}

/** What became of the ports of an entry, for the connections that the kernel still translates as before. */
export interface Mapping {
  readonly protocol: NumberedPublish['protocol'];
  readonly family: Family;
  readonly address: string | undefined;
  readonly port: PortRange;
  /** The targets of the first port; undefined: not published. */
  readonly before: Target | undefined;
  readonly after: Target | undefined;
}

/** The devices over which a namespace reaches its own published ports from 127.0.0.1, which needs route_localnet. */
export function localnetDevices(
  topology: Topology,
  namespace: Namespace,
): { device: string; place: Place }[] {
  const published = namespace.nat.publish.filter(reachesFromLoopback);
  if (published.length === 0) return [];
  const devices = new Map<string, Place>();
  const ways = waysOf(topology, namespace);
  for (const publish of published) {
    const device = ways.deviceTo(publish.to);
    if (device !== undefined && !devices.has(device)) devices.set(device, publish.place);
  }
  return [...devices].map(([device, place]) => ({ device, place }));
}

/** The entries of a namespace, and the rules that look them up. */
export function lowerPublish(topology: Topology, namespace: Namespace): Resource[] {
  const published = namespace.nat.publish.filter(isNumbered);
  const [first] = published;
  if (first === undefined) return [];
  const ways = waysOf(topology, namespace);
  const entries = published.map((publish): Resource => {
    const neighbors = ways.subnetOf(publish.to);
    const { attributes, ...entry } = entryResource(namespace.name, toPorts(publish));
    const more = {
      ...(neighbors === undefined ? {} : { neighbors }),
      ...(reachesFromLoopback(publish) ? { loopback: true } : {}),
    };
    return { ...entry, attributes: { ...attributes, ...more }, place: publish.place };
  });
  const rules = publishRules(entries);
  const texts = rules.map(({ chain, text }) => `${chain} ${text}`);
  const attributes = { content: rulesHash(texts), rules: texts, chains: chainsOf(rules) };
  return [...entries, { ...rulesResource(namespace.name, attributes), place: first.place }];
}

function chainsOf(rules: readonly NftRule[]): string[] {
  return rules.map(({ chain }) => chain).sort();
}

/** The comment of the rules, which says what they are. */
export function publishComment({ attributes }: Resource): string {
  return `${RULES_LABEL} [${String(attributes['content'])}]`;
}

export function isEntry({ attributes }: Pick<Resource, 'attributes'>): boolean {
  return attributes['entry'] !== undefined;
}

/** The sets and maps of a namespace's table. */
export function publishSets(wanted: readonly Resource[]): NftSet[] {
  const entries = wanted.filter(isEntry).map(({ attributes }) => ({ ...portsOf(attributes), attributes }));
  return families.flatMap((family) => {
    const names = maps[family];
    const own = entries.filter((entry) => entry.family === family);
    const hairpins = own.flatMap(({ to, attributes: { neighbors } }) =>
      neighbors === undefined ? [] : [`${String(neighbors)} . ${to}`],
    );
    const targets = own.filter(({ attributes }) => attributes['loopback'] === true).map(({ to }) => to);
    const value = `${names.type} . inet_service`;
    const sets: NftSet[] = [
      {
        name: names.any,
        kind: 'map',
        type: `inet_proto . inet_service : ${value}`,
        elements: own.filter(({ address }) => address === undefined).flatMap(elementsOf),
      },
      {
        name: names.at,
        kind: 'map',
        type: `${names.type} . inet_proto . inet_service : ${value}`,
        elements: own.filter(({ address }) => address !== undefined).flatMap(elementsOf),
      },
      {
        name: names.hairpin,
        kind: 'set',
        type: `${names.type} . ${names.type}`,
        isInterval: true,
        elements: [...new Set(hairpins)].sort(),
      },
      { name: names.targets, kind: 'set', type: names.type, elements: [...new Set(targets)].sort() },
    ];
    return sets.filter(({ elements }) => elements.length > 0);
  });
}

/**
 * The rules: for packets from outside (prerouting) and from the namespace itself (output), to any of its addresses or to
 * the one that is named; a masquerade for clients in the target's own subnet, whose answers would otherwise go past the
 * namespace, and for 127.0.0.1. Clients outside keep their address. The guard drops what comes over the wire for
 * 127.0.0.1 or from there, because route_localnet would else let the neighbours reach what listens on it.
 */
function publishRules(entries: readonly Resource[]): NftRule[] {
  const rules: NftRule[] = [];
  const isFromLoopback = entries.some(({ attributes }) => attributes['loopback'] === true);
  if (isFromLoopback) {
    rules.push({ chain: 'guard', text: 'iifname != "lo" ip daddr 127.0.0.0/8 drop' });
    rules.push({ chain: 'guard', text: 'iifname != "lo" ip saddr 127.0.0.0/8 drop' });
  }
  for (const family of families) {
    const published = entries
      .map(({ attributes }) => ({ ...portsOf(attributes), attributes }))
      .filter((entry) => entry.family === family);
    const names = maps[family];
    const ip = family === 4 ? 'ip' : 'ip6';
    const texts: string[] = [];
    if (published.some(({ address }) => address !== undefined))
      texts.push(`dnat ${ip} to ${ip} daddr . meta l4proto . th dport map @${names.at}`);
    // The kernel has no route_localnet for IPv6; and a link-local client cannot be answered from another link.
    const local =
      family === 4
        ? 'meta nfproto ipv4 fib daddr type local'
        : 'ip6 daddr != ::1 ip6 saddr != fe80::/10 fib daddr type local';
    if (published.some(({ address }) => address === undefined))
      texts.push(`${local} dnat ${ip} to meta l4proto . th dport map @${names.any}`);
    for (const chain of ['prerouting', 'output'] as const)
      for (const text of texts) rules.push({ chain, text });
    if (published.some(({ attributes }) => attributes['neighbors'] !== undefined)) {
      const text = `ct status dnat ${ip} saddr . ${ip} daddr @${names.hairpin} masquerade`;
      rules.push({ chain: 'postrouting', text });
    }
  }
  if (isFromLoopback) {
    const text = `oifname != "lo" ct status dnat ip saddr 127.0.0.0/8 ip daddr @${maps[4].targets} masquerade`;
    rules.push({ chain: 'postrouting', text });
  }
  return rules;
}

/** What became of an entry between the live table and the wanted one; undefined for what is none. */
export function toMapping(wanted: Resource | undefined, live: LiveResource | undefined): Mapping | undefined {
  const known = wanted ?? live;
  if (known === undefined || !isEntry(known)) return undefined;
  const { protocol, family, address, port } = portsOf(known.attributes);
  const before = live === undefined ? undefined : targetOf(live.attributes);
  const after = wanted === undefined ? undefined : targetOf(wanted.attributes);
  const isSame = before?.address === after?.address && before?.port === after?.port;
  // TCP that was not led on was answered by the namespace itself, and goes on so.
  const hadNone = before === undefined && protocol === 'tcp';
  return isSame || hadNone ? undefined : { protocol, family, address, port, before, after };
}

/** The published ports that a namespace has, of the lab whose table was read. */
export function readPublished(namespace: LiveNamespace): PublishedPorts[] {
  return joinRuns([...readElements(namespace.nft).values()].flatMap((group) => [...group.values()]));
}

/**
 * The live entries and rules. An element belongs to the wanted entry that has its port; the others are joined to runs,
 * as a file would say them.
 */
export function readPublish(namespace: LiveNamespace, wanted: readonly Resource[]): LiveResource[] {
  const groups = readElements(namespace.nft);
  const { neighbors, loopback } = readSets(namespace.nft);
  const found: LiveResource[] = [];
  for (const resource of wanted) {
    if (!isEntry(resource)) continue;
    const entry = portsOf(resource.attributes);
    const live = takeEntry(entry, groups.get(groupKey(entry)));
    if (live === undefined) continue;
    const more = { neighbors: neighbors.get(entry.to) ?? '', loopback: loopback.has(entry.to) };
    // Those of another target say nothing of this one, and change along with it.
    const isThere = live.attributes['to'] === resource.attributes['to'];
    const attributes = { ...(isThere ? more : resource.attributes), ...live.attributes };
    found.push({ ...entryResource(namespace.name, entry), ...live, attributes, owner: 'ours' });
  }
  const rest = joinRuns([...groups.values()].flatMap((group) => [...group.values()]));
  for (const ports of rest) found.push({ ...entryResource(namespace.name, ports), owner: 'ours' });
  return found;
}

/** What the table has beside the maps: by target, the subnet of its neighbours; and those that 127.0.0.1 leads to. */
function readSets(objects: readonly NftObject[]): { neighbors: Map<string, string>; loopback: Set<string> } {
  const neighbors = new Map<string, string>();
  const loopback = new Set<string>();
  for (const { set } of objects) {
    for (const family of families) {
      const names = maps[family];
      const elements = (set?.['elem'] ?? []) as unknown[];
      if (set?.['name'] === names.targets)
        for (const element of elements) loopback.add(String(elementValue(element)));
      if (set?.['name'] !== names.hairpin) continue;
      for (const element of elements) {
        const [subnet, target] = (elementValue(element) as { readonly concat: readonly unknown[] }).concat;
        neighbors.set(String(target), prefixText(subnet));
      }
    }
  }
  return { neighbors, loopback };
}

/** The value of an element; a comment or a counter wraps it. */
function elementValue(element: unknown): unknown {
  if (typeof element !== 'object' || element === null || !('elem' in element)) return element;
  return (element as { readonly elem: { readonly val: unknown } }).elem.val;
}

/** A whole address prints without a length. */
function prefixText(value: unknown): string {
  const { prefix } = value as { readonly prefix?: { readonly addr: string; readonly len: number } };
  if (prefix !== undefined) return `${prefix.addr}/${prefix.len}`;
  const address = String(value);
  return `${address}/${address.includes(':') ? 128 : 32}`;
}

/** The rules of a namespace's table, from their comments and chains. */
export function readPublishRules(
  namespace: string,
  comment: string,
  liveChains: readonly string[],
): LiveResource | undefined {
  const content = new RegExp(`^${RULES_LABEL} \\[([0-9a-f]{12})\\]$`).exec(comment)?.[1];
  if (content === undefined) return undefined;
  return { ...rulesResource(namespace, { content, chains: [...liveChains].sort() }), owner: 'ours' };
}

type Element = PublishedPorts;
/** The elements of one protocol, family and address, by port. */
type Group = Map<number, Element>;

/** The live ports of a wanted entry, which leave the group; undefined where there are none. */
function takeEntry(
  { port, family }: PublishedPorts,
  group: Group | undefined,
): { attributes: Attributes; label: string } | undefined {
  const elements: Element[] = [];
  for (let number = port.first; group !== undefined && number <= port.last; number += 1) {
    const element = group.get(number);
    if (element === undefined) continue;
    elements.push(element);
    group.delete(number);
  }
  const [first] = elements;
  if (first === undefined) return undefined;
  const runs = joinRuns(elements);
  const isWhole = runs.length === 1 && elements.length === port.last - port.first + 1;
  const { address } = first;
  const all = { ...first, port, toPort: runs[0]?.toPort ?? first.toPort };
  const attributes = attributesOf({ ...all, family, address });
  return isWhole
    ? { attributes, label: labelOf(all) }
    : { attributes: { ...attributes, to: runs.map(targetText).join(', ') }, label: labelOf(all) };
}

function readElements(objects: readonly NftObject[]): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const { map } of objects) {
    for (const family of families) {
      const { any, at } = maps[family];
      if (map === undefined || (map['name'] !== any && map['name'] !== at)) continue;
      for (const element of (map['elem'] ?? []) as unknown[]) {
        const ports = readElement(element, family, map['name'] === at);
        if (ports === undefined) continue;
        const key = groupKey(ports);
        const group = groups.get(key) ?? new Map<number, Element>();
        groups.set(key, group.set(ports.port.first, ports));
      }
    }
  }
  return groups;
}

/** `[{ concat: [address?, protocol, port] }, { concat: [target, port] }]`; a comment wraps the key once more. */
function readElement(element: unknown, family: Family, hasAddress: boolean): Element | undefined {
  const [key, value] = element as [unknown, Concat];
  const words = (elementValue(key) as Concat).concat;
  const [protocol, port] = hasAddress ? words.slice(1) : words;
  const [to, toPort] = value.concat;
  const [first, toFirst] = [Number(port), Number(toPort)];
  return {
    protocol: protocolName(protocol),
    family,
    address: hasAddress ? String(words[0]) : undefined,
    port: { first, last: first },
    to: String(to),
    toPort: { first: toFirst, last: toFirst },
  };
}

interface Concat {
  readonly concat: readonly (string | number)[];
}

/** nft prints the names of /etc/protocols, and numbers where there is no such file. */
function protocolName(value: string | number | undefined): NumberedPublish['protocol'] {
  const numbers: Readonly<Record<string, NumberedPublish['protocol']>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' };
  return numbers[String(value)] ?? (String(value) as NumberedPublish['protocol']);
}

function groupKey({ protocol, family, address }: PublishedPorts): string {
  return `${family} ${protocol} ${address ?? ''}`;
}

/** Ports in a row that lead to ports in a row of one target, as one. */
function joinRuns(elements: readonly Element[]): PublishedPorts[] {
  const sorted = [...elements].sort((a, b) => {
    const [left, right] = [groupKey(a), groupKey(b)];
    return left === right ? a.port.first - b.port.first : left < right ? -1 : 1;
  });
  const runs: PublishedPorts[] = [];
  for (const next of sorted) {
    const last = runs.at(-1);
    if (last !== undefined && follows(last, next)) {
      runs[runs.length - 1] = {
        ...last,
        port: { first: last.port.first, last: next.port.last },
        toPort: { first: last.toPort.first, last: next.toPort.last },
      };
    } else runs.push(next);
  }
  return runs;
}

function follows(last: PublishedPorts, next: PublishedPorts): boolean {
  return (
    groupKey(last) === groupKey(next) &&
    last.to === next.to &&
    last.port.last + 1 === next.port.first &&
    last.toPort.last + 1 === next.toPort.first
  );
}

function elementsOf({ protocol, address, port, to, toPort }: PublishedPorts): string[] {
  const key = `${address === undefined ? '' : `${address} . `}${protocol}`;
  const elements: string[] = [];
  for (let at = 0; port.first + at <= port.last; at += 1)
    elements.push(`${key} . ${port.first + at} : ${to} . ${toPort.first + at}`);
  return elements;
}

function entryResource(namespace: string, ports: PublishedPorts): Resource {
  return {
    kind: 'nat',
    id: `${namespace}/nat/publish ${ports.protocol} ${publishedText(ports)}`,
    namespace,
    label: labelOf(ports),
    attributes: attributesOf(ports),
  };
}

function rulesResource(namespace: string, attributes: Attributes): Resource {
  return {
    kind: 'nat',
    id: `${namespace}/nat/${RULES_LABEL}`,
    namespace,
    label: RULES_LABEL,
    attributes,
  };
}

function attributesOf(ports: PublishedPorts): Attributes {
  const { family, protocol, address, port, to, toPort } = ports;
  return {
    to: targetText(ports),
    entry: [`${family}`, protocol, address ?? '', rangeText(port), to, rangeText(toPort)],
  };
}

/** The other way of `attributesOf`. */
export function portsOf(attributes: Attributes): PublishedPorts {
  const [family, protocol, address, port = '', to = '', toPort = ''] = listOf(attributes['entry']);
  return {
    family: family === '6' ? 6 : 4,
    protocol: protocol as NumberedPublish['protocol'],
    address: address === '' ? undefined : address,
    port: readRange(port),
    to,
    toPort: readRange(toPort),
  };
}

function targetOf(attributes: Attributes): Target {
  const { to, toPort } = portsOf(attributes);
  return { address: to, port: toPort.first };
}

function toPorts({ protocol, address, port, to, toPort }: NumberedPublish): PublishedPorts {
  return { protocol, family: familyOfAddress(to), address, port, to, toPort };
}

/** `publish 127.0.0.1:8080 -> 10.0.0.3:80/tcp` */
export function labelOf(ports: PublishedPorts): string {
  const { address, port } = ports;
  const from = address === undefined ? rangeText(port) : publishedText(ports);
  return `publish ${from} -> ${targetText(ports)}/${ports.protocol}`;
}

/** `127.0.0.1:8080`, `0.0.0.0:8080`, `[::]:8080` */
export function publishedText({ family, address, port }: PublishedPorts): string {
  return `${hostText(address ?? (family === 4 ? '0.0.0.0' : '::'))}:${rangeText(port)}`;
}

export function targetText({ to, toPort }: Pick<PublishedPorts, 'to' | 'toPort'>): string {
  return `${hostText(to)}:${rangeText(toPort)}`;
}

function hostText(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

export function rangeText({ first, last }: PortRange): string {
  return first === last ? String(first) : `${first}-${last}`;
}

function readRange(text: string): PortRange {
  const [first = 0, last = first] = text.split('-').map(Number);
  return { first, last };
}

function listOf(value: Attributes[string] | undefined): readonly string[] {
  return Array.isArray(value) ? value : [];
}

function reachesFromLoopback({ address, to }: Pick<NumberedPublish, 'address' | 'to'>): boolean {
  return familyOfAddress(to) === 4 && (address === undefined || address.startsWith('127.'));
}

/** How a namespace reaches targets. */
interface Ways {
  /** The subnet of its own that the target is in, the smallest one of several. */
  readonly subnetOf: (target: string) => string | undefined;
  /** The interface by which packets leave to it. */
  readonly deviceTo: (target: string) => string | undefined;
}

interface Way {
  readonly cidr: Cidr;
  readonly device: string;
  readonly isSubnet: boolean;
}

const interfaceCache = new WeakMap<Topology, Map<string, Interface[]>>();

function waysOf(topology: Topology, namespace: Namespace): Ways {
  const byNamespace = interfaceCache.get(topology) ?? groupBy(topology.interfaces, (item) => item.namespace);
  interfaceCache.set(topology, byNamespace);
  const byLength = new Map<number, Way[]>();
  const add = (way: Way) => append(byLength, way.cidr.prefixLength, way);
  for (const { name, addresses } of byNamespace.get(namespace.name) ?? []) {
    for (const { address, prefixLength, settings } of addresses) {
      const ip = parseIp(settings?.peer ?? address);
      if (ip !== undefined) add({ cidr: withLength(ip, prefixLength), device: name, isSubnet: true });
    }
  }
  for (const { to, family, table, nexthops } of namespace.routes) {
    const cidr = parseCidr(to === 'default' ? (family === 4 ? '0.0.0.0/0' : '::/0') : to);
    const device = nexthops[0]?.dev;
    if (cidr !== undefined && device !== undefined && table === 'main')
      add({ cidr, device, isSubnet: false });
  }
  const lengths = [...byLength.keys()].sort((a, b) => b - a);
  const find = (target: string, isSubnet: boolean): Way | undefined => {
    const ip = parseIp(target);
    if (ip === undefined) return undefined;
    for (const length of lengths) {
      const found = byLength
        .get(length)
        ?.find((way) => (way.isSubnet || !isSubnet) && contains(way.cidr, ip));
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const known = new Map<string, string | undefined>();
  return {
    subnetOf: (target) => {
      if (!known.has(target)) {
        const way = find(target, true);
        known.set(target, way === undefined ? undefined : formatNetwork(way.cidr));
      }
      return known.get(target);
    },
    deviceTo: (target) => find(target, false)?.device,
  };
}
