import { forwardedProtocols, type PortVlans } from '../../topology/bridge.ts';
import type { Adopted, Bridge, Device, Gre, Interface, Veth, Vxlan } from '../../topology/model.ts';
import { interfaceKey } from '../normalize/context.ts';
import { isDevice } from '../normalize/devices.ts';
import { isTunnel, tunnelKinds } from '../normalize/underlay.ts';

/** The bridges, each with its ports and members. */
export function longBridges(interfaces: readonly Interface[]): object {
  const veths = vethsByKey(interfaces);
  const members = new Map<string, Interface[]>();
  for (const item of interfaces) {
    if (item.master === undefined) continue;
    const key = interfaceKey(item.namespace, item.master);
    const list = members.get(key);
    if (list === undefined) members.set(key, [item]);
    else list.push(item);
  }
  const bridges = interfaces.filter((item) => item.kind === 'bridge');
  return Object.fromEntries(
    bridges.map((bridge) => [
      bridge.name,
      longBridge(bridge, members.get(interfaceKey(bridge.namespace, bridge.name)) ?? [], veths),
    ]),
  );
}

function longBridge(
  bridge: Bridge,
  attached: readonly Interface[],
  veths: ReadonlyMap<string, Veth>,
): object {
  const ports: Record<string, object> = {};
  const members: Record<string, object> = {};
  for (const item of attached) {
    const far =
      item.kind === 'veth' && item.madeForPort
        ? veths.get(interfaceKey(item.peer.namespace, item.peer.name))
        : undefined;
    if (far === undefined) members[item.name] = longPort(item);
    else
      ports[`${far.namespace}:${far.name}`] = {
        ...longSettings(far),
        'port-name': item.name,
        ...longPort(item),
      };
  }
  return {
    namespace: bridge.namespace,
    ...longSettings(bridge),
    ...longVlans(bridge.vlans),
    parameters: {
      ...bridge.parameters,
      'group-forward-mask': forwardedProtocols(bridge.parameters['group-forward-mask']),
    },
    ...(Object.keys(ports).length === 0 ? {} : { ports }),
    ...longMembers(members),
    ...longFdb(bridge),
  };
}

/** A list where no member has settings. */
function longMembers(members: Readonly<Record<string, object>>): object {
  const names = Object.keys(members);
  if (names.length === 0) return {};
  const isPlain = names.every((name) => Object.keys(members[name] ?? {}).length === 0);
  return { members: isPlain ? names : members };
}

function longFdb({ fdb }: Bridge): object {
  if (fdb.length === 0) return {};
  return {
    fdb: Object.fromEntries(
      fdb.map(({ mac, port, vlan }) => [mac, { port, ...(vlan === undefined ? {} : { vlan }) }]),
    ),
  };
}

/** What an interface is to its bridge. */
function longPort({ portSettings: port, vlans }: Interface): object {
  const mask = port?.['group-forward-mask'];
  return {
    ...longVlans(vlans),
    ...port,
    ...(mask === undefined ? {} : { 'group-forward-mask': forwardedProtocols(mask) }),
  };
}

function longVlans(vlans: PortVlans | undefined): object {
  if (vlans === undefined) return {};
  const { native, trunks } = vlans;
  if (native !== undefined && trunks.length === 0) return { tag: native };
  return {
    trunks: trunks.map(({ first, last }) => (first === last ? first : `${first}-${last}`)),
    ...(native === undefined ? {} : { native }),
  };
}

/** Each pair once, at the end that sorts first. */
export function longLinks(interfaces: readonly Interface[]): object[] {
  const veths = vethsByKey(interfaces);
  const links: object[] = [];
  const done = new Set<Veth>();
  for (const item of interfaces) {
    if (item.kind !== 'veth' || done.has(item)) continue;
    const peer = veths.get(interfaceKey(item.peer.namespace, item.peer.name));
    if (peer === undefined || item.madeForPort || peer.madeForPort) continue;
    done.add(peer);
    links.push({
      endpoints: {
        [`${item.namespace}:${item.name}`]: longSettings(item),
        [`${peer.namespace}:${peer.name}`]: longSettings(peer),
      },
    });
  }
  return links;
}

/** Interfaces of one name are the ends of one tunnel, as in the file. */
export function longTunnels(interfaces: readonly Interface[]): object {
  const byName = new Map<string, (Gre | Vxlan)[]>();
  for (const item of interfaces) {
    if (!isTunnel(item)) continue;
    const ends = byName.get(item.name);
    if (ends === undefined) byName.set(item.name, [item]);
    else ends.push(item);
  }
  const names = [...byName.keys()].sort();
  return Object.fromEntries(names.map((name) => [name, longTunnel(byName.get(name) ?? [])]));
}

function longTunnel(ends: readonly (Gre | Vxlan)[]): object {
  const [first] = ends;
  if (first === undefined) return {};
  return {
    type: first.kind,
    ...(first.kind === 'vxlan' ? { id: first.id, port: first.port, learning: first.learning } : {}),
    ...(first.kind !== 'vxlan' && first.key !== undefined ? { key: first.key } : {}),
    ttl: first.ttl,
    tos: first.tos,
    ...(first.was === undefined ? {} : { was: first.was }),
    endpoints: Object.fromEntries(ends.map((end) => [end.namespace, longTunnelEnd(end)])),
  };
}

function longTunnelEnd(end: Gre | Vxlan): object {
  const { local, dev } = end;
  return {
    ...(local === undefined ? {} : { local }),
    ...longRemote(end),
    ...(dev === undefined ? {} : { dev }),
    ...longSettings(end),
  };
}

function longRemote(end: Gre | Vxlan): object {
  // An empty list too: without it the other ends' addresses would be taken.
  if (end.kind === 'vxlan') return { remote: end.peers.length === 1 ? end.peers[0] : end.peers };
  return end.remote === undefined ? {} : { remote: end.remote };
}

/** The devices of one namespace, by name. */
export function longDevices(interfaces: readonly Interface[]): Map<string, Record<string, object>> {
  const found = new Map<string, Record<string, object>>();
  for (const item of interfaces) {
    if (!isDevice(item) && item.kind !== 'adopted') continue;
    const devices = found.get(item.namespace) ?? {};
    devices[item.name] = isDevice(item) ? longDevice(item) : longAdopted(item);
    found.set(item.namespace, devices);
  }
  return found;
}

function longAdopted(item: Adopted): object {
  return { adopt: item.origin === item.name ? true : item.origin, ...longSettings(item) };
}

function longDevice(item: Device): object {
  const { kind, link, namespace, settings } = item;
  const below = link && (link.namespace === namespace ? link.name : `${link.namespace}:${link.name}`);
  return {
    type: kind,
    ...(below === undefined ? {} : { link: below }),
    ...settings,
    ...longSettings(item),
  };
}

function longSettings({ kind, addresses, macaddress, mtu, state, alias, was }: Interface): object {
  return {
    ...(addresses.length === 0
      ? {}
      : { addresses: addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`) }),
    ...(macaddress === undefined ? {} : { macaddress }),
    ...(mtu === undefined ? {} : { mtu }),
    state,
    ...(alias === undefined ? {} : { alias }),
    // Of a tunnel it stands at the tunnel.
    ...(was === undefined || tunnelKinds.has(kind) ? {} : { was }),
  };
}

function vethsByKey(interfaces: readonly Interface[]): Map<string, Veth> {
  return new Map(
    interfaces
      .filter((item) => item.kind === 'veth')
      .map((item) => [interfaceKey(item.namespace, item.name), item]),
  );
}
