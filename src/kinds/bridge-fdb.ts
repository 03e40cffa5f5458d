import type { Topology } from '../topology/model.ts';
import { interfaceId, interfaceOwner } from './interface.ts';
import { isVlanBridge } from './port-vlans.ts';
import type { Command, Kind, LiveResource, Resource } from './resource.ts';

interface Entry {
  readonly bridge: string;
  readonly mac: string;
  /** 0: none. */
  readonly vlan: number;
  readonly port: string;
}

/**
 * Static forwarding entries of bridges. They carry no mark: where the file has some, what is static in a bridge of the lab
 * is the lab's. Entries that the kernel learned, that it made for its own addresses, or that a routing daemon keeps
 * (extern_learn) are not.
 */
export const bridgeFdbKind: Kind = {
  name: 'fdb',
  changes: { port: 'in-place' },
  lower: ({ topology }) =>
    topology.interfaces.flatMap((item) =>
      item.kind === 'bridge'
        ? item.fdb.map(({ mac, port, vlan = 0 }) =>
            entryResource(item.namespace, { bridge: item.name, mac, vlan, port }, { place: item.place }),
          )
        : [],
    ),
  read: (live, { lab, record, wanted }) => {
    const found: LiveResource[] = [];
    for (const { name, fdb, links } of live.namespaces.values()) {
      if (!fdb.some(({ state }) => state === 'static')) continue;
      const byName = new Map(links.map((link) => [link.ifname, link]));
      for (const { mac, ifname: port, master, state, vlan = 0, flags = [] } of fdb) {
        const bridge = byName.get(master ?? '');
        if (state !== 'static' || flags.length > 0 || bridge === undefined) continue;
        // Where nothing filters, the kernel repeats each entry for the VLANs of the port (br_fdb_add).
        if (vlan !== 0 && !isVlanBridge(bridge)) continue;
        if (interfaceOwner(bridge, lab) !== 'ours') continue;
        const entry = entryResource(name, { bridge: bridge.ifname, mac, vlan, port });
        // Where the file never had any, entries are somebody else's.
        if (wanted.has(entry.id) || record.fdb?.includes(name)) found.push({ ...entry, owner: 'ours' });
      }
    }
    return found;
  },
  requires: ({ namespace, attributes }) => [
    interfaceId(namespace, String(attributes['bridge'])),
    interfaceId(namespace, String(attributes['port'])),
  ],
  create: (resource) => [command('replace', resource)],
  update: ({ wanted }) => [command('replace', wanted)],
  remove: (resource) => [command('del', resource)],
};

/** Where entries of the file are: there, the tables of the bridges are read. */
export function namespacesWithFdb(topology: Topology | undefined): string[] {
  return (topology?.interfaces ?? []).flatMap((item) =>
    item.kind === 'bridge' && item.fdb.length > 0 ? [item.namespace] : [],
  );
}

function entryResource(namespace: string, entry: Entry, rest: Partial<Resource> = {}): Resource {
  const { bridge, mac, vlan } = entry;
  const suffix = vlan === 0 ? '' : ` vlan ${vlan}`;
  return {
    kind: 'fdb',
    id: `${namespace}/${bridge}/fdb/${mac}/${vlan}`,
    namespace,
    label: `${mac}${suffix} of ${bridge}`,
    attributes: { ...entry },
    ...rest,
  };
}

/** `replace` moves an entry that is there to another port; `master` means the table of the port's bridge. */
function command(verb: 'replace' | 'del', { namespace, attributes }: Resource): Command {
  const vlan = Number(attributes['vlan']);
  return {
    tool: 'bridge',
    namespace,
    args: [
      ...['fdb', verb, String(attributes['mac']), 'dev', String(attributes['port']), 'master', 'static'],
      ...(vlan === 0 ? [] : ['vlan', String(vlan)]),
    ],
  };
}
