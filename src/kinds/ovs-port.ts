import type { OvsInterfaceRow, OvsPortRow } from '../observe/ovs.ts';
import { HOST, type OvsPort, type OvsPortForm } from '../topology/model.ts';
import { interfaceId } from './interface.ts';
import {
  list,
  ovs,
  pairs,
  portAttributes,
  portWords,
  quoted,
  rowOwner,
  vlanAttributes,
  vlanChanges,
  withoutDefaults,
} from './ovs.ts';
import type { Attributes, Change, Command, Kind, LiveResource, Resource } from './resource.ts';

/**
 * A port of an Open vSwitch bridge that is an interface of the host, a tunnel, a patch or a bond; `form` says which.
 * A port whose interface is gone stays in the database until somebody removes it. With the daemon's datapath it does not
 * take up another interface of that name: it keeps the socket of the old one (measured with 3.1). So it is made anew.
 */
export const ovsPortKind: Kind = {
  name: 'ovs-port',
  changes: {
    ...vlanChanges,
    owner: 'in-place',
    options: 'in-place',
    members: 'in-place',
    mode: 'in-place',
    lacp: 'in-place',
  },
  lower: ({ topology }) =>
    topology.interfaces.flatMap((bridge) =>
      bridge.kind !== 'ovs-bridge'
        ? []
        : bridge.ports.map(
            (port): Resource => ({
              kind: 'ovs-port',
              id: portId(port.name),
              namespace: HOST,
              label: port.name,
              attributes: lowerPort(port, bridge.name, topology.name),
              place: port.place,
            }),
          ),
    ),
  read: (live, { lab, wanted }) => {
    const found: LiveResource[] = [];
    const links = new Set(live.namespaces.get(HOST)?.links.map(({ ifname }) => ifname));
    for (const { name: bridge, ports } of live.ovs?.bridges ?? []) {
      for (const port of ports) {
        const { name, interfaces } = port;
        if (name === bridge || interfaces[0]?.type === 'internal') continue;
        const id = portId(name);
        const owner = rowOwner(port.lab, lab);
        if (owner !== 'ours' && !wanted.has(id)) continue;
        const attributes = readPort(port, bridge, links);
        found.push({ kind: 'ovs-port', id, namespace: HOST, label: name, attributes, owner });
      }
    }
    return found;
  },
  requires: ({ attributes }) => [interfaceId(HOST, String(attributes['bridge']))],
  uses: ({ label, attributes }) => {
    if (attributes['form'] === 'interface') return [interfaceId(HOST, label)];
    if (attributes['form'] !== 'bond') return [];
    return list(attributes['members']).map((name) => interfaceId(HOST, name));
  },
  create: createPort,
  update: updatePort,
  remove: ({ label, attributes }) => [ovs('--if-exists', 'del-port', String(attributes['bridge']), label)],
  disrupts: (change, action) => {
    if (action !== 'update') return 'what is behind the port is cut off';
    if (Object.keys(vlanChanges).some((name) => change?.attributes.includes(name)))
      return 'the port leaves some VLANs and joins others';
    return undefined;
  },
};

function portId(name: string): string {
  return `${HOST}/ovs-port/${name}`;
}

function lowerPort({ name, vlan, form }: OvsPort, bridge: string, lab: string): Attributes {
  return {
    bridge,
    form: form.is === 'tunnel' ? form.type : form.is,
    ...(form.is === 'bond' ? { members: form.members, mode: form.mode, lacp: form.lacp } : {}),
    ...(form.is === 'interface' || form.is === 'bond' ? {} : { options: pairs(optionsOf(form)) }),
    ...(form.is === 'interface' || form.is === 'bond' ? { interface: 'present' } : {}),
    ...vlanAttributes(vlan),
    owner: lab,
    name,
  };
}

/** The options column of the interface; ovs-vswitchd.conf.db(5), Interface, "Tunnel Options" and "Patch Options". */
function optionsOf(form: OvsPortForm & { readonly is: 'tunnel' | 'patch' }): Record<string, string> {
  if (form.is === 'patch') return { peer: form.peer };
  const { remote, local, key, port, ttl, tos } = form;
  const options = { remote_ip: remote, local_ip: local, key, dst_port: port, ttl, tos };
  return Object.fromEntries(
    Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  );
}

function readPort(port: OvsPortRow, bridge: string, links: ReadonlySet<string>): Attributes {
  const [first] = port.interfaces;
  const isBond = port.interfaces.length > 1 || first?.name !== port.name;
  const isThere = port.interfaces.every((item) => formOf(item) !== 'interface' || links.has(item.name));
  return {
    bridge,
    form: isBond ? 'bond' : formOf(first),
    interface: isThere ? 'present' : 'gone',
    members: isBond ? port.interfaces.map(({ name }) => name).sort() : [],
    // What the database does not say is OVS's default; ovs-vswitchd.conf.db(5), Port.
    mode: port.bondMode || 'active-backup',
    lacp: port.lacp || 'off',
    options: pairs(first?.options ?? {}),
    ...portAttributes(port),
    name: port.name,
  };
}

function formOf({ type }: OvsInterfaceRow): string {
  return type === '' || type === 'system' ? 'interface' : type;
}

function createPort({ label, attributes }: Resource): Command[] {
  const bridge = String(attributes['bridge']);
  const form = String(attributes['form']);
  const names = Object.keys(attributes);
  if (form === 'bond') {
    return withoutDefaults([
      ovs('--may-exist', 'add-bond', bridge, label, ...list(attributes['members'])),
      ovs('set', 'Port', label, ...bondWords(attributes, names), ...portWords(attributes, names)),
    ]);
  }
  return withoutDefaults([
    ovs('--may-exist', 'add-port', bridge, label),
    ...(form === 'interface'
      ? []
      : [ovs('set', 'Interface', label, `type=${form}`, optionsWord(attributes))]),
    ovs('set', 'Port', label, ...portWords(attributes, names)),
  ]);
}

function updatePort({ wanted, live, attributes: changed }: Change): Command[] {
  const { label, attributes } = wanted;
  const commands: Command[] = [];
  if (changed.includes('members')) {
    const [before, after] = [list(live.attributes['members']), list(attributes['members'])];
    for (const name of after)
      if (!before.includes(name)) commands.push(ovs('--may-exist', 'add-bond-iface', label, name));
    for (const name of before)
      if (!after.includes(name)) commands.push(ovs('--if-exists', 'del-bond-iface', label, name));
  }
  if (changed.includes('options')) commands.push(ovs('set', 'Interface', label, optionsWord(attributes)));
  const words = [...bondWords(attributes, changed), ...portWords(attributes, changed)];
  if (words.length > 0) commands.push(ovs('set', 'Port', label, ...words));
  return commands;
}

function bondWords(attributes: Attributes, changed: readonly string[]): string[] {
  return [
    ...(changed.includes('mode') ? [`bond_mode=${attributes['mode']}`] : []),
    ...(changed.includes('lacp') ? [`lacp=${attributes['lacp']}`] : []),
  ];
}

function optionsWord(attributes: Attributes): string {
  const options = list(attributes['options']).map((pair) => {
    const equals = pair.indexOf('=');
    return `${quoted(pair.slice(0, equals))}=${quoted(pair.slice(equals + 1))}`;
  });
  return `options={${options.join(',')}}`;
}
