import { VETH_INFO_PEER } from '../engine/netlink/constants.ts';
import { writeLinkSettings, writePeerHeader } from '../engine/netlink/encode/link-settings.ts';
import type { IpLink } from '../observe/live.ts';
import { HOST, type Veth } from '../topology/model.ts';
import { defineLinkKind, indexKey, interfaceId } from './interface.ts';
import type { LinkCodec } from './link-codec.ts';
import { linkTag, parseMark } from './marks.ts';
import type { Attributes, Resource } from './resource.ts';

/** The peer is a link of its own inside of the data, with the settings that every link has. */
const codec: LinkCodec = {
  encode: ([peer, ...settings], writer, context) => {
    let isKnown = peer === 'peer';
    writer.nest(VETH_INFO_PEER, () => {
      writePeerHeader(writer);
      isKnown &&= writeLinkSettings(settings, writer, context) === settings.length;
    });
    return isKnown;
  },
  decode: () => ({}),
};

/**
 * One end of a veth pair. The pair is made by one message, with both ends in their final namespaces and both marked by
 * the group, so that a killed run never leaves an end somewhere else; the end that sorts first carries that message.
 */
export const vethKind = defineLinkKind<Veth>('veth', {
  kinds: ['veth'],
  infoKind: () => 'veth',
  codec: () => codec,
  changes: {},
  lower: ({ peer, namespace, name }) => {
    const other = interfaceId(peer.namespace, peer.name);
    return { peer: other, first: interfaceId(namespace, name) < other };
  },
  read: (link, { namespace, byTag, byIndex }) => {
    const tag = parseMark(link.ifalias)?.tag ?? '';
    // The two ends know each other's ifindex, which is unique only inside a namespace; the tag, which no other pair
    // has, says which namespace it is.
    const end = { namespace: namespace.name, link };
    const peer = byTag.get(tag)?.find((other) => isPeer(end, other)) ?? peerByIndex(end, byIndex);
    const id = interfaceId(namespace.name, link.ifname);
    if (peer === undefined) return { peer: '', first: false };
    const otherId = interfaceId(peer.namespace, peer.link.ifname);
    return { peer: otherId, first: id < otherId };
  },
  requires: ({ attributes }) => {
    const peer = String(attributes['peer']);
    const namespace = peer.slice(0, peer.indexOf('/'));
    return peer === '' || namespace === HOST ? [] : [namespace];
  },
  create: (resource, { settings }) => {
    if (resource.attributes['first'] !== true) return [];
    const [namespace = '', name = ''] = splitId(String(resource.attributes['peer']));
    return [
      {
        tool: 'ip',
        namespace: undefined,
        args: [
          ...[
            'link',
            'add',
            'name',
            resource.label,
            ...settings,
            ...inNamespace(resource.namespace),
            'type',
            'veth',
          ],
          ...['peer', 'name', name, 'group', settings[1] ?? '0', ...inNamespace(namespace)],
        ],
      },
    ];
  },
});

interface End {
  readonly namespace: string;
  readonly link: IpLink;
}

/** iproute2 shows the peer's name where it is in the same namespace, and its ifindex where it is not. */
function isPeer(one: End, other: End): boolean {
  if (one.namespace === other.namespace && one.link.ifindex === other.link.ifindex) return false;
  if (one.link.link_index === undefined) {
    return (
      one.namespace === other.namespace &&
      one.link.link === other.link.ifname &&
      other.link.link === one.link.ifname
    );
  }
  return other.link.ifindex === one.link.link_index && other.link.link_index === one.link.ifindex;
}

/**
 * An end that lost its mark is found by the ifindexes of both, if it is in the same namespace or if the other end's tag
 * says that it is this one.
 */
function peerByIndex(end: End, byIndex: () => ReadonlyMap<string, readonly End[]>): End | undefined {
  const id = interfaceId(end.namespace, end.link.ifname);
  return byIndex()
    .get(indexKey(end.link, 'peer'))
    ?.find((other) => {
      if (!isPeer(end, other)) return false;
      if (end.link.link_index === undefined) return true;
      const tags = [parseMark(end.link.ifalias)?.tag, parseMark(other.link.ifalias)?.tag];
      return tags.includes(linkTag(id, interfaceId(other.namespace, other.link.ifname)));
    });
}

/** A pair goes as one: what is true of one end's existence is true of the other's. */
export function peerId(resource: Resource): string | undefined {
  const attributes: Attributes = resource.attributes;
  return resource.kind === 'veth' && attributes['peer'] !== '' ? String(attributes['peer']) : undefined;
}

export function splitId(id: string): [namespace: string, name: string] {
  const slash = id.indexOf('/');
  return [id.slice(0, slash), id.slice(slash + 1)];
}

function inNamespace(namespace: string): string[] {
  return namespace === HOST ? [] : ['netns', namespace];
}
