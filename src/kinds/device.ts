import { hashedName } from '../lib/interface-name.ts';
import type { IpLink } from '../observe/live.ts';
import type { Device, DeviceKind } from '../topology/model.ts';
import { defineLinkKind, interfaceId, type KernelNeed, type LinkContext } from './interface.ts';
import type { LinkCodec } from './link-codec.ts';
import { linkTag, parseMark } from './marks.ts';
import type { Attributes, ChangeClass, Command, Kind, Resource, Value } from './resource.ts';
import { splitId } from './veth.ts';

/** What one kind of single-ended device adds to what all of them have in common. */
export interface DeviceKindSpec {
  /** The kernel's name for it, IFLA_INFO_KIND, where it is not the file's. */
  readonly infoKind?: string;
  /** Its own attributes, which are the `settings` of the model; one that is missing here takes a new device. */
  readonly changes: Readonly<Record<string, ChangeClass>>;
  /** The words behind `type KIND` for the named attributes, of `ip link add` and of `ip link set`. */
  readonly words: (attributes: Attributes, names: readonly string[]) => readonly string[];
  /** Its attributes from the `info_data` of `ip -j -d link show`. */
  readonly read: (data: Readonly<Record<string, unknown>>, link: IpLink) => Attributes;
  readonly codec?: LinkCodec;
  readonly needs: KernelNeed;
  readonly same?: (attribute: string, wanted: Value, live: Value | undefined) => boolean;
  readonly classOf?: Kind['classOf'];
  /** Of kinds that share one name of the kernel: whether a link is of this one. */
  readonly isOne?: (data: Readonly<Record<string, unknown>>) => boolean;
  /** Whether the kernel sets it down along with the interface below. */
  readonly fallsWithLink?: boolean;
  /** Settings that are attributes of something else. */
  readonly elsewhere?: readonly string[];
  /** What makes it, where `ip link add` does not. */
  readonly create?: (resource: Resource, settings: readonly string[]) => readonly Command[];
  /** Words that the kernel wants again in each change of the device, such as an identifier. */
  readonly always?: readonly string[];
}

/** Makes a resource kind of a kind of device: `settings` are its attributes, and `link` what it is on top of. */
export function defineDeviceKind(kind: DeviceKind, spec: DeviceKindSpec): Kind {
  const { infoKind = kind, always = [], codec } = spec;
  return defineLinkKind<Device>(kind, {
    kinds: [kind],
    infoKind: () => infoKind,
    changes: spec.changes,
    needs: () => spec.needs,
    ...(codec === undefined ? {} : { codec: () => codec }),
    ...(spec.same === undefined ? {} : { same: spec.same }),
    ...(spec.classOf === undefined ? {} : { classOf: spec.classOf }),
    isOne: ({ linkinfo }) => spec.isOne?.(linkinfo?.info_data ?? {}) ?? true,
    fallsWithLink: spec.fallsWithLink ?? false,
    lower: ({ link, settings }) => ({
      ...Object.fromEntries(Object.entries(settings).filter(([name]) => !spec.elsewhere?.includes(name))),
      ...(link === undefined ? {} : { link: interfaceId(link.namespace, link.name) }),
    }),
    read: (link, context) => ({
      ...spec.read(link.linkinfo?.info_data ?? {}, link),
      link: linkBelow(link, context),
    }),
    requires: ({ attributes }) => (attributes['link'] === undefined ? [] : [String(attributes['link'])]),
    standsOn: ({ namespace, attributes }) => {
      const below = String(attributes['link'] ?? '');
      return below === '' || below.startsWith(`${namespace}/`) ? [] : [below];
    },
    create: (resource, { settings }) => {
      if (spec.create !== undefined) return spec.create(resource, settings);
      const { namespace, label, attributes } = resource;
      const [below, name] = attributes['link'] === undefined ? [] : splitId(String(attributes['link']));
      const own = Object.keys(attributes).filter(
        (attribute) => attribute in spec.changes || isOwn(attribute),
      );
      const type = ['type', infoKind, ...spec.words(attributes, own)];
      if (below === undefined || below === namespace) {
        const link = name === undefined ? [] : ['link', name];
        return [
          { tool: 'ip', namespace, args: ['link', 'add', ...link, 'name', label, ...settings, ...type] },
        ];
      }
      // The kernel looks the interface below up where the message is sent; and before Linux 6.15 it refuses a name that
      // is taken there, though the new device goes elsewhere (__rtnl_newlink in net/core/rtnetlink.c).
      const passing = hashedName('tw', resource.id);
      return [
        {
          tool: 'ip',
          namespace: below,
          args: [
            'link',
            'add',
            'link',
            String(name),
            'name',
            passing,
            ...settings,
            'netns',
            namespace,
            ...type,
          ],
        },
        { tool: 'ip', namespace, args: ['link', 'set', 'dev', passing, 'name', label] },
      ];
    },
    typeMessages: (attributes, changed) => [spec.words(attributes, [...new Set([...always, ...changed])])],
  });
}

const common = new Set([
  ...['mark', 'mtu', 'macaddress', 'state', 'alias', 'link'],
  ...['master', 'master-kind', 'primary', 'early'],
]);

function isOwn(attribute: string): boolean {
  return !common.has(attribute);
}

/**
 * The id of the interface below. Where it is in another namespace, the kernel tells only its ifindex there; the tag of
 * the mark, made of both ids, says which of the interfaces with that index it is.
 */
function linkBelow(link: IpLink, { namespace, live }: LinkContext): string {
  if (link.link !== undefined) return interfaceId(namespace.name, link.link);
  if (link.link_index === undefined || link.link_index === 0) return '';
  const tag = parseMark(link.ifalias)?.tag;
  const own = interfaceId(namespace.name, link.ifname);
  for (const other of (live.all ?? live.namespaces).values()) {
    const below = other.links.find(({ ifindex }) => ifindex === link.link_index);
    if (below === undefined) continue;
    const id = interfaceId(other.name, below.ifname);
    if (linkTag(own, id) === tag) return id;
  }
  return 'unknown';
}
