import { append, groupBy } from '../lib/collections.ts';
import type { IpLink, Live, LiveNamespace } from '../observe/live.ts';
import { HOST, type Interface, type Topology } from '../topology/model.ts';
import { type LinkCodec, registerLinkCodec } from './link-codec.ts';
import { formatMark, labGroup, linkBelongsTo, linkTag, parseMark } from './marks.ts';
import type {
  Attributes,
  Change,
  ChangeClass,
  Command,
  Kind,
  LiveResource,
  Owner,
  ReadContext,
  Resource,
  Value,
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
  /** What the kernel must have for it; undefined where every kernel does. */
  readonly needs?: (kind: T['kind']) => KernelNeed;
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
}

/** By IFLA_INFO_KIND. */
export const kernelNeeds = new Map<string, KernelNeed>();

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

const commonChanges: Readonly<Record<string, ChangeClass>> = {
  mark: 'in-place',
  mtu: 'in-place',
  macaddress: 'in-place',
  state: 'in-place',
  alias: 'in-place',
  master: 'in-place',
};

/** Makes a resource kind of a link kind: reading, settings, masters and ownership are the same for all of them. */
export function defineLinkKind<T extends Interface>(name: string, link: LinkKind<T>): Kind {
  for (const kind of link.kinds) {
    const infoKind = link.infoKind(kind) ?? '';
    knownInfoKinds.add(infoKind);
    if (link.needs !== undefined) kernelNeeds.set(infoKind, link.needs(kind));
    if (link.codec !== undefined) registerLinkCodec(infoKind, link.codec(kind));
  }
  const isMine = (item: Interface): item is T => (link.kinds as readonly string[]).includes(item.kind);
  return {
    name,
    changes: { ...commonChanges, ...link.changes },
    lower: ({ topology }) =>
      topology.interfaces.filter(isMine).map((item) => ({
        kind: item.kind,
        id: interfaceId(item.namespace, item.name),
        namespace: item.namespace,
        label: item.name,
        attributes: Object.assign(lowerCommon(item, topology.name), link.lower(item, topology)),
        place: item.place,
      })),
    read: (live, context) => readLinks(live, context, link),
    requires: (resource) => {
      const own = link.requires?.(resource) ?? [];
      return resource.namespace === HOST ? own : [resource.namespace, ...own];
    },
    after: ({ namespace, attributes }) =>
      attributes['master'] ? [interfaceId(namespace, String(attributes['master']))] : [],
    ...(link.same === undefined ? {} : { same: link.same }),
    create: (resource) => [
      ...link.create(resource, commonArguments(resource)),
      ...settingsAfterCreate(resource),
      ...(link.settings?.(resource, Object.keys(resource.attributes)) ?? []),
    ],
    update: (change) => updateLink(change, link),
    remove: ({ namespace, label }) => [{ tool: 'ip', namespace, args: ['link', 'del', 'dev', label] }],
    loses: ({ namespace, attributes }, removed) =>
      attributes['master'] && interfaceId(namespace, String(attributes['master'])) === removed
        ? ['master']
        : [],
    disrupts: disruption,
  };
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

function lowerCommon(item: Interface, lab: string): Record<string, Value> {
  const { state, mtu, macaddress, alias = '', master = '' } = item;
  const mark = item.kind === 'loopback' ? undefined : formatMark({ lab, tag: tagOf(item), text: '' });
  // Most links are of these three forms; putting an object together from parts costs ten times as much.
  if (mtu === undefined) {
    if (mark !== undefined && macaddress !== undefined) return { macaddress, state, alias, master, mark };
    if (macaddress === undefined) return mark === undefined ? { state } : { state, alias, master, mark };
  }
  return {
    ...(mtu === undefined ? {} : { mtu }),
    ...(macaddress === undefined ? {} : { macaddress }),
    state,
    ...(mark === undefined ? {} : { alias, master, mark }),
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
      if (mine === undefined) continue;
      const id = interfaceId(namespace.name, link.ifname);
      const owner = interfaceOwner(link, context.lab);
      const isOurLoopback = owner === 'builtin' && namespace.mark?.lab === context.lab;
      if (owner !== 'ours' && !isOurLoopback && !context.wanted.has(id)) continue;
      const own = kind.read(link, { live, namespace, byTag, byIndex });
      const attributes = Object.assign(readCommon(link), own);
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
  return macaddress === undefined
    ? { mtu, state, alias, master, mark: ownership }
    : { mtu, macaddress, state, alias, master, mark: ownership };
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
  for (const namespace of live.namespaces.values()) {
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

/** `ip link add … alias` is accepted and sets nothing (iproute2 6.1, measured), so the alias comes behind. */
function settingsAfterCreate(resource: Resource): Command[] {
  const { namespace, label, attributes } = resource;
  const args = ['link', 'set', 'dev', label, 'alias', aliasText(attributes)];
  // The message that made a veth pair carried only the first end's settings.
  if (attributes['first'] === false) args.push(...commonArguments(resource).settings.slice(2));
  if (attributes['master']) args.push('master', String(attributes['master']));
  if (attributes['state'] === 'up') args.push('up');
  return [{ tool: 'ip', namespace, args }];
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
  if (change.class === 'bounce') commands.push(set('down'));
  if (words.length > 0) commands.push(set(...words));
  if (changed.includes('mark')) {
    commands.push(set('group', String(labGroup(parseMark(String(attributes['mark']))?.lab ?? ''))));
  }
  if (changed.includes('master')) {
    commands.push(attributes['master'] ? set('master', String(attributes['master'])) : set('nomaster'));
  }
  const own = changed.filter((name) => !(name in commonChanges));
  if (own.length > 0) {
    const infoKind = kind.infoKind(wanted.kind as T['kind']) ?? '';
    for (const words of kind.typeMessages?.(attributes, own) ?? [])
      commands.push(set('type', infoKind, ...words));
    commands.push(...(kind.settings?.(wanted, own) ?? []));
  }
  commands.push(...(kind.change?.(wanted, changed) ?? []));
  if (changed.includes('state') || change.class === 'bounce') commands.push(set(String(attributes['state'])));
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
  return undefined;
}
