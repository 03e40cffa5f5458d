import { interfaceId, interfaceOwner, knownInfoKinds, readCommon } from './interface.ts';
import type { Kind } from './resource.ts';

/**
 * A link of a kind that no file can describe: a network card, a tap device, a dummy somebody made. It is read only where
 * it is in the way of a wanted name, or where it carries the lab's mark.
 */
export const otherLinkKind: Kind = {
  name: 'link',
  changes: {},
  lower: () => [],
  read: (live, { lab, wanted }) =>
    [...live.namespaces.values()].flatMap((namespace) =>
      namespace.links
        .filter((link) => link.ifname !== 'lo' && !knownInfoKinds.has(link.linkinfo?.info_kind ?? 'none'))
        .map((link) => ({
          kind: 'link',
          id: interfaceId(namespace.name, link.ifname),
          namespace: namespace.name,
          label: link.ifname,
          attributes: readCommon(link),
          owner: interfaceOwner(link, lab),
        }))
        .filter(({ id, owner }) => owner === 'ours' || wanted.has(id)),
    ),
  requires: ({ namespace }) => (namespace === 'host' ? [] : [namespace]),
  create: () => [],
  update: () => [],
  remove: ({ namespace, label }) => [{ tool: 'ip', namespace, args: ['link', 'del', 'dev', label] }],
  disrupts: () => 'its connections break',
};
