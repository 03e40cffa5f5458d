import { append } from '../lib/collections.ts';
import type { IpLink, LiveNamespace } from '../observe/live.ts';
import { type PortSetting, portDefaults } from '../topology/bridge.ts';
import type { Interface, Topology } from '../topology/model.ts';
import { readRouter, writeRouter } from './bridge-router.ts';
import { lowerVlans, readVlans, vlanCommands } from './port-vlans.ts';
import type { Attributes, Change, ChangeClass, Command, Resource, Value } from './resource.ts';

/** The words of `bridge_slave` in ip-link(8), with the names in the JSON where those are others. */
const words: Readonly<Record<PortSetting | 'hairpin', { readonly word: string; readonly json?: string }>> = {
  isolated: { word: 'isolated' },
  hairpin: { word: 'hairpin' },
  learning: { word: 'learning' },
  flood: { word: 'flood' },
  'mcast-flood': { word: 'mcast_flood' },
  'bcast-flood': { word: 'bcast_flood' },
  'mcast-to-unicast': { word: 'mcast_to_unicast' },
  'mcast-fast-leave': { word: 'fastleave' },
  'mcast-router': { word: 'mcast_router', json: 'multicast_router' },
  'neigh-suppress': { word: 'neigh_suppress' },
  'proxy-arp': { word: 'proxy_arp' },
  locked: { word: 'locked' },
  priority: { word: 'priority' },
  guard: { word: 'guard' },
  'root-block': { word: 'root_block' },
  'group-forward-mask': { word: 'group_fwd_mask' },
};
type Name = keyof typeof words;
const names = Object.keys(words) as Name[];
const defaults: Readonly<Record<Name, Value>> = { ...portDefaults, hairpin: false };
const defaultEntries = new Map(names.map((name) => [name, entryOf(name, defaults[name])]));

/** Shared by the thousands of ports that nobody sets. */
const none: readonly string[] = [];

/** Attributes that every link has which is a port of a bridge; all change on the running port. */
export const portChanges: Readonly<Record<string, ChangeClass>> = {
  'bridge-port': 'in-place',
  'path-cost': 'in-place',
  vlans: 'in-place',
  'vlan-default': 'in-place',
};

/**
 * What a link is to its bridge. `bridge-port` is the list of the settings that are not as a new port has them, in the file's
 * words; `vlans` is there where the bridge filters, of a port and of the bridge itself.
 */
export function lowerPort(item: Interface, topology: Topology, attributes: Record<string, Value>): void {
  if (item.vlans !== undefined) Object.assign(attributes, lowerVlans(item, item.vlans, topology));
  if (item.master === undefined) return;
  const { portSettings: port } = item;
  const hairpin = port?.hairpin ?? needsHairpin(item, topology);
  if (port === undefined) {
    attributes['bridge-port'] = hairpin ? onlyHairpin : none;
    return;
  }
  const settings: Readonly<Record<string, Value | undefined>> = { ...port, hairpin };
  attributes['bridge-port'] = entriesOf((name) => settings[name]);
  if (port['path-cost'] !== undefined) attributes['path-cost'] = port['path-cost'];
}

const onlyHairpin: readonly string[] = ['hairpin on'];

export function readPort(link: IpLink, namespace: LiveNamespace, attributes: Record<string, Value>): void {
  const { info_slave_kind: kind, info_slave_data: data = {} } = link.linkinfo ?? {};
  const vlans = readVlans(link, namespace);
  if (vlans !== undefined) Object.assign(attributes, vlans);
  attributes['bridge-port'] = none;
  if (kind !== 'bridge') return;
  const own = entriesOf((name) => readSetting(name, data[words[name].json ?? words[name].word]));
  if (own.length > 0) attributes['bridge-port'] = own;
  if (data['cost'] !== undefined) attributes['path-cost'] = Number(data['cost']);
}

/** The commands that make a port what the file says: all of it on a new one, else what differs. */
export function portCommands(wanted: Resource, change?: Change): Command[] {
  const isNew = change === undefined || (change.attributes.includes('master') && isPort(wanted.attributes));
  const changed = (name: string) =>
    wanted.attributes[name] !== undefined && (isNew || change.attributes.includes(name));
  const live = isNew ? none : listOf(change.live.attributes, 'bridge-port');
  const settings: string[] = [];
  if (changed('bridge-port')) settings.push(...changedWords(listOf(wanted.attributes, 'bridge-port'), live));
  if (changed('path-cost')) settings.push('cost', String(wanted.attributes['path-cost']));
  const commands = settings.length === 0 ? [] : [portCommand(wanted, settings)];
  return changed('vlans')
    ? [...commands, ...vlanCommands(wanted, isNew ? undefined : change.live)]
    : commands;
}

/** Whether the bridge of a port must let frames out by the port that they came in, for a port that it publishes. */
export function needsHairpin(item: Interface, topology: Topology): boolean {
  if (item.kind !== 'veth') return false;
  const { namespace, name } = item.peer;
  return publishedInterfaces(topology).has(`${item.namespace} ${namespace}/${name}`);
}

function portCommand(
  { namespace, label }: Pick<Resource, 'namespace' | 'label'>,
  settings: readonly string[],
): Command {
  return { tool: 'ip', namespace, args: ['link', 'set', 'dev', label, 'type', 'bridge_slave', ...settings] };
}

function isPort(attributes: Attributes): boolean {
  return attributes['bridge-port'] !== undefined;
}

function listOf(attributes: Attributes, name: string): readonly string[] {
  const value = attributes[name];
  return Array.isArray(value) ? value : none;
}

/** The settings that are not as by default. */
function entriesOf(find: (name: Name) => Value | undefined): readonly string[] {
  const found: string[] = [];
  for (const name of names) {
    const value = find(name);
    if (value !== undefined && value !== defaults[name]) found.push(entryOf(name, value));
  }
  return found.length === 0 ? none : found;
}

/** `isolated on`, `priority 8` */
function entryOf(name: Name, value: Value): string {
  return `${name} ${typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value)}`;
}

function readSetting(name: Name, value: unknown): Value | undefined {
  if (value === undefined) return undefined;
  if (name === 'mcast-router') return readRouter(value);
  return typeof value === 'boolean' ? value : Number(value);
}

function changedWords(wanted: readonly string[], live: readonly string[]): string[] {
  const nameIn = (entry: string) => entry.slice(0, entry.indexOf(' ')) as Name;
  const kept = new Set(wanted.map(nameIn));
  const reset = live.map(nameIn).filter((name) => !kept.has(name));
  const entries = [
    ...wanted.filter((entry) => !live.includes(entry)),
    ...reset.map((name) => defaultEntries.get(name) ?? ''),
  ];
  return entries.flatMap((entry) => {
    const name = nameIn(entry);
    const value = entry.slice(name.length + 1);
    return [words[name].word, name === 'mcast-router' ? writeRouter(value) : value];
  });
}

const publishedCache = new WeakMap<Topology, Set<string>>();

/**
 * The interfaces that a published port leads to, as `PUBLISHER NAMESPACE/INTERFACE`. Where br_netfilter is on, the
 * bridge itself translates, and the packets of a member to its own published port leave by the port that they came in.
 */
function publishedInterfaces(topology: Topology): Set<string> {
  const cached = publishedCache.get(topology);
  if (cached !== undefined) return cached;
  const targets = new Map<string, string[]>();
  for (const { name, nat } of topology.namespaces) {
    for (const { to } of nat.publish) append(targets, to, name);
  }
  const found = new Set<string>();
  for (const item of topology.interfaces) {
    for (const { address } of item.addresses) {
      for (const publisher of targets.get(address) ?? [])
        found.add(`${publisher} ${item.namespace}/${item.name}`);
    }
  }
  publishedCache.set(topology, found);
  return found;
}
