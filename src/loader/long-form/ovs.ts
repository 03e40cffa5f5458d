import { HOST, type Interface, type OvsBridge, type OvsPort, type OvsVlan } from '../../topology/model.ts';
import { interfaceKey } from '../normalize/context.ts';

/** What of an Open vSwitch bridge is not common to all bridges; `longSettings` is for its interfaces. */
export function longOvsBridge(
  bridge: OvsBridge,
  interfaces: readonly Interface[],
  longSettings: (item: Interface) => object,
): object {
  const byKey = new Map(interfaces.map((item) => [interfaceKey(item.namespace, item.name), item]));
  const ports: Record<string, object> = {};
  const members: Record<string, object> = {};
  for (const { name, vlan, form } of bridge.ports) {
    if (form.is !== 'interface') continue;
    const near = byKey.get(interfaceKey(HOST, name));
    const far =
      near?.kind === 'veth' && near.madeForPort
        ? byKey.get(interfaceKey(near.peer.namespace, near.peer.name))
        : undefined;
    if (far === undefined) members[name] = longVlan(vlan);
    else
      ports[`${far.namespace}:${far.name}`] = { ...longSettings(far), 'port-name': name, ...longVlan(vlan) };
  }
  const internal = Object.fromEntries(
    interfaces.flatMap((item) =>
      item.kind === 'ovs-internal' && item.ovsBridge === bridge.name
        ? [[item.name, { ...longSettings(item), ...longVlan(item.vlan) }]]
        : [],
    ),
  );
  return {
    type: 'ovs',
    namespace: HOST,
    ...longSettings(bridge),
    ...filled({ ports, members, internal, ...longOtherPorts(bridge.ports) }),
    ...filled({ controller: bridge.controllers }),
    ...(bridge.failMode === undefined ? {} : { 'fail-mode': bridge.failMode }),
    ...filled({ protocols: bridge.protocols }),
    stp: bridge.stp,
    rstp: bridge.rstp,
    'mcast-snooping': bridge.mcastSnooping,
    ...(bridge.datapath === undefined ? {} : { 'datapath-type': bridge.datapath }),
    ...filled({ 'other-config': bridge.otherConfig }),
  };
}

/** The ports that are no interfaces of the host. */
function longOtherPorts(all: readonly OvsPort[]): Record<string, object> {
  const found: Record<'tunnels' | 'patches' | 'bonds', Record<string, object>> = {
    tunnels: {},
    patches: {},
    bonds: {},
  };
  for (const { name, vlan, form } of all) {
    if (form.is === 'tunnel') {
      const { is: _, ...settings } = form;
      const given = Object.entries(settings).filter(([, value]) => value !== undefined);
      found.tunnels[name] = { ...Object.fromEntries(given), ...longVlan(vlan) };
    } else if (form.is === 'patch') {
      found.patches[form.bridge] = longVlan(vlan);
    } else if (form.is === 'bond') {
      const { members, mode, lacp } = form;
      found.bonds[name] = { members, mode, lacp, ...longVlan(vlan) };
    }
  }
  return found;
}

function longVlan({ tag, trunks, native }: OvsVlan): object {
  return {
    ...(tag === undefined ? {} : { tag }),
    ...(trunks.length === 0
      ? {}
      : { trunks: trunks.map((range) => (/^[0-9]+$/.test(range) ? Number(range) : range)) }),
    ...(native === undefined ? {} : { native }),
  };
}

/** Without what is empty. */
function filled(document: Readonly<Record<string, object>>): object {
  return Object.fromEntries(Object.entries(document).filter(([, value]) => Object.keys(value).length > 0));
}
