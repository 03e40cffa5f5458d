import type { Veth } from '../topology/model.ts';
import { HOST } from '../topology/model.ts';
import { defineLinkKind, interfaceId } from './interface.ts';
import { parseMark } from './marks.ts';
import type { Attributes, Resource } from './resource.ts';

/**
 * One end of a veth pair. The pair is made by one message, with both ends in their final namespaces and both marked by
 * the group, so that a killed run never leaves an end somewhere else; the end that sorts first carries that message.
 */
export const vethKind = defineLinkKind<Veth>('veth', {
  kinds: ['veth'],
  infoKind: () => 'veth',
  changes: {},
  lower: ({ peer, namespace, name }) => ({
    peer: interfaceId(peer.namespace, peer.name),
    first: interfaceId(namespace, name) < interfaceId(peer.namespace, peer.name),
  }),
  read: (link, { namespace, byTag }) => {
    const tag = parseMark(link.ifalias)?.tag ?? '';
    // The two ends know each other's ifindex, which is unique only inside a namespace; the tag, which no other pair
    // has, says which namespace it is.
    const peer = byTag
      .get(tag)
      ?.find(
        (end) =>
          !(end.namespace === namespace.name && end.link.ifindex === link.ifindex) &&
          end.link.ifindex === link.link_index &&
          end.link.link_index === link.ifindex,
      );
    const id = interfaceId(namespace.name, link.ifname);
    if (peer === undefined) return { peer: '', first: false };
    const peerId = interfaceId(peer.namespace, peer.link.ifname);
    return { peer: peerId, first: id < peerId };
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
          ...['link', 'add', 'name', resource.label, ...settings, ...inNamespace(resource.namespace), 'type', 'veth'],
          ...['peer', 'name', name, 'group', settings[1] ?? '0', ...inNamespace(namespace)],
        ],
      },
    ];
  },
});

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
