import type { Bridge as RawBridge } from '../../generated/topology-file.ts';
import { append, compareNames } from '../../lib/collections.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { pointer } from '../../lib/pointer.ts';
import { type BridgeFdbEntry, bridgeDefaults, type PortVlans } from '../../topology/bridge.ts';
import { type Context, type Entry, type InterfaceDraft, interfaceKey } from './context.ts';
import { listNames } from './names.ts';
import { expandMac } from './settings.ts';

type Raw = NonNullable<RawBridge>;
type BridgeDraft = Extract<InterfaceDraft, { kind: 'bridge' }>;

/** What can be said of a bridge only when all of its ports are known: whether it filters VLANs, and what it forwards. */
export function finishBridges(context: Context): void {
  const portsOf = new Map<string, InterfaceDraft[]>();
  for (const { item } of context.entries.values()) {
    if (item.master !== undefined) append(portsOf, interfaceKey(item.namespace, item.master), item);
  }
  for (const entry of context.entries.values()) {
    const { item } = entry;
    if (item.kind !== 'bridge') continue;
    const raw = context.data.bridges?.[item.name] ?? {};
    const ports = portsOf.get(interfaceKey(item.namespace, item.name)) ?? [];
    finishVlans(context, { bridge: item, raw, ports });
    item.fdb = expandFdb(context, { entry, bridge: item, raw, ports });
  }
}

interface Bridged {
  readonly bridge: BridgeDraft;
  readonly raw: Raw;
  readonly ports: readonly InterfaceDraft[];
}

function finishVlans({ report }: Context, { bridge, raw, ports }: Bridged): void {
  const explicit = raw.parameters?.['vlan-filtering'];
  const all = [bridge, ...ports];
  const named = all.find(({ vlans }) => vlans !== undefined);
  if (explicit === false && named !== undefined) {
    report({
      code: 'vlan',
      message: `${named === bridge ? 'the bridge' : `port ${named.name}`} has VLANs, and vlan-filtering is false: the bridge would mix them`,
      place: { pointer: pointer('bridges', bridge.name, 'parameters', 'vlan-filtering'), part: 'value' },
      help: 'leave vlan-filtering out: it is on where there are VLANs',
    });
  }
  const isFiltering = explicit ?? named !== undefined;
  const { parameters } = bridge;
  const isProvider = isFiltering && parameters['vlan-protocol'] === '802.1ad';
  bridge.parameters = {
    ...parameters,
    'vlan-filtering': isFiltering,
    // br_recalculate_group_addr in net/bridge/br_vlan.c.
    'group-address':
      raw.parameters?.['group-address']?.toLowerCase() ??
      (isProvider ? '01:80:c2:00:00:08' : bridgeDefaults['group-address']),
  };
  const pvid = parameters['vlan-default-pvid'];
  const initial: PortVlans = { native: pvid === 0 ? undefined : pvid, trunks: [] };
  for (const item of all) item.vlans = isFiltering ? (item.vlans ?? initial) : undefined;
}

function expandFdb(
  context: Context,
  { entry, bridge, raw, ports }: Bridged & { entry: Entry },
): BridgeFdbEntry[] {
  const found = new Map<string, BridgeFdbEntry>();
  for (const [text, target] of Object.entries(raw.fdb ?? {})) {
    const base = pointer('bridges', bridge.name, 'fdb', text);
    const mac = expandMac(text, base, context.report, 'key');
    const { port: name, vlan: wanted } = typeof target === 'string' ? { port: target } : target;
    const at = typeof target === 'string' ? base : `${base}/port`;
    const port = findPort(context, entry, ports, name);
    const fail = (message: string, place: Place, help?: string) =>
      context.report({ code: 'fdb', message, place, ...(help === undefined ? {} : { help }) });
    if (port === undefined) {
      const known = ports.length === 0 ? 'it has none' : `it has ${listNames(ports.map(fileName))}`;
      fail(`'${name}' is not a port of bridge ${bridge.name}; ${known}`, { pointer: at, part: 'value' });
      continue;
    }
    const vlan = wanted ?? port.vlans?.native;
    const place: Place = { pointer: wanted === undefined ? base : `${base}/vlan`, part: 'value' };
    if (!bridge.parameters['vlan-filtering'] && wanted !== undefined) {
      fail(`bridge ${bridge.name} does not filter VLANs, so that its entries have none`, place);
    } else if (port.vlans !== undefined && !hasVlan(port.vlans, vlan)) {
      const which = vlan === undefined ? 'no VLAN without a tag' : `no VLAN ${vlan}`;
      const help = vlan === undefined ? `say which one is meant: { port: ${name}, vlan: … }` : undefined;
      fail(`${name} has ${which}`, place, help);
    } else if (mac !== undefined) {
      const key = `${mac} ${vlan ?? ''}`;
      if (found.has(key)) fail(`${mac} has an entry already`, { pointer: base, part: 'key' });
      found.set(key, { mac, port: port.name, vlan: port.vlans === undefined ? undefined : vlan });
    }
  }
  return [...found.values()].sort((a, b) => compareNames(a.mac, b.mac));
}

/** By its own name, or by its far end's as under `ports`. */
function findPort(
  { entries }: Context,
  bridge: Entry,
  ports: readonly InterfaceDraft[],
  text: string,
): InterfaceDraft | undefined {
  const own = ports.find(({ name }) => name === text);
  if (own !== undefined) return own;
  const far = entries.get(text.replace(':', '/'));
  if (far?.portOf !== bridge || far.item.kind !== 'veth') return undefined;
  const { peer } = far.item;
  return ports.find(({ name }) => name === peer.name);
}

function fileName(item: InterfaceDraft): string {
  return item.kind === 'veth' && item.madeForPort ? `${item.peer.namespace}:${item.peer.name}` : item.name;
}

function hasVlan({ native, trunks }: PortVlans, vlan: number | undefined): boolean {
  if (vlan === undefined) return false;
  return vlan === native || trunks.some(({ first, last }) => first <= vlan && vlan <= last);
}
