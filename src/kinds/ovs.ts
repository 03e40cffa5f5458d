import { formatRanges, rangeNumbers } from '../lib/ranges.ts';
import { OVS_LAB, type OvsBridgeRow, type OvsPortRow } from '../observe/ovs.ts';
import { HOST, type OvsBridge, type OvsInternal, type OvsVlan } from '../topology/model.ts';
import { defineLinkKind, interfaceId } from './interface.ts';
import type {
  Attributes,
  ChangeClass,
  Command,
  Kind,
  LiveResource,
  Owner,
  Resource,
  Value,
} from './resource.ts';

export const vlanChanges: Readonly<Record<string, ChangeClass>> = {
  tag: 'in-place',
  trunks: 'in-place',
  native: 'in-place',
};

/**
 * A bridge of Open vSwitch: its row in the database, and the interface that OVS makes for it. OVS keeps the MAC address
 * and the mtu of the interfaces that it makes, and puts them back; so they are written there.
 */
export const ovsBridgeKind: Kind = withRows(
  defineLinkKind<OvsBridge>('ovs-bridge', {
    kinds: ['ovs-bridge'],
    infoKind: () => 'ovs-bridge',
    // A bridge of another datapath has another interface: OVS would make all of it anew itself.
    changes: Object.fromEntries(
      [
        ...['fail-mode', 'controller', 'protocols', 'stp', 'rstp', 'mcast-snooping'],
        ...['other-config', 'owner'],
      ].map((name) => [name, 'in-place']),
    ),
    lower: (bridge, { name: lab }) => ({
      'datapath-type': bridge.datapath ?? 'system',
      'fail-mode': bridge.failMode ?? '',
      controller: bridge.controllers,
      protocols: bridge.protocols,
      stp: bridge.stp,
      rstp: bridge.rstp,
      'mcast-snooping': bridge.mcastSnooping,
      'other-config': pairs(bridge.otherConfig),
      owner: lab,
    }),
    read: ({ ifname }, { live }) => {
      const row = live.ovs?.bridges.find(({ name }) => name === ifname);
      return row === undefined ? {} : bridgeAttributes(row);
    },
    create: (resource, { settings }) => [
      ovs('--may-exist', 'add-br', resource.label),
      ...withoutDefaults(setBridge(resource, Object.keys(resource.attributes))),
      groupCommand(resource, settings),
    ],
    change: setBridge,
  }),
  (resource) => [ovs('--if-exists', 'del-br', resource.label)],
  ({ bridges }) => bridges,
);

/** An internal port: a row of the database, and the interface that OVS makes for it. */
export const ovsInternalKind: Kind = withRows(
  defineLinkKind<OvsInternal>('ovs-internal', {
    kinds: ['ovs-internal'],
    infoKind: () => 'ovs-internal',
    changes: { ...vlanChanges, owner: 'in-place' },
    lower: ({ ovsBridge, vlan }, { name: lab }) => ({
      bridge: ovsBridge,
      ...vlanAttributes(vlan),
      owner: lab,
    }),
    read: ({ ifname, ovsBridge = '' }, { live }) => {
      const row = live.ovs?.bridges.flatMap(({ ports }) => ports).find(({ name }) => name === ifname);
      return { bridge: ovsBridge, ...(row === undefined ? {} : portAttributes(row)) };
    },
    requires: ({ attributes }) => [interfaceId(HOST, String(attributes['bridge']))],
    create: (resource, { settings }) => [
      ovs('--may-exist', 'add-port', String(resource.attributes['bridge']), resource.label),
      ovs('set', 'Interface', resource.label, 'type=internal'),
      ...withoutDefaults(setInternal(resource, Object.keys(resource.attributes))),
      groupCommand(resource, settings),
    ],
    change: setInternal,
  }),
  ({ label, attributes }) => [ovs('--if-exists', 'del-port', String(attributes['bridge']), label)],
  ({ bridges }) =>
    bridges.flatMap(({ name: bridge, ports }) =>
      ports.flatMap(({ name, lab, interfaces }) =>
        name !== bridge && interfaces[0]?.type === 'internal' ? [{ name, lab, bridge }] : [],
      ),
    ),
);

interface Row {
  readonly name: string;
  readonly lab: string | undefined;
  readonly bridge?: string;
}

/** The kind with other commands for its removal, and with those rows of the database that have no interface (any more). */
function withRows(
  kind: Kind,
  remove: Kind['remove'],
  rows: (ovs: { readonly bridges: readonly OvsBridgeRow[] }) => readonly Row[],
): Kind {
  return {
    ...kind,
    remove,
    read: (live, context) => {
      const found = kind.read(live, context);
      if (live.ovs === undefined) return found;
      const links = new Set(live.namespaces.get(HOST)?.links.map(({ ifname }) => ifname));
      const lost = rows(live.ovs).flatMap(({ name, lab, bridge }): LiveResource[] => {
        const id = interfaceId(HOST, name);
        const owner = rowOwner(lab, context.lab);
        if (links.has(name) || (owner !== 'ours' && !context.wanted.has(id))) return [];
        const attributes = bridge === undefined ? {} : { bridge };
        return [{ kind: kind.name, id, namespace: HOST, label: name, attributes, owner }];
      });
      return [...found, ...lost];
    },
  };
}

export function rowOwner(marked: string | undefined, lab: string): Owner {
  if (marked === undefined) return 'foreign';
  return marked === lab ? 'ours' : { lab: marked };
}

/** One command of ovs-vsctl. */
export function ovs(...args: string[]): Command {
  return { tool: 'ovs', namespace: HOST, args };
}

/** OVS makes the interface, so the mark comes right behind; the row has carried one since it was made. */
function groupCommand({ namespace, label }: Resource, settings: readonly string[]): Command {
  return { tool: 'ip', namespace, args: ['link', 'set', 'dev', label, ...settings.slice(0, 2)] };
}

/** Of commands for a new row, those that say more than its defaults. */
export function withoutDefaults(commands: readonly Command[]): Command[] {
  return commands.flatMap((command) => {
    if (command.tool !== 'ovs' || command.args[0] === 'del-controller') return [];
    if (command.args[0] !== 'set') return [command];
    const args = command.args.filter((word) => !/=(\[\]|\{\}|false|off)$/.test(word));
    return args.length > 3 ? [{ ...command, args }] : [];
  });
}

function bridgeAttributes(row: OvsBridgeRow): Attributes {
  const { hwaddr: _, ...otherConfig } = row.otherConfig;
  return {
    'datapath-type': row.datapathType,
    'fail-mode': row.failMode,
    controller: [...row.controllers].sort(),
    protocols: [...row.protocols].sort(),
    stp: row.stp,
    rstp: row.rstp,
    'mcast-snooping': row.mcastSnooping,
    'other-config': pairs(otherConfig),
    owner: row.lab ?? '',
  };
}

function setBridge({ label, attributes }: Resource, changed: readonly string[]): Command[] {
  const has = (name: string) => changed.includes(name);
  const words: string[] = [];
  if (has('datapath-type') && attributes['datapath-type'] !== 'system')
    words.push(`datapath_type=${attributes['datapath-type']}`);
  if (has('fail-mode')) words.push(`fail_mode=${attributes['fail-mode'] || '[]'}`);
  if (has('protocols')) words.push(`protocols=[${list(attributes['protocols']).join(',')}]`);
  if (has('stp')) words.push(`stp_enable=${attributes['stp']}`);
  if (has('rstp')) words.push(`rstp_enable=${attributes['rstp']}`);
  if (has('mcast-snooping')) words.push(`mcast_snooping_enable=${attributes['mcast-snooping']}`);
  if (has('other-config') || has('macaddress')) words.push(`other_config={${otherConfig(attributes)}}`);
  if (has('owner')) words.push(ownerWord(attributes));
  const commands = words.length === 0 ? [] : [ovs('set', 'Bridge', label, ...words)];
  if (has('controller')) {
    const targets = list(attributes['controller']);
    commands.push(
      targets.length === 0 ? ovs('del-controller', label) : ovs('set-controller', label, ...targets),
    );
  }
  if (has('mtu')) commands.push(ovs('set', 'Interface', label, `mtu_request=${attributes['mtu']}`));
  return commands;
}

/** The MAC address of a bridge's own interface is one of these settings. */
function otherConfig(attributes: Attributes): string {
  const mac = attributes['macaddress'];
  const own = mac === undefined ? [] : [`hwaddr=${quoted(String(mac))}`];
  const others = list(attributes['other-config']).map((pair) => {
    const equals = pair.indexOf('=');
    return `${quoted(pair.slice(0, equals))}=${quoted(pair.slice(equals + 1))}`;
  });
  return [...own, ...others].join(',');
}

function setInternal(resource: Resource, changed: readonly string[]): Command[] {
  const { label, attributes } = resource;
  const words: string[] = [];
  if (changed.includes('macaddress')) words.push(`mac=${quoted(String(attributes['macaddress']))}`);
  if (changed.includes('mtu')) words.push(`mtu_request=${attributes['mtu']}`);
  const commands = words.length === 0 ? [] : [ovs('set', 'Interface', label, ...words)];
  const port = portWords(attributes, changed);
  if (port.length > 0) commands.push(ovs('set', 'Port', label, ...port));
  return commands;
}

/** The VLANs and the mark of a port, as columns of its row. */
export function portWords(attributes: Attributes, changed: readonly string[]): string[] {
  const words: string[] = [];
  if (Object.keys(vlanChanges).some((name) => changed.includes(name))) {
    const [tag, native] = [Number(attributes['tag']), Number(attributes['native'])];
    const ranges = list(attributes['trunks']);
    const mode = tag !== 0 ? 'access' : native !== 0 ? 'native-untagged' : ranges.length > 0 ? 'trunk' : '[]';
    words.push(`tag=${tag || native || '[]'}`, `trunks=[${ranges.flatMap(rangeNumbers).join(',')}]`);
    words.push(`vlan_mode=${mode}`);
  }
  if (changed.includes('owner')) words.push(ownerWord(attributes));
  return words;
}

export function vlanAttributes({ tag = 0, trunks, native = 0 }: OvsVlan): Attributes {
  return { tag, trunks, native };
}

/** ovs-vswitchd.conf.db(5), Port, vlan_mode: by default, access where there is a tag and trunk where there is none. */
export function portAttributes({ tag = 0, trunks, vlanMode, lab }: OvsPortRow): Attributes {
  const mode = vlanMode || (tag === 0 ? 'trunk' : 'access');
  const known = mode === 'access' || mode === 'trunk' || mode === 'native-untagged';
  return {
    tag: mode === 'access' ? tag : 0,
    trunks: formatRanges(trunks),
    // A mode that no file can ask for is a difference.
    native: known ? (mode === 'native-untagged' ? tag : 0) : `${mode} ${tag}`,
    owner: lab ?? '',
  };
}

function ownerWord(attributes: Attributes): string {
  return `external_ids:${OVS_LAB}=${quoted(String(attributes['owner']))}`;
}

export function list(value: Value | undefined): readonly string[] {
  return Array.isArray(value) ? value : [];
}

/** Keys and values, sorted, as an attribute. */
export function pairs(map: Readonly<Record<string, string>>): string[] {
  return Object.entries(map)
    .map(([key, value]) => `${key}=${value}`)
    .sort();
}

/** A string of ovs-vsctl: in quotes it may hold anything, and is never a number or a list (ovs-vsctl(8)). */
export function quoted(text: string): string {
  return JSON.stringify(text);
}
