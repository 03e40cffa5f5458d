import { HOST, type Loopback, type Topology } from '../topology/model.ts';
import { defineLinkKind } from './interface.ts';
import type { Kind } from './resource.ts';

const kind = defineLinkKind<Loopback>('loopback', {
  kinds: ['loopback'],
  infoKind: () => undefined,
  changes: {},
  lower: () => ({}),
  read: () => ({}),
  create: () => [],
});

/** `lo`, which the kernel makes with each namespace, down; it is set up in every namespace of the lab. */
export const loopbackKind: Kind = {
  ...kind,
  lower: ({ topology }) => kind.lower({ topology: withEveryLoopback(topology) }),
  create: (resource) => [
    {
      tool: 'ip',
      namespace: resource.namespace,
      args: ['link', 'set', 'dev', 'lo', ...settings(resource.attributes)],
    },
  ],
  remove: () => [],
};

function settings(attributes: Readonly<Record<string, unknown>>): string[] {
  return [
    ...(attributes['mtu'] === undefined ? [] : ['mtu', String(attributes['mtu'])]),
    String(attributes['state']),
  ];
}

function withEveryLoopback(topology: Topology): Topology {
  const loopbacks = topology.interfaces.filter(({ kind: name }) => name === 'loopback');
  const declared = new Set(loopbacks.map(({ namespace }) => namespace));
  const missing = topology.namespaces
    .filter(({ name }) => name !== HOST && !declared.has(name))
    .map(
      ({ name, place }): Loopback => ({
        kind: 'loopback',
        namespace: name,
        name: 'lo',
        addresses: [],
        mtu: undefined,
        mtuPlace: undefined,
        macaddress: undefined,
        state: 'up',
        alias: undefined,
        master: undefined,
        place,
      }),
    );
  return { ...topology, interfaces: [...loopbacks, ...missing] };
}
