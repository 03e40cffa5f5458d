import type { Bridge, Device, Gre, Interface, Veth, Vxlan } from '../../topology/model.ts';
import { interfaceKey } from '../normalize/context.ts';
import { isDevice } from '../normalize/devices.ts';
import { isTunnel } from '../normalize/underlay.ts';
import { longOvsBridge } from './ovs.ts';

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
  const bridges = interfaces.filter((item) => item.kind === 'bridge' || item.kind === 'ovs-bridge');
  return Object.fromEntries(
    bridges.map((bridge) => [
      bridge.name,
      bridge.kind === 'ovs-bridge'
        ? longOvsBridge(bridge, interfaces, longSettings)
        : longBridge(bridge, members.get(interfaceKey(bridge.namespace, bridge.name)) ?? [], veths),
    ]),
  );
}

function longBridge(
  bridge: Bridge,
  attached: readonly Interface[],
  veths: ReadonlyMap<string, Veth>,
): object {
  const { stp, priority, forwardDelay, helloTime, maxAge, ageingTime } = bridge.parameters;
  const ports: Record<string, object> = {};
  const members: string[] = [];
  for (const item of attached) {
    const far =
      item.kind === 'veth' && item.madeForPort
        ? veths.get(interfaceKey(item.peer.namespace, item.peer.name))
        : undefined;
    if (far === undefined) members.push(item.name);
    else ports[`${far.namespace}:${far.name}`] = { ...longSettings(far), 'port-name': item.name };
  }
  return {
    namespace: bridge.namespace,
    ...longSettings(bridge),
    parameters: {
      stp,
      priority,
      'forward-delay': forwardDelay,
      'hello-time': helloTime,
      'max-age': maxAge,
      'ageing-time': ageingTime,
    },
    ...(Object.keys(ports).length === 0 ? {} : { ports }),
    ...(members.length === 0 ? {} : { members }),
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
    if (!isDevice(item)) continue;
    const devices = found.get(item.namespace) ?? {};
    devices[item.name] = longDevice(item);
    found.set(item.namespace, devices);
  }
  return found;
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

function longSettings({ addresses, macaddress, mtu, state, alias }: Interface): object {
  return {
    ...(addresses.length === 0
      ? {}
      : { addresses: addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`) }),
    ...(macaddress === undefined ? {} : { macaddress }),
    ...(mtu === undefined ? {} : { mtu }),
    state,
    ...(alias === undefined ? {} : { alias }),
  };
}

function vethsByKey(interfaces: readonly Interface[]): Map<string, Veth> {
  return new Map(
    interfaces
      .filter((item) => item.kind === 'veth')
      .map((item) => [interfaceKey(item.namespace, item.name), item]),
  );
}
