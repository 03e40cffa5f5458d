import { append } from '../lib/collections.ts';
import type { LiveNamespace } from '../observe/live.ts';
import { HOST, type Namespace, type Sysctl, type Topology } from '../topology/model.ts';
import { interfaceId } from './interface.ts';
import { localnetDevices } from './publish.ts';
import type { Kind, LiveResource, Owner, Resource } from './resource.ts';

const IPV4_FORWARDING = 'net.ipv4.ip_forward';
const IPV6_FORWARDING = 'net.ipv6.conf.all.forwarding';

/**
 * A kernel parameter of a namespace. It always exists, so it is only ever changed; the record under /run remembers the
 * value from before, which comes back when the parameter leaves the file.
 */
export const sysctlKind: Kind = {
  name: 'sysctl',
  changes: { value: 'in-place' },
  lower: ({ topology }) => topology.namespaces.flatMap((namespace) => lowerSysctls(topology, namespace)),
  read: (live, { lab, record, wanted }) => {
    const found: LiveResource[] = [];
    for (const namespace of live.namespaces.values()) {
      if (namespace.name !== HOST && namespace.mark?.lab !== lab) continue;
      const before = record.sysctls[namespace.name] ?? {};
      for (const [name, value] of sysctlsOf(namespace)) {
        const earlier = before[name];
        const owner: Owner = earlier === undefined || earlier === value ? 'builtin' : 'ours';
        if (owner !== 'ours' && !wanted.has(sysctlId(namespace.name, name))) continue;
        const resource = sysctlResource(namespace.name, name, value);
        if (earlier !== undefined) Object.assign(resource.attributes, { before: earlier });
        const learned = name === IPV6_FORWARDING && value === '0' ? learnedBy(namespace) : '';
        if (learned !== '') Object.assign(resource.attributes, { learned });
        found.push(Object.assign(resource, { owner }));
      }
    }
    return found;
  },
  requires: ({ namespace, attributes }) => {
    const required = namespace === HOST ? [] : [namespace];
    const device = deviceOf(String(attributes['name']));
    if (device !== undefined && device !== 'lo') required.push(interfaceId(namespace, device));
    return required;
  },
  create: (resource) => [write(resource, String(resource.attributes['value']))],
  update: ({ wanted }) => [write(wanted, String(wanted.attributes['value']))],
  disrupts: (change) => {
    if (change !== undefined && isOffOnHost(change.wanted))
      return 'IPv6 addresses and routes of the host go; only those of interfaces that the file adopts come back';
    const learned = change?.live.attributes['learned'];
    return learned === undefined
      ? undefined
      : `IPv6 default routes from router advertisements go (${learned}), where accept_ra is not 2`;
  },
  remove: (resource) => [
    write(resource, String(resource.attributes['before'] ?? resource.attributes['value'])),
  ],
};

function isOffOnHost({ namespace, attributes }: Resource): boolean {
  const { name, value } = attributes;
  return namespace === HOST && /^net\.ipv6\.conf\..+\.disable_ipv6$/.test(String(name)) && value !== '0';
}

/** The interfaces with a default route from a router's advertisement, which the kernel takes away when it forwards. */
function learnedBy({ routes }: LiveNamespace): string {
  const found = routes.flatMap(({ dst, protocol, pref, dev }) =>
    dst === 'default' && protocol === 'ra' && pref !== undefined && dev !== undefined ? [dev] : [],
  );
  return [...new Set(found)].join(', ');
}

/** The parameters that a namespace's file entry names, by dotted name. */
export function wantedSysctls(topology: Topology): Map<string, string[]> {
  return new Map(
    topology.namespaces.map((namespace) => [
      namespace.name,
      lowerSysctls(topology, namespace).map(({ attributes }) => String(attributes['name'])),
    ]),
  );
}

/** The interface that a parameter belongs to: `eth0` of `net.ipv4.conf.eth0.rp_filter`. */
export function deviceOf(name: string): string | undefined {
  const match = /^net\.ipv[46]\.(?:conf|neigh)\.([^.]+)\./.exec(name);
  const device = match?.[1];
  return device === undefined || device === 'all' || device === 'default'
    ? undefined
    : device.replaceAll('/', '.');
}

function lowerSysctls(topology: Topology, namespace: Namespace): Resource[] {
  const { name, forwarding, sysctls } = namespace;
  const result: Resource[] = [];
  const add = (sysctl: string, value: string, place: Resource['place']) => {
    const resource = sysctlResource(name, sysctl, value);
    result.push(place === undefined ? resource : Object.assign(resource, { place }));
  };
  if (forwarding?.ipv4 !== undefined) add(IPV4_FORWARDING, forwarding.ipv4 ? '1' : '0', forwarding.place);
  if (forwarding?.ipv6 !== undefined) add(IPV6_FORWARDING, forwarding.ipv6 ? '1' : '0', forwarding.place);
  for (const { device, place } of localnetDevices(topology, namespace)) {
    add(`net.ipv4.conf.${device.replaceAll('.', '/')}.route_localnet`, '1', place);
  }
  for (const { name: sysctl, value, place } of sysctls) add(sysctl, value, place);
  for (const { name: sysctl, value, place } of interfaceSysctls(topology).get(name) ?? [])
    add(sysctl, value, place);
  return result;
}

const ofInterfaces = new WeakMap<Topology, ReadonlyMap<string, readonly Sysctl[]>>();

/** What interfaces say of themselves, by namespace. */
function interfaceSysctls(topology: Topology): ReadonlyMap<string, readonly Sysctl[]> {
  const known = ofInterfaces.get(topology);
  if (known !== undefined) return known;
  const found = new Map<string, Sysctl[]>();
  for (const { namespace, sysctls } of topology.interfaces)
    for (const sysctl of sysctls ?? []) append(found, namespace, sysctl);
  ofInterfaces.set(topology, found);
  return found;
}

/** Forwarding comes with every reading, by `ip netconf`; the rest was asked for by name. */
export function sysctlsOf({ netconf, sysctls }: LiveNamespace): Map<string, string> {
  const values = new Map(sysctls);
  for (const { family, interface: device, forwarding } of netconf) {
    if (device !== 'all' || forwarding === undefined) continue;
    values.set(family === 'inet' ? IPV4_FORWARDING : IPV6_FORWARDING, forwarding ? '1' : '0');
  }
  return values;
}

function sysctlId(namespace: string, name: string): string {
  return `${namespace}/sysctl/${name}`;
}

function sysctlResource(namespace: string, name: string, value: string): Resource {
  return {
    kind: 'sysctl',
    id: sysctlId(namespace, name),
    namespace,
    label: `sysctl ${name}`,
    attributes: { name, value: value.trim().replace(/\s+/g, ' ') },
  };
}

function write({ namespace, attributes }: Resource, value: string) {
  return { tool: 'sysctl', namespace, name: String(attributes['name']), value } as const;
}
