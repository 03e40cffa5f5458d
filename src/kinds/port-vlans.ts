import type { IpLink, IpPortVlans, LiveNamespace } from '../observe/live.ts';
import type { PortVlans } from '../topology/bridge.ts';
import type { Interface, Topology } from '../topology/model.ts';
import type { Command, LiveResource, Resource, Value } from './resource.ts';

/** Flags of a VLAN at a port, `pvid untagged` or fewer words, by the VLAN's id. */
type Vlans = ReadonlyMap<number, string>;

const NATIVE = 'pvid untagged';

/** `vlans` as a list: `10 pvid untagged`, `20-30`; `vlan-default` is the VLAN that the kernel puts a new port into. */
export function lowerVlans(
  item: Interface,
  { native, trunks }: PortVlans,
  topology: Topology,
): Record<string, Value> {
  // The trunks are sorted, and apart from each other and from the native VLAN.
  const own = native === undefined ? [] : [{ first: native, text: `${native} ${NATIVE}` }];
  const ranges = [...trunks.map(({ first, last }) => ({ first, text: rangeText(first, last, '') })), ...own];
  const vlans = ranges.sort((a, b) => a.first - b.first).map(({ text }) => text);
  return { vlans, 'vlan-default': defaultVlans(topology).get(bridgeKey(item)) ?? 0 };
}

/** undefined where nothing filters: what the kernel keeps there has no effect, and is not read. */
export function readVlans(link: IpLink, namespace: LiveNamespace): Record<string, Value> | undefined {
  const { portVlans } = namespace;
  if (portVlans === undefined) return undefined;
  const { bridges, ports } = indexVlans(namespace, portVlans);
  if (!isVlanBridge(link) && !bridges.has(link.master ?? '')) return undefined;
  const vlans = (ports.get(link.ifname)?.vlans ?? []).map(({ vlan, vlanEnd = vlan, flags = [] }) => {
    const words = [
      ...(flags.includes('PVID') ? ['pvid'] : []),
      ...(flags.includes('Egress Untagged') ? ['untagged'] : []),
    ];
    return rangeText(vlan, vlanEnd, words.join(' '));
  });
  return { vlans };
}

/** A bridge that filters: only where there is one, the VLANs of its namespace are worth reading. */
export function isVlanBridge({ linkinfo }: IpLink): boolean {
  return linkinfo?.info_kind === 'bridge' && linkinfo.info_data?.['vlan_filtering'] === 1;
}

/**
 * The commands from one list to the other. What is new comes first: a new pvid takes the place of the old one, and no
 * VLAN that stays is cut off in between.
 */
export function vlanCommands(
  { kind, namespace, label, attributes }: Resource,
  live?: LiveResource,
): Command[] {
  const wanted = parseVlans(attributes['vlans']);
  const initial = Number(attributes['vlan-default']);
  const before =
    live?.attributes['vlans'] === undefined
      ? new Map(initial === 0 ? [] : [[initial, NATIVE]])
      : parseVlans(live.attributes['vlans']);
  const added = new Map([...wanted].filter(([vlan, flags]) => before.get(vlan) !== flags));
  const removed = new Map([...before].filter(([vlan]) => !wanted.has(vlan)).map(([vlan]) => [vlan, '']));
  const target = ['dev', label, ...(kind === 'bridge' ? ['self'] : [])];
  const commands = (verb: string, vlans: Vlans): Command[] =>
    listVlans(vlans).map((entry) => ({
      tool: 'bridge',
      namespace,
      args: ['vlan', verb, ...target, 'vid', ...entry.split(' ')],
    }));
  return [...commands('add', added), ...commands('del', removed)];
}

/** Whether frames of a VLAN stop passing. */
export function losesVlan({ attributes }: Resource, live: LiveResource): boolean {
  const [wanted, before] = [parseVlans(attributes['vlans']), parseVlans(live.attributes['vlans'])];
  return [...before].some(([vlan, flags]) => wanted.get(vlan) !== flags);
}

/** Ids next to each other with the same flags are one entry, as `bridge -compressvlans` prints them. */
function listVlans(vlans: Vlans): string[] {
  const list: string[] = [];
  let run: { first: number; last: number; flags: string } | undefined;
  const end = () => {
    if (run === undefined) return;
    const { first, last, flags } = run;
    list.push(rangeText(first, last, flags));
  };
  for (const [vlan, flags] of [...vlans].sort(([a], [b]) => a - b)) {
    // A pvid is one VLAN, and so never a range.
    if (run !== undefined && run.last + 1 === vlan && run.flags === flags && !flags.includes('pvid')) {
      run.last = vlan;
      continue;
    }
    end();
    run = { first: vlan, last: vlan, flags };
  }
  end();
  return list;
}

function rangeText(first: number, last: number, flags: string): string {
  return `${first === last ? first : `${first}-${last}`}${flags === '' ? '' : ` ${flags}`}`;
}

function parseVlans(list: Value | undefined): Map<number, string> {
  const vlans = new Map<number, string>();
  for (const entry of Array.isArray(list) ? (list as readonly string[]) : []) {
    const [range = '', ...flags] = entry.split(' ');
    const [first = 0, last = first] = range.split('-').map(Number);
    for (let vlan = first; vlan <= last; vlan += 1) vlans.set(vlan, flags.join(' '));
  }
  return vlans;
}

const defaultsCache = new WeakMap<Topology, Map<string, number>>();

/** The default pvid of each bridge, by `NAMESPACE/NAME`. */
function defaultVlans(topology: Topology): Map<string, number> {
  const cached = defaultsCache.get(topology);
  if (cached !== undefined) return cached;
  const found = new Map<string, number>();
  for (const item of topology.interfaces) {
    if (item.kind === 'bridge')
      found.set(`${item.namespace}/${item.name}`, item.parameters['vlan-default-pvid']);
  }
  defaultsCache.set(topology, found);
  return found;
}

function bridgeKey({ namespace, name, master }: Interface): string {
  return `${namespace}/${master ?? name}`;
}

interface VlanIndex {
  /** The bridges that filter. */
  readonly bridges: ReadonlySet<string>;
  readonly ports: ReadonlyMap<string, IpPortVlans>;
}

const indexCache = new WeakMap<LiveNamespace, VlanIndex>();

function indexVlans(namespace: LiveNamespace, portVlans: readonly IpPortVlans[]): VlanIndex {
  const cached = indexCache.get(namespace);
  if (cached !== undefined) return cached;
  const bridges = new Set(namespace.links.filter(isVlanBridge).map(({ ifname }) => ifname));
  const index = { bridges, ports: new Map(portVlans.map((port) => [port.ifname, port])) };
  indexCache.set(namespace, index);
  return index;
}
