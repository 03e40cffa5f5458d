import { interfaceId, interfaceOwner, knownInfoKinds, readCommon } from './interface.ts';
import type { Kind, LiveResource } from './resource.ts';

/**
 * A link of a kind that no file can describe: a network card, a tap device, a dummy somebody made. It is read only where
 * it is in the way of a wanted name, or where it carries the lab's mark.
 */
export const otherLinkKind: Kind = {
  name: 'link',
  changes: {},
  lower: () => [],
  read: (live, { lab, wanted, adopted }) => {
    const found: LiveResource[] = [];
    for (const { name: namespace, links } of live.namespaces.values()) {
      for (const link of links) {
        if (link.ifname === 'lo' || knownInfoKinds.has(link.linkinfo?.info_kind ?? 'none')) continue;
        const id = interfaceId(namespace, link.ifname);
        if (adopted.has(id)) continue;
        const owner = interfaceOwner(link, lab);
        if (owner !== 'ours' && !wanted.has(id)) continue;
        found.push({ kind: 'link', id, namespace, label: link.ifname, attributes: readCommon(link), owner });
      }
    }
    return found;
  },
  requires: ({ namespace }) => (namespace === 'host' ? [] : [namespace]),
  create: () => [],
  update: () => [],
  remove: ({ namespace, label }) => [{ tool: 'ip', namespace, args: ['link', 'del', 'dev', label] }],
  disrupts: () => 'its connections break',
};
