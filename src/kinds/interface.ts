import { release } from 'node:os';
import { append, groupBy } from '../lib/collections.ts';
import { isLongName, kernelName } from '../lib/interface-name.ts';
import type { IpLink, Live, LiveNamespace } from '../observe/live.ts';
import { HOST, type Interface, type Topology } from '../topology/model.ts';
import { linkRouteCommands, missingOfLink, needsNewAddress, noRoutes } from './kernel-routes.ts';
import { type LinkCodec, registerLinkCodec } from './link-codec.ts';
import { formatMark, labGroup, linkBelongsTo, linkTag, parseMark } from './marks.ts';
import {
  isMember,
  lostWithMaster,
  lowerMember,
  memberClass,
  memberCommands,
  primaryCommands,
  readMember,
} from './master.ts';
import { lowerPort, portChanges, portCommands, readPort } from './port.ts';
import { losesVlan } from './port-vlans.ts';
import {
  type Attributes,
  type Change,
  type ChangeClass,
  type Command,
  type Kind,
  type LiveResource,
  type Owner,
  type ReadContext,
  type Resource,
  sameValue,
  type Value,
} from './resource.ts';

/** What one kind of link adds to what all links have in common. */
export interface LinkKind<T extends Interface> {
  /** The kind's names in the file. */
  readonly kinds: readonly T['kind'][];
  /** The kernel's name for it, IFLA_INFO_KIND. */
  readonly infoKind: (kind: T['kind']) => string | undefined;
  /** The attributes of its own, beside those of every link. */
  readonly lower: (link: T, topology: Topology) => Attributes;
  readonly read: (link: IpLink, context: LinkContext) => Attributes;
  readonly changes: Readonly<Record<string, ChangeClass>>;
  /** Of kinds that share one name of the kernel: whether a link is of this one. */
  readonly isOne?: (link: IpLink) => boolean;
  readonly classOf?: Kind['classOf'];
  readonly fallsWithLink?: boolean;
  readonly create: (resource: Resource, common: CommonArguments) => readonly Command[];
  /** For the attributes that changed, the words behind `ip link set dev NAME type KIND`; one list per message. */
  readonly typeMessages?: (
    attributes: Attributes,
    changed: readonly string[],
  ) => readonly (readonly string[])[];
  /** Commands behind the common settings, for attributes that take a message of their own. */
  readonly settings?: (resource: Resource, changed: readonly string[]) => readonly Command[];
  /** For links that another program makes: its commands for what changed, the settings of every link among it. */
  readonly change?: (resource: Resource, changed: readonly string[]) => readonly Command[];
  readonly requires?: (resource: Resource) => readonly string[];
  readonly same?: (attribute: string, wanted: Value, live: Value | undefined) => boolean;
  /** The kernel derives the mtu anew when its own attributes change, unless the same message has one. */
  readonly derivesMtu?: boolean;
  /** Whether it stays when something else goes that it requires, so that it has to be removed in its own right. */
  readonly survives?: NonNullable<Kind['survives']>;
  readonly standsOn?: NonNullable<Kind['standsOn']>;
  /** What the kernel must have for it; undefined where every kernel does. */
  readonly needs?: (kind: T['kind']) => KernelNeed;
  /** What a change of its own attributes does to traffic, before what is said of all links. */
  readonly disrupts?: (change: Change) => string | undefined;
  /** Its own attributes as the kernel has them; undefined where it has none. */
  readonly codec?: (kind: T['kind']) => LinkCodec;
}

/** A module that not every kernel has, and how to find out. */
export interface KernelNeed {
  readonly module: string;
  /** Whether it is made on top of another interface. */
  readonly link?: boolean;
  /** Words behind the kind for a try with `ip link add`. */
  readonly words: readonly string[];
  /** The words of `ip` for a try where `link add` does not make it. */
  readonly instead?: readonly string[];
}

/** By kind of the file. */
export const kernelNeeds = new Map<string, KernelNeed>();

/** A part of a kind that every kernel has, which not every kernel has. */
export interface KernelFeature {
  /** How messages call it. */
  readonly name: string;
  readonly isNeeded: (resource: Pick<Resource, 'kind' | 'attributes'>) => boolean;
  /** For a try with `ip link add`: the kind, and the words behind it. */
  readonly kind: string;
  readonly words: readonly string[];
  /** What has it. */
  readonly brings: string;
}

export const kernelFeatures: KernelFeature[] = [];

export function registerKernelFeature(feature: KernelFeature): void {
  kernelFeatures.push(feature);
}

/** Lines of `ip -batch` that make a link of a kind in an empty namespace; the last one is the try. */
export function linesToTry(kind: string): string[] {
  const { link, words, instead } = kernelNeeds.get(kind) ?? { words: [] };
  if (instead !== undefined) return [instead.join(' ')];
  return [
    ...(link === true ? ['link add below0 type veth peer name below1'] : []),
    ['link add', ...(link === true ? ['link below0'] : []), 'name probe0 type', kind, ...words].join(' '),
  ];
}

export interface LinkContext {
  readonly live: Live;
  readonly namespace: LiveNamespace;
  /** Every marked link of the machine by tag, to find a veth's peer. */
  readonly byTag: ReadonlyMap<string, readonly { namespace: string; link: IpLink }[]>;
  /** Every veth of the machine by its own and its peer's ifindex; see indexKey. Made when it is first asked for. */
  readonly byIndex: () => ReadonlyMap<string, readonly { namespace: string; link: IpLink }[]>;
}

/** The key of a veth, or of the peer that it must have. */
export function indexKey({ ifindex, link_index: peer, ifname, link }: IpLink, whose: 'own' | 'peer'): string {
  const [own, other] = peer === undefined ? [ifname, link] : [ifindex, peer];
  return whose === 'own' ? `${own} ${other}` : `${other} ${own}`;
}

/** The words that every `ip link add` takes. */
export interface CommonArguments {
  readonly settings: readonly string[];
}

/** IFLA_INFO_KIND of every link kind that topoweave makes. */
export const knownInfoKinds = new Set<string>();

/** Since 6.2 the kernel renames an interface that is up (bd039b5ea2a9, "net/core: Allow live renaming when an interface is up"). */
function kernelRenamesRunning(): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  return major > 6 || (major === 6 && minor >= 2);
}

const commonChanges: Readonly<Record<string, ChangeClass>> = {
  mark: 'in-place',
  mtu: 'in-place',
  macaddress: 'in-place',
  state: 'in-place',
  alias: 'in-place',
  master: 'in-place',
  altname: 'in-place',
  name: kernelRenamesRunning() ? 'in-place' : 'bounce',
  ...portChanges,
  early: 'in-place',
  primary: 'in-place',
  'missing-routes': 'in-place',
};

const interfaceCache = new WeakMap<Topology, ReadonlyMap<string, readonly Interface[]>>();

/** There are a dozen kinds of links, and most files have two of them. */
function interfacesByKind(topology: Topology): ReadonlyMap<string, readonly Interface[]> {
  const known = interfaceCache.get(topology) ?? groupBy(topology.interfaces, ({ kind }) => kind);
  interfaceCache.set(topology, known);
  return known;
}

/** Makes a resource kind of a link kind: reading, settings, masters and ownership are the same for all of them. */
export function defineLinkKind<T extends Interface>(name: string, link: LinkKind<T>): Kind {
  for (const kind of link.kinds) {
    const infoKind = link.infoKind(kind) ?? '';
    knownInfoKinds.add(infoKind);
    if (link.needs !== undefined) kernelNeeds.set(kind, link.needs(kind));
    if (link.codec !== undefined) registerLinkCodec(infoKind, link.codec(kind));
  }
  const mine = (topology: Topology) => {
    const byKind = interfacesByKind(topology);
    return link.kinds.flatMap((kind) => (byKind.get(kind) ?? []) as readonly T[]);
  };
  return {
    name,
    changes: { ...commonChanges, ...link.changes },
    classOf: (attribute, wanted, live) =>
      memberClass(attribute, wanted, live) ??
      (attribute === 'missing-routes'
        ? needsNewAddress(missingRoutes(live))
          ? 'bounce'
          : 'in-place'
        : link.classOf?.(attribute, wanted, live)),
    fallsWithLink: () => link.fallsWithLink === true,
    lower: ({ topology }) =>
      mine(topology).map((item) => ({
        kind: item.kind,
        id: interfaceId(item.namespace, item.name),
        namespace: item.namespace,
        label: item.name,
        attributes: Object.assign(
          lowerLink(item, topology, link),
          item.master === undefined ? undefined : lowerMember(topology, item),
          earlySysctls(item),
          withAllRoutes,
        ),
        place: item.place,
      })),
    read: (live, context) => readLinks(live, context, link),
    requires: (resource) => {
      const own = link.requires?.(resource) ?? [];
      return resource.namespace === HOST ? own : [resource.namespace, ...own];
    },
    after: ({ namespace, attributes }) =>
      attributes['master'] ? [interfaceId(namespace, String(attributes['master']))] : [],
    // The VLAN of a new port is no setting of the port.
    same: (attribute, wanted, live) =>
      attribute === 'name'
        ? live === undefined || wanted === live
        : attribute === 'vlan-default' ||
          attribute === 'early' ||
          (attribute === 'missing-routes' && live === undefined) ||
          attribute === 'master-kind' ||
          (link.same ?? sameValue)(attribute, wanted, live),
    create: (resource) => {
      const own = portCommands(resource);
      return [
        ...link.create(resource, commonArguments(resource)),
        ...settingsAfterCreate(resource, own.length === 0),
        ...(link.settings?.(resource, Object.keys(resource.attributes)) ?? []),
        ...own,
        // A port passes nothing before it is isolated and in its VLAN.
        ...(own.length > 0 && resource.attributes['state'] === 'up' ? [setUp(resource)] : []),
      ];
    },
    ...(link.survives === undefined ? {} : { survives: link.survives }),
    ...(link.standsOn === undefined ? {} : { standsOn: link.standsOn }),
    update: (change) => updateLink(change, link),
    remove: ({ namespace, label, attributes }) => [
      { tool: 'ip', namespace, args: ['link', 'del', 'dev', String(attributes['name'] ?? label)] },
    ],
    loses: (resource, removed) =>
      resource.attributes['master'] &&
      interfaceId(resource.namespace, String(resource.attributes['master'])) === removed
        ? lostWithMaster(resource)
        : [],
    disrupts: (change, action) =>
      (action === 'update' && change !== undefined ? link.disrupts?.(change) : undefined) ??
      disruption(change, action),
  };
}

const withAllRoutes = { 'missing-routes': noRoutes };

function missingRoutes({ attributes }: Resource): readonly string[] {
  const missing = attributes['missing-routes'];
  return Array.isArray(missing) ? missing : noRoutes;
}

export function interfaceId(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

export function interfaceOwner(link: IpLink, lab: string): Owner {
  if (link.ifname === 'lo') return 'builtin';
  if (link.ovsLab !== undefined) return link.ovsLab === lab ? 'ours' : { lab: link.ovsLab };
  if (linkBelongsTo(link, lab)) return 'ours';
  const mark = parseMark(link.ifalias);
  return mark === undefined ? 'foreign' : { lab: mark.lab };
}

function lowerLink<T extends Interface>(item: T, topology: Topology, link: LinkKind<T>): Attributes {
  const attributes = Object.assign(lowerCommon(item, topology.name), link.lower(item, topology));
  if (item.master !== undefined || item.vlans !== undefined) lowerPort(item, topology, attributes);
  return attributes;
}

function lowerCommon(item: Interface, lab: string): Record<string, Value> {
  const { state, mtu, macaddress, alias = '', master = '' } = item;
  const isLong = isLongName(item.name);
  const naming =
    isLong || item.was !== undefined
      ? {
          ...(isLong ? { altname: item.name } : {}),
          ...(item.was === undefined ? {} : { name: kernelName(item.name) }),
        }
      : undefined;
  const mark = item.kind === 'loopback' ? undefined : formatMark({ lab, tag: tagOf(item), text: '' });
  // Most links are of these three forms; putting an object together from parts costs ten times as much.
  if (mtu === undefined && naming === undefined) {
    if (mark !== undefined && macaddress !== undefined) return { macaddress, state, alias, master, mark };
    if (macaddress === undefined) return mark === undefined ? { state } : { state, alias, master, mark };
  }
  return {
    ...(mtu === undefined ? {} : { mtu }),
    ...(macaddress === undefined ? {} : { macaddress }),
    state,
    ...(mark === undefined ? {} : { alias, master, mark }),
    ...naming,
  };
}

function tagOf(item: Interface): string {
  const own = interfaceId(item.namespace, item.name);
  // What it is on top of cannot be read where that is in another namespace.
  if ('settings' in item && item.link !== undefined && item.link.namespace !== item.namespace)
    return linkTag(own, interfaceId(item.link.namespace, item.link.name));
  if (item.kind !== 'veth') return '';
  return linkTag(own, interfaceId(item.peer.namespace, item.peer.name));
}

function readLinks<T extends Interface>(live: Live, context: ReadContext, kind: LinkKind<T>): LiveResource[] {
  const found: LiveResource[] = [];
  const { infoKinds, byTag, byIndex } = indexLinks(live);
  const names = new Map(kind.kinds.map((name) => [kind.infoKind(name), name]));
  // Most machines have links of two or three kinds.
  if (![...names.keys()].some((name) => infoKinds.has(name))) return found;
  for (const namespace of live.namespaces.values()) {
    for (const link of namespace.links) {
      const mine = names.get(infoKindOf(link));
      if (mine === undefined || kind.isOne?.(link) === false) continue;
      const id = interfaceId(namespace.name, link.ifname);
      if (context.adopted.has(id)) continue;
      const owner = interfaceOwner(link, context.lab);
      const isOurLoopback = owner === 'builtin' && namespace.mark?.lab === context.lab;
      if (owner !== 'ours' && !isOurLoopback && !context.wanted.has(id)) continue;
      const own = kind.read(link, { live, namespace, byTag, byIndex });
      const member = link.master === undefined ? undefined : readMember(link, namespace);
      const attributes = Object.assign(readCommon(link), own, member);
      readPort(link, namespace, attributes);
      attributes['missing-routes'] = missingOfLink(namespace, link, ({ local, prefixlen }) =>
        context.wanted.has(`${id}/${local}/${prefixlen}`),
      );
      found.push({ kind: mine, id, namespace: namespace.name, label: link.ifname, attributes, owner });
    }
  }
  return found;
}

/** The kernel's name for the kind of a link; undefined for `lo`, which has none. */
function infoKindOf(link: IpLink): string | undefined {
  return link.ifname === 'lo' ? undefined : (link.linkinfo?.info_kind ?? 'none');
}

export function readCommon(link: IpLink): Record<string, Value> {
  const mark = parseMark(link.ifalias);
  const { mtu, address: macaddress } = link;
  const state = link.flags.includes('UP') ? 'up' : 'down';
  const alias = mark === undefined ? '' : mark.text;
  const master = link.master ?? '';
  const ownership = mark === undefined ? '' : formatMark({ lab: mark.lab, tag: mark.tag, text: '' });
  const common: Record<string, Value> =
    macaddress === undefined
      ? { mtu, state, alias, master, mark: ownership }
      : { mtu, macaddress, state, alias, master, mark: ownership };
  if (link.kernelName !== undefined) {
    common['name'] = link.kernelName;
    const former = link.altnames?.find((name) => isLongName(name) && kernelName(name) === link.kernelName);
    if (former !== undefined && former !== link.ifname) common['former altname'] = former;
  }
  if (isLongName(link.ifname)) common['altname'] = link.altnames?.includes(link.ifname) ? link.ifname : '';
  return common;
}

interface End {
  readonly namespace: string;
  readonly link: IpLink;
}

interface LinkIndexes extends Pick<LinkContext, 'byTag' | 'byIndex'> {
  /** The kinds of links that there are; see infoKindOf. */
  readonly infoKinds: ReadonlySet<string | undefined>;
}

const indexCache = new WeakMap<Live, LinkIndexes>();

function indexLinks(live: Live): LinkIndexes {
  const cached = indexCache.get(live);
  if (cached !== undefined) return cached;
  const infoKinds = new Set<string | undefined>();
  const veths: End[] = [];
  const byTag = new Map<string, End[]>();
  for (const namespace of (live.all ?? live.namespaces).values()) {
    for (const link of namespace.links) {
      const infoKind = infoKindOf(link);
      infoKinds.add(infoKind);
      if (infoKind !== 'veth') continue;
      const end = { namespace: namespace.name, link };
      veths.push(end);
      const tag = parseMark(link.ifalias)?.tag;
      if (tag !== undefined && tag !== '') append(byTag, tag, end);
    }
  }
  let byIndex: Map<string, End[]> | undefined;
  const indexes: LinkIndexes = {
    infoKinds,
    byTag,
    byIndex: () => {
      byIndex ??= groupBy(veths, ({ link }) => indexKey(link, 'own'));
      return byIndex;
    },
  };
  indexCache.set(live, indexes);
  return indexes;
}

function commonArguments({ attributes }: Resource): CommonArguments {
  const lab = parseMark(String(attributes['mark']))?.lab ?? '';
  const settings = ['group', String(labGroup(lab))];
  if (attributes['mtu'] !== undefined) settings.push('mtu', String(attributes['mtu']));
  if (attributes['macaddress'] !== undefined) settings.push('address', String(attributes['macaddress']));
  return { settings };
}

/**
 * Parameters of the interface that are written before it comes up, because then the kernel gives it its link-local address
 * and tries it for duplicates. They are resources of their own too, which is where they are compared.
 */
function earlySysctls({ kind, sysctls = [] }: Interface): Attributes | undefined {
  if (sysctls.length === 0 || kind === 'loopback') return undefined;
  return { early: sysctls.map(({ name, value }) => `${name}=${value}`) };
}

/** `ip link add … alias` is accepted and sets nothing (iproute2 6.1, measured), so the alias comes behind. */
function settingsAfterCreate(resource: Resource, mayGoUp: boolean): Command[] {
  const { namespace, label, attributes } = resource;
  const args = ['link', 'set', 'dev', label, 'alias', aliasText(attributes)];
  // The message that made a veth pair carried only the first end's settings.
  if (attributes['first'] === false) args.push(...commonArguments(resource).settings.slice(2));
  if (attributes['master']) args.push('master', String(attributes['master']));
  if (isMember(attributes))
    return [...altnameCommands(resource), { tool: 'ip', namespace, args }, ...memberCommands(resource)];
  const early = (attributes['early'] ?? []) as readonly string[];
  const goesUp = mayGoUp && attributes['state'] === 'up';
  if (goesUp && early.length === 0) args.push('up');
  const commands: Command[] = [...altnameCommands(resource), { tool: 'ip', namespace, args }];
  for (const text of early) {
    const at = text.indexOf('=');
    commands.push({ tool: 'sysctl', namespace, name: text.slice(0, at), value: text.slice(at + 1) });
  }
  if (goesUp && early.length > 0) commands.push(setUp(resource));
  return commands;
}

/** The whole name of an interface whose name is too long for the kernel; ip-link(8), `property`. */
function altnameCommands({ namespace, label, attributes: { altname } }: Resource): Command[] {
  if (altname === undefined) return [];
  const args = ['link', 'property', 'add', 'dev', label, 'altname', String(altname)];
  return [{ tool: 'ip', namespace, args }];
}

function setUp({ namespace, label }: Resource): Command {
  return { tool: 'ip', namespace, args: ['link', 'set', 'dev', label, 'up'] };
}

function aliasText(attributes: Attributes): string {
  const mark = parseMark(String(attributes['mark']));
  return mark === undefined
    ? String(attributes['alias'])
    : formatMark({ ...mark, text: String(attributes['alias'] ?? '') });
}

function updateLink<T extends Interface>(change: Change, kind: LinkKind<T>): Command[] {
  const { wanted, attributes: changed } = change;
  const { namespace, label, attributes } = wanted;
  const set = (...args: string[]): Command => ({
    tool: 'ip',
    namespace,
    args: ['link', 'set', 'dev', label, ...args],
  });
  const words: string[] = [];
  if (changed.includes('mtu')) words.push('mtu', String(attributes['mtu']));
  if (changed.includes('macaddress')) words.push('address', String(attributes['macaddress']));
  if (changed.includes('alias') || changed.includes('mark')) words.push('alias', aliasText(attributes));
  const commands: Command[] = [];
  const earlier = String(change.live.attributes['name'] ?? label);
  const setMaster = attributes['master'] ? set('master', String(attributes['master'])) : set('nomaster');
  const leaves = changed.includes('master') && isMember(change.live.attributes);
  if (change.class === 'bounce') {
    commands.push({ tool: 'ip', namespace, args: ['link', 'set', 'dev', earlier, 'down'] });
  }
  if (changed.includes('name')) {
    const args = ['link', 'set', 'dev', earlier, 'name', String(attributes['name'])];
    commands.push({ tool: 'ip', namespace, args });
    const former = change.live.attributes['former altname'];
    if (former !== undefined) {
      const property = ['link', 'property', 'del', 'dev', label, 'altname', String(former)];
      commands.push({ tool: 'ip', namespace, args: property });
    }
  }
  // A bond gives its members back the MAC address and the mtu that they had before: those that are wanted come behind.
  if (leaves) commands.push(setMaster);
  if (words.length > 0) commands.push(set(...words));
  if (changed.includes('altname')) commands.push(...altnameCommands(wanted));
  if (changed.includes('mark')) {
    commands.push(set('group', String(labGroup(parseMark(String(attributes['mark']))?.lab ?? ''))));
  }
  if (changed.includes('master') && !leaves) commands.push(setMaster);
  const own = changed.filter((name) => !(name in commonChanges));
  if (own.length > 0) {
    const infoKind = kind.infoKind(wanted.kind as T['kind']) ?? '';
    const mtu = kind.derivesMtu && attributes['mtu'] !== undefined ? ['mtu', String(attributes['mtu'])] : [];
    for (const words of kind.typeMessages?.(attributes, own) ?? [])
      commands.push(set(...mtu, 'type', infoKind, ...words));
    commands.push(...(kind.settings?.(wanted, own) ?? []));
  }
  commands.push(...(kind.change?.(wanted, changed) ?? []));
  commands.push(...portCommands(wanted, change));
  if (changed.includes('missing-routes') && change.class === 'in-place')
    commands.push(...linkRouteCommands(namespace, label, missingRoutes(change.live)));
  if (changed.includes('state') || change.class === 'bounce') commands.push(set(String(attributes['state'])));
  if (changed.includes('primary')) commands.push(...primaryCommands(wanted, attributes['primary']));
  return commands;
}

function disruption(change: Change | undefined, action: 'update' | 'replace' | 'delete'): string | undefined {
  if (action === 'replace') return 'the link is made anew: its connections break for a moment';
  if (action === 'delete') return 'its connections break';
  if (change?.class === 'bounce') return 'the link goes down for a moment';
  if (change?.attributes.includes('state') && change.wanted.attributes['state'] === 'down')
    return 'the link goes down';
  if (change?.attributes.includes('macaddress'))
    return "neighbours keep the old MAC address until ARP's next answer";
  if (change?.attributes.includes('master')) return 'the port leaves one segment and joins another';
  if (change?.attributes.includes('vlans') && losesVlan(change.wanted, change.live))
    return 'hosts in a VLAN that it leaves are cut off';
  if (change?.attributes.includes('vlan-filtering')) return 'frames reach other ports than before';
  return undefined;
}
