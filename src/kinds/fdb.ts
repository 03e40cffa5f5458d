import { interfaceId, interfaceOwner } from './interface.ts';
import type { Command, Kind, LiveResource, Resource } from './resource.ts';

/** The entry for everything that the device has not learned: broadcast, unknown unicast, multicast. */
const ANY_MAC = '00:00:00:00:00:00';

/** The unicast peers of a vxlan device that has several: one permanent forwarding entry each; bridge(8). */
export const fdbKind: Kind = {
  name: 'peer',
  changes: {},
  lower: ({ topology }) =>
    topology.interfaces.flatMap((item) =>
      item.kind !== 'vxlan' || item.peers.length < 2
        ? []
        : item.peers.map((peer) => peerResource(item.namespace, item.name, peer, { place: item.place })),
    ),
  read: (live, { lab }) => {
    const found: LiveResource[] = [];
    for (const namespace of live.namespaces.values()) {
      if (namespace.fdb.length === 0) continue;
      const links = new Map(namespace.links.map((link) => [link.ifname, link]));
      for (const { mac, ifname, dst, state } of namespace.fdb) {
        const link = links.get(ifname);
        if (mac !== ANY_MAC || dst === undefined || state !== 'permanent' || link === undefined) continue;
        const data = link.linkinfo?.info_data ?? {};
        // The device's own remote shows as such an entry too.
        if ([data['remote'], data['remote6']].includes(dst) || interfaceOwner(link, lab) !== 'ours') continue;
        found.push({ ...peerResource(namespace.name, ifname, dst), owner: 'ours' });
      }
    }
    return found;
  },
  requires: ({ namespace, attributes }) => [interfaceId(namespace, String(attributes['dev']))],
  create: (resource) => [entry('append', resource)],
  update: () => [],
  remove: (resource) => [entry('del', resource)],
};

function peerResource(namespace: string, dev: string, peer: string, rest: Partial<Resource> = {}): Resource {
  return {
    kind: 'peer',
    id: `${namespace}/${dev}/peer/${peer}`,
    namespace,
    label: `peer ${peer} of ${dev}`,
    attributes: { dev, peer },
    ...rest,
  };
}

function entry(verb: string, { namespace, attributes }: Resource): Command {
  const args = ['fdb', verb, ANY_MAC, 'dev', String(attributes['dev']), 'dst', String(attributes['peer'])];
  return { tool: 'bridge', namespace, args };
}
