import { createHash } from 'node:crypto';
import type { Live, LiveService } from '../observe/live.ts';
import { HOST, type Names, type Service, type Topology } from '../topology/model.ts';
import { interfaceId } from './interface.ts';
import { kernelRouteFinder } from './kernel-routes.ts';
import type { Attributes, Kind, LiveResource, Resource } from './resource.ts';

/** The services of desired resources: a command needs more of one than is compared. */
const wantedServices = new WeakMap<Attributes, { readonly service: Service; readonly hostname: string }>();

/**
 * A program that runs as long as the lab. The record under /run says how it was started, and as which process; a
 * process that ended, or that is in a namespace of before, is a difference. It is stopped before everything that is
 * removed, and started behind everything that is made.
 */
export const serviceKind: Kind = {
  name: 'service',
  isReadAlways: true,
  changes: {},
  lower: ({ topology }) => {
    const { name: lab } = topology;
    return topology.namespaces.flatMap(({ name: namespace, names, services = [] }) =>
      services.map((service) =>
        lowerService({ lab, namespace, names, service, server: serverOf(topology, namespace, service) }),
      ),
    );
  },
  read: (live, { lab }) =>
    (live.services ?? []).flatMap((service): LiveResource[] => {
      if (service.lab !== lab) return [];
      const { namespace, name, attributes, state } = service;
      const id = serviceId(namespace, name);
      return [
        {
          kind: 'service',
          id,
          namespace,
          label: name,
          attributes: {
            ...attributes,
            ...(attributes['dev'] ? { lease: leaseState(live, service) } : {}),
            state,
            lab,
            name,
          },
          owner: 'ours',
        },
      ];
    }),
  requires: beforeService,
  // Processes stay when their namespace loses its name: they are stopped, and before that.
  outlives: beforeService,
  uses: ({ namespace, attributes }) =>
    attributes['dev'] ? [interfaceId(namespace, String(attributes['dev']))] : [],
  create: (resource) => [startCommand(resource)],
  // Every change takes a new process.
  update: ({ wanted }) => [startCommand(wanted)],
  remove: ({ namespace, attributes }) => [
    {
      tool: 'service',
      namespace,
      action: 'stop',
      lab: String(attributes['lab']),
      name: String(attributes['name']),
      after: (attributes['after'] ?? []) as readonly string[],
    },
  ],
  same: (attribute, wanted, live) =>
    unlike.has(attribute) ||
    JSON.stringify(wanted) === JSON.stringify(live ?? (Array.isArray(wanted) ? [] : '')),
  conceal: (attributes, live) => ({
    ...attributes,
    environment: withoutValues(attributes, live),
  }),
  disrupts: (change, action) =>
    action === 'delete' || change?.live.attributes['state'] === 'running'
      ? 'the program ends, and its connections with it'
      : undefined,
};

const IN_PLACE = 'in place';

/**
 * Whether what a DHCP client set is still there, on the interface that it set it on: udhcpc asks again only when half of
 * the time is over. One that has no lease is no difference: it goes on asking.
 */
function leaseState(live: Live, { namespace, attributes, state, lease }: LiveService): string {
  if (state !== 'running' || lease === undefined) return IN_PLACE;
  const found = live.namespaces.get(namespace);
  const link = found?.links.find(({ ifname }) => ifname === attributes['dev']);
  if (found === undefined || link?.ifindex !== lease.index) return 'of an earlier interface';
  const { address, gateway } = lease;
  if (address === undefined) return IN_PLACE;
  const own = link.addr_info?.find(({ local, prefixlen }) => `${local}/${prefixlen}` === address);
  if (own === undefined || kernelRouteFinder(found)(link, own).length > 0) return 'lost';
  const hasRoute =
    gateway === undefined ||
    found.routes.some(
      ({ dst, dev, gateway: via }) => dst === 'default' && dev === link.ifname && via === gateway,
    );
  return hasRoute ? IN_PLACE : 'lost';
}

/** Variables may be passwords: only their names are shown, and which of them are to have another value. */
function withoutValues(attributes: Attributes, live: Attributes | undefined): string[] {
  const before = live && new Set(variablesOf(live));
  const names = new Set(live && variablesOf(live).map(nameOf));
  return variablesOf(attributes).map((variable) => {
    const name = nameOf(variable);
    const isChanged = names.has(name) && before?.has(variable) === false;
    return `${name}=${isChanged ? '(hidden, changed)' : '(hidden)'}`;
  });
}

function variablesOf({ environment }: Attributes): readonly string[] {
  return Array.isArray(environment) ? environment : [];
}

function nameOf(variable: string): string {
  return variable.slice(0, variable.indexOf('='));
}

/** What tells how to wait and in which order, and nothing about the process. */
const unlike: ReadonlySet<string> = new Set(['after']);

interface Lowering {
  readonly lab: string;
  readonly namespace: string;
  readonly names: Names | undefined;
  readonly service: Service;
  readonly server: string;
}

/**
 * What the server of a DHCP client is told to give, where it is at the bridge that the client's link leads to: when that
 * changes, the client has to ask again.
 */
function serverOf({ interfaces, namespaces }: Topology, namespace: string, { madeFor }: Service): string {
  if (madeFor === undefined) return '';
  const own = interfaces.find((item) => item.namespace === namespace && item.name === madeFor);
  const peer = own?.kind === 'veth' ? own.peer : undefined;
  const port = interfaces.find((item) => item.namespace === peer?.namespace && item.name === peer.name);
  const server = namespaces
    .find(({ name }) => name === port?.namespace)
    ?.services?.find(({ name }) => name === `dnsmasq-${port?.master}`);
  return server?.command.filter((word) => word.startsWith('--dhcp')).join(' ') ?? '';
}

function lowerService({ lab, namespace, names, service, server }: Lowering): Resource {
  const { name, command, environment, user, directory, files, log, after, madeFor, place } = service;
  const { capabilities = [], owner = '', logLimit = '' } = service;
  const attributes: Attributes = {
    state: 'running',
    command,
    environment: Object.entries(environment).map(([key, value]) => `${key}=${value}`),
    user: user ?? '',
    owner,
    capabilities,
    directory: directory ?? '',
    files: Object.entries(files).map(([file, text]) => `${file} ${hashOf(text)}`),
    log: log ?? '',
    'log-limit': logLimit,
    dev: madeFor ?? '',
    after,
    name,
    lab,
    ...(madeFor === undefined ? {} : { server, lease: IN_PLACE }),
  };
  wantedServices.set(attributes, { service, hostname: names?.hostname ?? '' });
  return { kind: 'service', id: serviceId(namespace, name), namespace, label: name, attributes, place };
}

function startCommand({ namespace, attributes }: Resource) {
  const wanted = wantedServices.get(attributes);
  if (wanted === undefined) throw new Error(`a service of no topology: ${attributes['name']}`);
  return {
    tool: 'service',
    namespace,
    action: 'start',
    lab: String(attributes['lab']),
    attributes,
    ...wanted,
  } as const;
}

function beforeService({ namespace, attributes }: Resource): string[] {
  const after = (attributes['after'] as readonly string[] | undefined) ?? [];
  const others = after.map((id) => {
    const slash = id.indexOf('/');
    return serviceId(id.slice(0, slash), id.slice(slash + 1));
  });
  return namespace === HOST ? others : [namespace, ...others];
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

function serviceId(namespace: string, name: string): string {
  return `${namespace}/service/${name}`;
}
