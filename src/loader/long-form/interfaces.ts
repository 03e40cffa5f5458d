import { forwardedProtocols, type PortVlans } from '../../topology/bridge.ts';
import type { Address, Adopted, Bridge, Device, Interface, OvsBridge, Veth } from '../../topology/model.ts';
import { deviceRules } from '../devices/rules.ts';
import { interfaceKey } from '../normalize/context.ts';
import { isDevice } from '../normalize/devices.ts';
import { isTunnel } from '../normalize/underlay.ts';
import { isSwitch, type Switch } from '../rules/tags.ts';
import { longOvsBridge } from './ovs.ts';

/** The bridges, each with its ports and members. */
export function longBridges(interfaces: readonly Interface[]): object {
  const veths = vethsByKey(interfaces);
  const members = membersByKey(interfaces);
  const bridges = interfaces.filter(isSwitch);
  return Object.fromEntries(
    bridges.map((bridge) => [
      bridge.name,
      bridge.kind === 'ovs-bridge'
        ? longOvsBridge(bridge, interfaces, longSettings)
        : longBridge(bridge, members.get(interfaceKey(bridge.namespace, bridge.name)) ?? [], veths),
    ]),
  );
}

/** What each bridge, bond and VRF has as ports or members. */
function membersByKey(interfaces: readonly Interface[]): Map<string, Interface[]> {
  const members = new Map<string, Interface[]>();
  for (const item of interfaces) {
    if (item.master === undefined) continue;
    const key = interfaceKey(item.namespace, item.master);
    const list = members.get(key);
    if (list === undefined) members.set(key, [item]);
    else list.push(item);
  }
  return members;
}

function longBridge(
  bridge: Exclude<Switch, OvsBridge>,
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
  const attachments = { ...(Object.keys(ports).length === 0 ? {} : { ports }), ...longMembers(members) };
  if (bridge.kind === 'adopted') return { adopt: true, ...longSettings(bridge), ...attachments };
  return {
    namespace: bridge.namespace,
    ...longSettings(bridge),
    ...longVlans(bridge.vlans),
    parameters: {
      ...bridge.parameters,
      'group-forward-mask': forwardedProtocols(bridge.parameters['group-forward-mask']),
    },
    ...attachments,
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

/** The devices of one namespace, by name. */
export function longDevices(interfaces: readonly Interface[]): Map<string, Record<string, object>> {
  const found = new Map<string, Record<string, object>>();
  const members = membersByKey(interfaces);
  for (const item of interfaces) {
    const isPlain = item.kind === 'adopted' && item.isBridge !== true;
    if (!isDevice(item) && !isPlain) continue;
    const devices = found.get(item.namespace) ?? {};
    devices[item.name] = isDevice(item)
      ? longDevice(item, members.get(interfaceKey(item.namespace, item.name)) ?? [])
      : longAdopted(item);
    found.set(item.namespace, devices);
  }
  return found;
}

function longAdopted(item: Adopted): object {
  return { adopt: item.origin === item.name ? true : item.origin, ...longSettings(item) };
}

function longDevice(item: Device, members: readonly Interface[]): object {
  const { kind, link, namespace, settings } = item;
  const below = link && (link.namespace === namespace ? link.name : `${link.namespace}:${link.name}`);
  return {
    type: kind,
    ...(below === undefined ? {} : { link: below }),
    ...(members.length === 0 ? {} : { members: members.map(({ name }) => name) }),
    ...(deviceRules(kind).long?.(settings) ?? settings),
    ...longSettings(item),
  };
}

/** The settings that every interface takes. */
export function longSettings(item: Interface): object {
  const { macaddress, mtu, state, alias, was, sysctls, options, dhcp4 } = item;
  const addresses = [...(dhcp4 === undefined ? [] : ['dhcp4']), ...item.addresses.map(longAddress)];
  return {
    ...(addresses.length === 0 ? {} : { addresses }),
    ...(macaddress === undefined ? {} : { macaddress }),
    ...(mtu === undefined ? {} : { mtu }),
    state,
    ...(alias === undefined ? {} : { alias }),
    // Of a tunnel it stands at the tunnel.
    ...(was === undefined || isTunnel(item) ? {} : { was }),
    ...(sysctls === undefined
      ? {}
      : { sysctls: Object.fromEntries(sysctls.map(({ name, value }) => [shortName(name), value])) }),
    ...(options === undefined ? {} : { options }),
  };
}

function longAddress({ address, prefixLength, settings }: Address): string | object {
  const text = `${address}/${prefixLength}`;
  if (settings === undefined) return text;
  const { peer, scope, lifetime, preferred, label, broadcast, prefixRoute, dad, exclusive } = settings;
  const entries = Object.entries({
    address: peer === undefined ? text : address,
    peer: peer === undefined ? undefined : `${peer}/${prefixLength}`,
    scope,
    lifetime,
    preferred,
    label,
    broadcast,
    'prefix-route': prefixRoute ? undefined : false,
    dad: dad ? undefined : false,
    exclusive: exclusive ? true : undefined,
  });
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

/** `net.ipv6.conf.eth0.accept_ra` → `ipv6.accept_ra`, `net.ipv4.neigh.eth0.locktime` → `ipv4.neigh.locktime`. */
function shortName(name: string): string {
  const [, family, folder, , rest] = name.split('.');
  return folder === 'conf' ? `${family}.${rest}` : `${family}.${folder}.${rest}`;
}

function vethsByKey(interfaces: readonly Interface[]): Map<string, Veth> {
  return new Map(
    interfaces
      .filter((item) => item.kind === 'veth')
      .map((item) => [interfaceKey(item.namespace, item.name), item]),
  );
}
