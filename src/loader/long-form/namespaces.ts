import { formatSize } from '../../lib/units.ts';
import type {
  Exposed,
  Masquerade,
  Names,
  Namespace,
  Nat,
  Neighbor,
  Nexthop,
  NexthopObject,
  PortRange,
  Publish,
  Route,
  Rule,
  Service,
  Topology,
} from '../../topology/model.ts';
import { longFirewall } from './firewall.ts';
import { longDevices, longSettings } from './interfaces.ts';

export function longNamespaces({ namespaces, interfaces }: Topology): object {
  const loopbacks = new Map(
    interfaces.filter(({ kind }) => kind === 'loopback').map((item) => [item.namespace, item]),
  );
  const devices = longDevices(interfaces);
  return Object.fromEntries(
    namespaces.map((namespace) => {
      const lo = loopbacks.get(namespace.name);
      const all = { ...(lo === undefined ? {} : { lo: longSettings(lo) }), ...devices.get(namespace.name) };
      return [namespace.name, longNamespace(namespace, all)];
    }),
  );
}

function longNamespace(
  {
    forwarding,
    sysctls,
    routes,
    rules,
    nexthops,
    neighbors,
    nat,
    firewall,
    expose,
    aliases,
    names,
    services = [],
  }: Namespace,
  interfaces: object,
): object {
  return {
    ...(forwarding === undefined ? {} : { forwarding: longForwarding(forwarding) }),
    ...(sysctls.length === 0
      ? {}
      : { sysctls: Object.fromEntries(sysctls.map(({ name, value }) => [name, value])) }),
    ...(routes.length === 0 ? {} : { routes: routes.map(longRoute) }),
    ...(rules.length === 0 ? {} : { 'routing-policy': rules.map(longRule) }),
    ...(nexthops.length === 0
      ? {}
      : { nexthops: Object.fromEntries(nexthops.map((nexthop) => [nexthop.name, longNexthop(nexthop)])) }),
    ...(neighbors.length === 0 ? {} : { neighbors: neighbors.map(longNeighbor) }),
    ...(expose === undefined ? {} : { expose: expose.map(longExposed) }),
    ...longNat(nat),
    ...longFirewall(firewall),
    ...(aliases === undefined ? {} : { aliases }),
    ...(names === undefined ? {} : longNames(names)),
    ...longServices(services),
    ...(Object.keys(interfaces).length === 0 ? {} : { interfaces }),
  };
}

function longNames({ hostname, hosts, nameservers }: Names): object {
  return defined({
    hostname,
    hosts: Object.fromEntries(hosts.map(({ name, to }) => [name, to.length === 1 ? to[0] : to])),
    nameservers: nameservers && {
      addresses: nameservers.addresses,
      search: nameservers.search,
      options: nameservers.options,
    },
  });
}

/** Those that an interface stands for stand there. */
function longServices(services: readonly Service[]): object {
  const own = services.filter(({ madeFor }) => madeFor === undefined);
  if (own.length === 0) return {};
  return { services: Object.fromEntries(own.map((service) => [service.name, longService(service)])) };
}

function longService(service: Service): object {
  const { command, environment, user, owner, capabilities, directory, files, log, logLimit, ready } = service;
  const { after, stopWithin } = service;
  const texts = (map: Readonly<Record<string, string>>) =>
    Object.keys(map).length === 0
      ? undefined
      : Object.fromEntries(Object.entries(map).map(([key, text]) => [key, literal(text)]));
  return defined({
    command: command.map(literal),
    environment: texts(environment),
    user,
    owner,
    capabilities,
    directory,
    files: texts(files),
    log,
    'log-limit': typeof logLimit === 'number' ? formatSize(logLimit) : logLimit,
    ready: ready && defined({ ...ready, command: ready.command?.map(literal), within: `${ready.within}ms` }),
    after: after.length === 0 ? undefined : after,
    'stop-within': `${stopWithin}ms`,
  });
}

/** A text that the loader would take for one with variables. */
function literal(text: string): string {
  return text.replace(/\$(?=[${])/g, '$$$$');
}

function longForwarding({ ipv4, ipv6 }: NonNullable<Namespace['forwarding']>): boolean | string[] {
  if (ipv4 === ipv6) return ipv4 ?? false;
  return [...(ipv4 ? ['ipv4'] : []), ...(ipv6 ? ['ipv6'] : [])];
}

function longRoute(route: Route): object {
  const { type, table, nexthops, options } = route;
  const [first] = nexthops;
  return defined({
    to: longDestination(route),
    type,
    ...(nexthops.length === 1 && first?.weight === 1 ? longHop(first) : {}),
    metric: route.metric,
    table: longTable(table),
    scope: route.scope,
    from: route.from,
    mtu: route.mtu,
    'advertised-mss': route.advertisedMss,
    'congestion-window': route.congestionWindow,
    'advertised-receive-window': route.advertisedReceiveWindow,
    'initial-congestion-window': options.initialCongestionWindow,
    'initial-receive-window': options.initialReceiveWindow,
    'hop-limit': options.hopLimit,
    'quick-ack': options.quickAck ? true : undefined,
    preference: options.preference === 'medium' ? undefined : options.preference,
    'type-of-service': options.tos === 0 ? undefined : options.tos,
    nexthop: route.nexthop?.name,
    ...(nexthops.length > 1 || (first !== undefined && first.weight !== 1)
      ? { nexthops: nexthops.map((hop) => ({ ...longHop(hop), weight: hop.weight })) }
      : {}),
  });
}

/** `default` where something else tells the family, else the prefix that does. */
function longDestination({ to, family, nexthops, from, nexthop }: Route): string {
  if (to !== 'default') return to;
  if (nexthop !== undefined) return family === 6 ? '::/0' : '0.0.0.0/0';
  const hasHint = from !== undefined || nexthops.some(({ via }) => via !== undefined);
  if (hasHint || (family === 4 && nexthops.length === 0)) return to;
  return family === 6 ? '::/0' : '0.0.0.0/0';
}

function longHop({ via, dev, onLink }: Nexthop): object {
  return defined({ via, dev, ...(onLink ? { 'on-link': true } : {}) });
}

function longRule(rule: Rule): object {
  const { family, from, to, mark, tos, type, table, sport, dport, uidRange } = rule;
  const isWhole = mark?.mask === 0xffffffff;
  return defined({
    family: from === undefined && to === undefined ? `ipv${family}` : undefined,
    not: rule.not ? true : undefined,
    from,
    to,
    iif: rule.iif,
    oif: rule.oif,
    mark: mark && (isWhole ? mark.value : `${mark.value}/${mark.mask}`),
    'type-of-service': tos === 0 ? undefined : tos,
    'ip-proto': rule.ipProto,
    sport: sport && longRange(sport),
    dport: dport && longRange(dport),
    uidrange: uidRange && longRange(uidRange),
    priority: rule.priority,
    type: type === 'goto' ? undefined : type,
    table: table === undefined ? undefined : longTable(table),
    'suppress-prefix-length': rule.suppressPrefixLength,
    goto: rule.goto,
  });
}

function longNexthop({ id, family, via, dev, onLink, blackhole, group }: NexthopObject): object {
  return defined({
    id,
    via,
    dev,
    'on-link': onLink ? true : undefined,
    blackhole: blackhole ? true : undefined,
    family: via === undefined && family !== undefined ? `ipv${family}` : undefined,
    group:
      group.length === 0 ? undefined : Object.fromEntries(group.map(({ name, weight }) => [name, weight])),
  });
}

function longNeighbor({ to, dev, macaddress }: Neighbor): object {
  return macaddress === undefined ? { to, dev, proxy: true } : { to, macaddress, dev };
}

function longTable(table: string): number | string {
  return /^[0-9]+$/.test(table) ? Number(table) : table;
}

function longNat({ masquerade, snat, publish }: Nat): object {
  const nat = {
    ...(masquerade.length === 0 ? {} : { masquerade: masquerade.map(longSource) }),
    ...(snat.length === 0 ? {} : { snat: snat.map((rule) => ({ ...longSource(rule), to: rule.to })) }),
    ...(publish.length === 0 ? {} : { publish: publish.map(longPublish) }),
  };
  return Object.keys(nat).length === 0 ? {} : { nat };
}

function longSource({ from, out }: Masquerade): object {
  return defined({ from, out: out === undefined ? undefined : `${out.not ? '!' : ''}${out.name}` });
}

function longPublish({ port, to, toPort, protocol, address }: Publish): object {
  const from = port === undefined ? 'auto' : longRange(port);
  return defined({ port: from, to, 'to-port': longRange(toPort), protocol, address });
}

function longExposed({ protocol, port }: Exposed): string {
  return `${longRange(port)}/${protocol}`;
}

function longRange({ first, last }: PortRange): number | string {
  return first === last ? first : `${first}-${last}`;
}

function defined(document: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(document).filter(([, value]) => value !== undefined));
}
