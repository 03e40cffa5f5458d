import type { TcFilter } from '../observe/live.ts';
import { interfaceId, interfaceOwner } from './interface.ts';
import type { Command, Kind, LiveResource, Resource } from './resource.ts';

/** The preference of our filter, by which it is known. */
export const REDIRECT_PREFERENCE = 29815;

/**
 * Sends what an interface receives through an ifb device, where it can wait; the kernel queues only what is sent. A u32
 * filter that matches everything: matchall is younger, and not every kernel has it.
 */
export const redirectKind: Kind = {
  name: 'redirect',
  changes: { to: 'in-place' },
  lower: ({ topology }) =>
    topology.impairments.flatMap(({ namespace, name, via, place }) =>
      via === undefined ? [] : [{ ...redirectResource(namespace, name, via), place }],
    ),
  read: (live, { lab, wanted }) => {
    const found: LiveResource[] = [];
    for (const { name: namespace, links, qdiscs = [], filters = [] } of live.namespaces.values()) {
      for (const { dev, kind } of qdiscs) {
        if (kind !== 'ingress' && kind !== 'clsact') continue;
        const link = links.find(({ ifname }) => ifname === dev);
        if (link === undefined || interfaceOwner(link, lab) !== 'ours') continue;
        const own = filters.find((filter) => filter.dev === dev && targetOf(filter) !== undefined);
        const resource = redirectResource(namespace, dev, (own && targetOf(own)) ?? '');
        // One without our filter is somebody else's, and is in the way only where we need its place.
        if (own !== undefined || wanted.has(resource.id)) found.push({ ...resource, owner: 'ours' });
      }
    }
    return found;
  },
  requires: ({ namespace, attributes }) => [
    interfaceId(namespace, String(attributes['dev'])),
    ...ifbOf(namespace, attributes['to']),
  ],
  // The kernel keeps a filter whose device is gone, and drops what comes.
  outlives: ({ namespace, attributes }) => ifbOf(namespace, attributes['to']),
  create: (resource) => [
    command(resource, ['qdisc', 'add', ...onDevice(resource), 'ingress']),
    filter(resource),
  ],
  update: ({ wanted }) => [
    removal(wanted),
    command(wanted, ['qdisc', 'add', ...onDevice(wanted), 'ingress']),
    filter(wanted),
  ],
  remove: (resource) => [removal(resource)],
};

function redirectResource(namespace: string, dev: string, to: string): Resource {
  return {
    kind: 'redirect',
    id: `${interfaceId(namespace, dev)}/ingress`,
    namespace,
    label: `redirection of what ${dev} receives`,
    attributes: { dev, to },
  };
}

/** tc prints `*` for a device that is gone. */
function ifbOf(namespace: string, to: unknown): string[] {
  return to === '' || to === '*' ? [] : [interfaceId(namespace, String(to))];
}

function targetOf({ pref, options }: TcFilter): string | undefined {
  if (pref !== REDIRECT_PREFERENCE) return undefined;
  return options?.actions?.find((action) => action.mirred_action === 'redirect')?.to_dev;
}

function onDevice({ attributes }: Resource): string[] {
  return ['dev', String(attributes['dev'])];
}

function command({ namespace }: Resource, args: readonly string[]): Command {
  return { tool: 'tc', namespace, args };
}

function removal(resource: Resource): Command {
  // By its place, not by its kind: a clsact there would not go by the name of ingress.
  return command(resource, ['qdisc', 'del', ...onDevice(resource), 'parent', 'ffff:fff1']);
}

function filter(resource: Resource): Command {
  return command(resource, [
    ...['filter', 'add', ...onDevice(resource), 'parent', 'ffff:', 'protocol', 'all'],
    ...['pref', String(REDIRECT_PREFERENCE), 'u32', 'match', 'u32', '0', '0'],
    ...['action', 'mirred', 'egress', 'redirect', 'dev', String(resource.attributes['to'])],
  ]);
}
