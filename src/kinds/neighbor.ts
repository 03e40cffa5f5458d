import { interfaceId } from './interface.ts';
import { OWN_PROTOCOL } from './marks.ts';
import { ownerByProtocol } from './protocol-owner.ts';
import type { Command, Kind, LiveResource, Resource } from './resource.ts';

/**
 * A permanent entry of the ARP or NDP table, or an address that the namespace answers for. Ours carry the protocol
 * number 116; what the kernel learned is not read at all, and gives way to a permanent entry.
 */
export const neighborKind: Kind = {
  name: 'neighbor',
  changes: { macaddress: 'in-place' },
  lower: ({ topology }) =>
    topology.namespaces.flatMap(({ name, neighbors }) =>
      neighbors.map(({ to, dev, macaddress = '', place }) => ({
        ...neighborResource(name, { to, dev, macaddress, proxy: macaddress === '' }),
        place,
      })),
    ),
  read: (live, context) => {
    const found: LiveResource[] = [];
    for (const namespace of live.namespaces.values()) {
      for (const entry of namespace.neighbors ?? []) {
        const proxy = entry.proxy === null;
        if (!proxy && entry.state?.includes('PERMANENT') !== true) continue;
        const { dst: to, dev, lladdr: macaddress = '' } = entry;
        const resource = neighborResource(namespace.name, { to, dev, macaddress, proxy });
        const numbered = { id: resource.id, protocol: entry.protocol, devs: [dev] };
        const owner = ownerByProtocol(namespace, numbered, context);
        if (owner === 'ours' || context.wanted.has(resource.id)) found.push({ ...resource, owner });
      }
    }
    return found;
  },
  requires: ({ namespace, attributes }) => [interfaceId(namespace, String(attributes['dev']))],
  create: (resource) => [replaceCommand(resource)],
  update: ({ wanted }) => [replaceCommand(wanted)],
  remove: ({ namespace, attributes }) => [
    { tool: 'ip', namespace, args: ['neigh', 'del', ...identityWords(attributes)] },
  ],
  lostWhenDown: () => true,
  // neigh_changeaddr (net/core/neighbour.c) drops the permanent ones too, but not those that are answered for.
  lostWithMac: ({ attributes }) => attributes['proxy'] === false,
  disrupts: (_change, action) => (action === 'delete' ? 'the neighbour has to answer for itself' : undefined),
};

interface Entry {
  readonly to: string;
  readonly dev: string;
  /** Empty for a proxy entry. */
  readonly macaddress: string;
  readonly proxy: boolean;
}

function neighborResource(namespace: string, { to, dev, macaddress, proxy }: Entry): Resource {
  const kind = proxy ? 'proxy' : 'neighbor';
  return {
    kind: 'neighbor',
    id: `${namespace}/${dev}/${kind}/${to}`,
    namespace,
    label: `${proxy ? 'proxy for' : 'neighbour'} ${to} on ${dev}`,
    attributes: { to, dev, macaddress, proxy },
  };
}

function replaceCommand({ namespace, attributes }: Resource): Command {
  const { proxy, macaddress } = attributes;
  const words = proxy === true ? [] : ['lladdr', String(macaddress), 'nud', 'permanent'];
  const args = ['neigh', 'replace', ...identityWords(attributes), ...words, 'protocol', String(OWN_PROTOCOL)];
  return { tool: 'ip', namespace, args };
}

function identityWords({ to, dev, proxy }: Resource['attributes']): string[] {
  return [...(proxy === true ? ['proxy'] : []), String(to), 'dev', String(dev)];
}
