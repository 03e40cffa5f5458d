import { interfaceId, interfaceOwner } from './interface.ts';
import type { Command, Kind, LiveResource, Resource } from './resource.ts';

/** The entry for everything that the device has not learned: broadcast, unknown unicast, multicast. */
const ANY_MAC = '00:00:00:00:00:00';

/**
 * The forwarding entries of vxlan devices; bridge(8). Each of several unicast peers has one of its own for what is not
 * known otherwise; a static entry says which peer has a MAC address.
 */
export const fdbKind: Kind = {
  name: 'peer',
  changes: { peer: 'in-place' },
  lower: ({ topology }) =>
    topology.interfaces.flatMap((item) => {
      if (item.kind !== 'vxlan') return [];
      const { namespace, name, place, peers, fdb } = item;
      return [
        ...(peers.length < 2 ? [] : peers.map((peer) => peerResource(namespace, name, peer, { place }))),
        ...fdb.map(({ mac, peer }) => entryResource(namespace, name, mac, peer, { place })),
      ];
    }),
  read: (live, { lab }) => {
    const found: LiveResource[] = [];
    for (const namespace of live.namespaces.values()) {
      if (namespace.fdb.length === 0) continue;
      const links = new Map(namespace.links.map((link) => [link.ifname, link]));
      for (const { mac, ifname, dst, state, flags } of namespace.fdb) {
        const link = links.get(ifname);
        if (dst === undefined || state !== 'permanent' || link === undefined) continue;
        // What a routing daemon enters is its own.
        if (flags?.includes('extern_learn')) continue;
        const data = link.linkinfo?.info_data ?? {};
        if (link.linkinfo?.info_kind !== 'vxlan' || interfaceOwner(link, lab) !== 'ours') continue;
        // The device's own remote or group shows as such an entry too.
        const own = [data['remote'], data['remote6'], data['group'], data['group6']];
        if (mac === ANY_MAC && own.includes(dst)) continue;
        const resource =
          mac === ANY_MAC
            ? peerResource(namespace.name, ifname, dst)
            : entryResource(namespace.name, ifname, mac, dst);
        found.push({ ...resource, owner: 'ours' });
      }
    }
    return found;
  },
  requires: ({ namespace, attributes }) => [interfaceId(namespace, String(attributes['dev']))],
  create: (resource) => [entry(resource.attributes['mac'] === undefined ? 'append' : 'replace', resource)],
  update: ({ wanted }) => [entry('replace', wanted)],
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

function entryResource(
  namespace: string,
  dev: string,
  mac: string,
  peer: string,
  rest: Partial<Resource> = {},
): Resource {
  return {
    kind: 'peer',
    id: `${namespace}/${dev}/fdb/${mac}`,
    namespace,
    label: `${mac} of ${dev}`,
    attributes: { dev, mac, peer },
    ...rest,
  };
}

function entry(verb: string, { namespace, attributes }: Resource): Command {
  const { dev, mac = ANY_MAC, peer } = attributes;
  const args = ['fdb', verb, String(mac), 'dev', String(dev), 'dst', String(peer)];
  return { tool: 'bridge', namespace, args };
}
