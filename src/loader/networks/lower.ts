import type { TopologyFile } from '../../generated/topology-file.ts';
import { compareNames } from '../../lib/collections.ts';
import { formatNetwork } from '../../lib/ip.ts';
import { pointer } from '../../lib/pointer.ts';
import { HOST } from '../../topology/model.ts';
import type { RawAddress } from '../normalize/addresses.ts';
import type { Problem, Report } from '../normalize/problem.ts';
import type { Source } from '../source.ts';
import { addNat, createDraft, type Draft, finishDraft, namespaceOf } from './draft.ts';
import { addIsolation, portNameOf } from './isolation.ts';
import { addLinkAddresses } from './links.ts';
import { LoweredSource } from './lowered-source.ts';
import { addAutomatic, type Member, macOf, nameInterfaces, readMembers } from './members.ts';
import { addNames } from './names.ts';
import { checkBridges, checkOverlaps, readPools } from './overlaps.ts';
import { addExposed, addPublished } from './publish.ts';
import { type Net, readNetwork, textsOf } from './read.ts';
import { hasDefault, withDefault } from './routes.ts';
import { addFixed, scanFile } from './scan.ts';

interface File {
  readonly data: TopologyFile;
  readonly source: Source;
}

interface Lowered extends File {
  /** Whether what is said of a place was said of its network already. */
  readonly isKnown: (problem: Problem) => boolean;
}

/**
 * Writes out the networks and the pools of a file: what they stand for, in the words that the rest of the language has.
 * A file without them is left as it is. The places of what is new are those of what it stands for.
 */
export function lowerNetworks({ data, source }: File, report: Report): Lowered {
  const { networks, pools, defaults, links = [] } = data;
  const hasPool = links.some((link) => 'pool' in link) || defaults?.pool !== undefined;
  if (networks === undefined && pools === undefined && !hasPool)
    return { data, source, isKnown: () => false };
  const draft = createDraft(data);
  const scan = scanFile(data);
  const nets = Object.keys(networks ?? {}).flatMap((name) => readNetwork(data, name, report) ?? []);
  const members = nets.flatMap((net) => readMembers(net, report));
  for (const { addresses } of members) addFixed(scan, addresses);
  const linkPools = readPools(data, report);
  checkBridges(nets, report);
  const overlapping = checkOverlaps({ nets, members, pools: linkPools }, report);
  for (const net of nets) addAutomatic(net, membersOf(net, members), scan.fixed, report);
  const byPriority = [...members].sort(
    (a, b) => b.priority - a.priority || compareNames(a.net.name, b.net.name),
  );
  nameInterfaces(byPriority, scan.names);
  addExposed(draft, members);
  addNames(draft, members, defaults?.hosts);
  for (const net of nets) addNetwork(draft, { data, net, members: membersOf(net, members) }, report);
  addForwarding(draft, nets);
  const subjects = nets.map((net) => ({ net, members: membersOf(net, members) }));
  addIsolation(draft, subjects, (namespace) => forwards(draft, namespace), report);
  addRoutes(draft, byPriority);
  addLinkAddresses(draft, { data, pools: linkPools, scan }, report);
  const lowered = new LoweredSource(source, draft.origins);
  // The interfaces of networks that overlap do so too.
  const isKnown = ({ code, place }: Problem) =>
    code === 'subnet-overlap' &&
    overlapping.some(({ base }) => lowered.originOf(place.pointer).startsWith(`${base}/`));
  return { data: finishDraft(data, draft), source: lowered, isKnown };
}

function membersOf(net: Net, members: readonly Member[]): Member[] {
  return members.filter((member) => member.net === net);
}

interface Lowering {
  readonly data: TopologyFile;
  readonly net: Net;
  readonly members: readonly Member[];
}

function addNetwork(draft: Draft, { data, net, members }: Lowering, report: Report): void {
  const { bridges, origins } = draft;
  const at = pointer('bridges', net.bridge);
  const ports = new Map<string, object>();
  const present = bridges.get(net.bridge);
  if (!net.isAttached) origins.set(at, net.base);
  for (const [index, [key, settings]] of listPorts(present?.ports).entries()) {
    ports.set(key, settings ?? {});
    if (Array.isArray(present?.ports)) origins.set(`${at}/ports${pointer(key)}`, `${at}/ports/${index}`);
  }
  for (const member of members) {
    const key = `${member.namespace}:${member.name}`;
    if (ports.has(key)) {
      report({
        code: 'interface-twice',
        message: `interface ${key} is already a port of ${net.bridge}; give one of the two another name`,
        place: { pointer: member.at, part: 'key' },
      });
      continue;
    }
    const port = `${at}/ports${pointer(key)}`;
    origins.set(port, member.at);
    origins.set(`${port}/addresses`, member.addressesAt);
    ports.set(key, portOf(data, member, report));
  }
  bridges.set(net.bridge, { ...(present ?? newBridge(draft, net)), ports: Object.fromEntries(ports) });
  if (!net.isInternal) addSourceNat(draft, net, report);
  addPublished(draft, { net, members }, report);
}

function listPorts(ports: unknown): [string, object | null][] {
  if (Array.isArray(ports)) return ports.map((name): [string, null] => [String(name), null]);
  return Object.entries((ports ?? {}) as Record<string, object>);
}

function newBridge({ origins }: Draft, { raw, namespace, bridge, subnets }: Net): object {
  const own = subnets.flatMap(({ cidr, bridgeAddress }) =>
    bridgeAddress === undefined ? [] : [{ ...bridgeAddress, cidr }],
  );
  for (const [index, address] of own.entries())
    origins.set(pointer('bridges', bridge, 'addresses', index), address.at);
  const addresses = own.map(({ address, cidr }) => {
    const text = `${address}/${cidr.prefixLength}`;
    return namespace === HOST ? exclusive(text) : text;
  });
  return {
    ...(raw.namespace === undefined ? {} : { namespace: raw.namespace }),
    ...(raw.mtu === undefined ? {} : { mtu: raw.mtu }),
    ...(addresses.length === 0 ? {} : { addresses }),
  };
}

/** An address of the machine, on which others have addresses and routes too. */
function exclusive(address: RawAddress): RawAddress {
  return typeof address === 'string' ? { address, exclusive: true } : { exclusive: true, ...address };
}

/** The far end of the bridge's port. */
function portOf(data: TopologyFile, member: Member, report: Report): object {
  const { settings, net, namespace } = member;
  const addresses = namespace === HOST ? member.addresses.map(exclusive) : member.addresses;
  const {
    interface: _interface,
    priority: _priority,
    publish: _publish,
    expose: _expose,
    aliases: _aliases,
    'publish-all': _publishAll,
    macaddress: _macaddress,
    ...rest
  } = settings;
  const macaddress = macOf(data, member, report);
  const mtu = settings.mtu ?? (net.isAttached ? net.raw.mtu : undefined);
  return {
    ...rest,
    addresses,
    ...(macaddress === undefined ? {} : { macaddress }),
    ...(mtu === undefined ? {} : { mtu }),
    ...(net.raw.isolation === 'all' ? { isolated: true } : {}),
    // The rules of the firewall name it.
    ...(typeof net.raw.isolation === 'object' ? { 'port-name': portNameOf(member) } : {}),
  };
}

/** What leaves by the bridge's namespace, where that is the members' router. */
function addSourceNat(draft: Draft, { raw, namespace, bridge, base, subnets }: Net, report: Report): void {
  const { masquerade = true } = raw;
  const fixed = typeof masquerade === 'boolean' ? [] : textsOf(masquerade, `${base}/masquerade`);
  if (masquerade === false) return;
  const out = `!${bridge}`;
  const used = new Set<string>();
  for (const subnet of subnets) {
    const { cidr, at, isRouted } = subnet;
    const from = formatNetwork(cidr);
    const address = fixed.find(({ text }) => text.includes(':') === (cidr.family === 6));
    if (address !== undefined) {
      used.add(address.at);
      addNat(draft, { namespace, origin: address.at }, 'snat', { from, out, to: address.text });
    } else if (isRouted || raw.masquerade === true)
      addNat(draft, { namespace, origin: at }, 'masquerade', { from, out });
  }
  for (const { text, at } of fixed) {
    if (used.has(at)) continue;
    report({
      code: 'network',
      message: `the network has no subnet whose packets could leave as ${text}`,
      place: { pointer: at, part: 'value' },
    });
  }
}

/** A router forwards; where the file says so itself, that counts. */
function addForwarding(draft: Draft, nets: readonly Net[]): void {
  const families = new Map<string, Set<'ipv4' | 'ipv6'>>();
  for (const net of nets) {
    if (net.isInternal) continue;
    for (const subnet of net.subnets) {
      if (!subnet.isRouted) continue;
      const target = namespaceOf(draft, net.namespace, net.base);
      if (target === undefined || target.forwarding !== undefined || forwardsBySysctl(target.sysctls))
        continue;
      const known = families.get(net.namespace) ?? new Set();
      families.set(net.namespace, known.add(`ipv${subnet.cidr.family}`));
      draft.origins.set(pointer('namespaces', net.namespace, 'forwarding'), subnet.at);
    }
  }
  for (const [name, known] of families) {
    const target = draft.namespaces.get(name);
    if (target !== undefined) target.forwarding = [...known].sort();
  }
}

function forwards({ namespaces }: Draft, name: string): boolean {
  const { forwarding, sysctls } = namespaces.get(name) ?? {};
  const isOn = Array.isArray(forwarding) ? forwarding.length > 0 : forwarding === true;
  return isOn || forwardsBySysctl(sysctls);
}

function forwardsBySysctl(sysctls: object | undefined): boolean {
  return Object.keys(sysctls ?? {}).some((name) => /(^|[./])(ip_forward|forwarding)$/.test(name));
}

/** One default route of each family for a namespace; that of the machine itself is not the networks' to choose. */
function addRoutes(draft: Draft, byPriority: readonly Member[]): void {
  const done = new Set<string>();
  for (const member of byPriority) {
    const { namespace, net, ips, at } = member;
    if (namespace === HOST || net.isInternal) continue;
    for (const subnet of net.subnets) {
      const { gateway, cidr } = subnet;
      const own = ips.get(subnet);
      const key = `${cidr.family} ${namespace}`;
      if (gateway === undefined || own === undefined || own.value === gateway.value || done.has(key))
        continue;
      done.add(key);
      const target = namespaceOf(draft, namespace, at);
      if (target === undefined || hasDefault(target.routes, cidr.family)) continue;
      const added = withDefault(target.routes, gateway);
      target.routes = added.routes;
      draft.origins.set(pointer('namespaces', namespace, 'routes', added.key), at);
    }
  }
}
