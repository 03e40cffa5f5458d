import { createHash } from 'node:crypto';
import { append } from '../lib/collections.ts';
import { familyOfAddress } from '../lib/ip.ts';
import type { IpNexthopObject } from '../observe/live.ts';
import { HOST, type NexthopObject, type Topology } from '../topology/model.ts';
import { interfaceId } from './interface.ts';
import { OWN_PROTOCOL } from './marks.ts';
import { ownerByProtocol } from './protocol-owner.ts';
import { type Command, type Kind, type LiveResource, type Resource, sameValue } from './resource.ts';

/**
 * A nexthop object (ip-nexthop(8)): one next hop, a blackhole, or a group of others. Ours carry the protocol number 116.
 * A change replaces what the object means and leaves the routes that use it in place.
 */
export const nexthopKind: Kind = {
  name: 'nexthop',
  changes: { via: 'in-place', dev: 'in-place', 'on-link': 'in-place', group: 'in-place' },
  lower: ({ topology }) => {
    if (topology.namespaces.every(({ nexthops }) => nexthops.length === 0)) return [];
    const carriers = carrierFinder(topology);
    return topology.namespaces.flatMap(({ name, nexthops }) =>
      nexthops.map((nexthop) => ({
        ...lowerNexthop(name, nexthop),
        // A blackhole is on `lo`, which must be up for it too.
        needs: nexthop.blackhole
          ? [interfaceId(name, 'lo')]
          : nexthop.dev === undefined
            ? []
            : carriers(interfaceId(name, nexthop.dev)),
      })),
    );
  },
  read: (live, context) => {
    const found: LiveResource[] = [];
    for (const namespace of live.namespaces.values()) {
      for (const nexthop of namespace.nexthops ?? []) {
        const resource = readNexthop(namespace.name, nexthop);
        const { protocol, dev } = nexthop;
        const owner = ownerByProtocol(namespace, { id: resource.id, protocol, devs: [dev] }, context);
        if (owner === 'ours' || context.wanted.has(resource.id)) found.push({ ...resource, owner });
      }
    }
    return found;
  },
  requires: ({ namespace, attributes: { dev }, needs = [] }) => {
    const links = dev === '' ? needs : [interfaceId(namespace, String(dev)), ...needs];
    return namespace === HOST ? links : [namespace, ...links];
  },
  after: ({ namespace, attributes }) => membersOf(attributes).map((id) => nexthopId(namespace, id)),
  // The kernel takes a removed member out of its groups, and a group with the last of them: so they let go of it first.
  releases: ({ namespace, attributes }) => membersOf(attributes).map((id) => nexthopId(namespace, id)),
  dropsWith: ({ id, namespace, attributes }, live) => {
    const member = Number(attributes['id']);
    return live.flatMap((other) => {
      const members =
        other.kind === 'nexthop' && other.namespace === namespace ? membersOf(other.attributes) : [];
      return members.length === 1 && members[0] === member && other.id !== id ? [other.id] : [];
    });
  },
  same: (attribute, wanted, live) =>
    (attribute === 'family' && live === undefined) || sameValue(attribute, wanted, live),
  create: (resource) => [nexthopCommand('add', resource)],
  update: ({ wanted }) => [nexthopCommand('replace', wanted)],
  remove: ({ namespace, attributes }) => [
    { tool: 'ip', namespace, args: ['nexthop', 'del', 'id', String(attributes['id'])] },
  ],
  lostWhenDown: ({ attributes }) => attributes['dev'] !== '',
  disrupts: (_change, action) => (action === 'delete' ? 'the routes that use it go with it' : undefined),
};

export function nexthopId(namespace: string, id: number): string {
  return `${namespace}/nexthop/${id}`;
}

/** The number of a next hop that has none in the file: of its name, so that it stays when others come and go. */
export function nexthopNumber(name: string): number {
  return 0x10000 + (createHash('sha256').update(name).digest().readUInt32BE(0) & 0x3fffffff);
}

function lowerNexthop(namespace: string, nexthop: NexthopObject): Resource {
  const { id, family, via, dev, onLink, blackhole, group, place } = nexthop;
  return {
    kind: 'nexthop',
    id: nexthopId(namespace, id),
    namespace,
    label: `nexthop ${id}`,
    attributes: {
      id,
      type: group.length > 0 ? 'group' : blackhole ? 'blackhole' : 'single',
      family: family ?? 0,
      via: via ?? '',
      dev: dev ?? '',
      'on-link': onLink,
      group: group.map((member) => memberText(member.id, member.weight)).sort(),
    },
    place,
  };
}

/**
 * The kernel refuses a next hop whose device has no carrier (nh_valid_get_dev in net/ipv4/nexthop.c): what gives it one
 * must be up first, which is the other end of a veth, what a device is on top of, and the ports of a bridge.
 */
function carrierFinder({ interfaces }: Topology): (id: string) => string[] {
  const byId = new Map(interfaces.map((item) => [interfaceId(item.namespace, item.name), item]));
  const ports = new Map<string, string[]>();
  for (const { namespace, name, master } of interfaces) {
    if (master !== undefined) append(ports, interfaceId(namespace, master), interfaceId(namespace, name));
  }
  return (start) => {
    const found = new Set([start]);
    // The set grows on the way.
    for (const id of found) {
      const item = byId.get(id);
      if (item?.kind === 'veth') found.add(interfaceId(item.peer.namespace, item.peer.name));
      if (item !== undefined && 'link' in item && item.link !== undefined)
        found.add(interfaceId(item.link.namespace, item.link.name));
      for (const port of ports.get(id) ?? []) found.add(port);
    }
    found.delete(start);
    return [...found];
  };
}

function readNexthop(namespace: string, nexthop: IpNexthopObject): Resource {
  const { id, group, gateway = '', blackhole, dev = '', flags = [] } = nexthop;
  const isBlackhole = blackhole === null;
  return {
    kind: 'nexthop',
    id: nexthopId(namespace, id),
    namespace,
    label: `nexthop ${id}`,
    attributes: {
      id,
      type: group !== undefined ? 'group' : isBlackhole ? 'blackhole' : 'single',
      // Neither iproute2 nor anything else in the answer tells it where there is no gateway.
      ...(gateway === '' ? {} : { family: familyOfAddress(gateway) }),
      via: gateway,
      dev: isBlackhole ? '' : dev,
      'on-link': flags.includes('onlink'),
      group: (group ?? []).map((member) => memberText(member.id, member.weight ?? 1)).sort(),
    },
  };
}

function nexthopCommand(verb: 'add' | 'replace', { namespace, attributes }: Resource): Command {
  const { id, type, via, dev, family } = attributes;
  const args = ['nexthop', verb, 'id', String(id)];
  if (type === 'group') args.push('group', (attributes['group'] as readonly string[]).join('/'));
  if (type === 'blackhole') args.push('blackhole');
  if (via !== '') args.push('via', String(via));
  if (dev !== '') args.push('dev', String(dev));
  if (attributes['on-link'] === true) args.push('onlink');
  args.push('protocol', String(OWN_PROTOCOL));
  return { tool: 'ip', namespace, args: family === 6 && via === '' ? ['-6', ...args] : args };
}

function membersOf({ group }: Resource['attributes']): number[] {
  return ((group ?? []) as readonly string[]).map((member) => Number(member.split(',')[0]));
}

function memberText(id: number, weight: number): string {
  return weight === 1 ? String(id) : `${id},${weight}`;
}
