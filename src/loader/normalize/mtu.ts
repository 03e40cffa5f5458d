import type { Place } from '../../lib/diagnostic.ts';
import { bridgeOf, type Device, type OvsBridge } from '../../topology/model.ts';
import { deviceRules } from '../devices/rules.ts';
import { type Context, type Entry, interfaceKey } from './context.ts';
import { isDevice } from './devices.ts';
import type { Network } from './network.ts';
import { ovsTunnelOverhead } from './ovs.ts';
import { findInterfaceTo, findUnderlay, isTunnel, tunnelOverhead } from './underlay.ts';

/** Ethernet's own, which the kernel gives to a new veth or bridge. */
const DEFAULT_MTU = 1500;

interface Found {
  readonly mtu: number | undefined;
  readonly place: Place | undefined;
}

const unknown: Found = { mtu: undefined, place: undefined };

/** Fills in every interface's mtu: what the file says, or what follows from what the interface hangs on. */
export function deriveMtus(context: Context, network: Network): void {
  const resolver = createResolver(context, network);
  for (const entry of context.entries.values()) {
    const { mtu, place } = resolver(entry);
    entry.item.mtu = mtu;
    entry.item.mtuPlace = place;
  }
}

/** An mtu may hang on others: a port's on its bridge, a bridge's on its members, a tunnel's on its underlay. */
function createResolver(context: Context, network: Network): (entry: Entry) => Found {
  const { defaults, entries } = context;
  const known = new Map<Entry, Found>();
  const membersOf = collectMembers(context);
  const standard: Found = {
    mtu: defaults.mtu ?? DEFAULT_MTU,
    place: defaults.mtu === undefined ? undefined : { pointer: '/defaults/mtu', part: 'value' },
  };
  const resolve = (entry: Entry): Found => {
    const earlier = known.get(entry);
    if (earlier !== undefined) return earlier;
    // A tunnel over a bridge that it is itself a member of: the circle has no answer.
    known.set(entry, unknown);
    const found = compute(entry);
    known.set(entry, found);
    return found;
  };
  const compute = ({ item, mtu, portOf }: Entry): Found => {
    if (mtu !== undefined) return mtu;
    if (item.kind === 'loopback' || item.kind === 'adopted') return unknown;
    const bond = bondOf(context, item);
    if (bond !== undefined) return { mtu: resolve(bond).mtu, place: undefined };
    if (item.kind === 'bridge')
      return smallest([
        standard,
        ...(membersOf.get(interfaceKey(item.namespace, item.name)) ?? []).flatMap(memberMtu),
      ]);
    if (item.kind === 'ovs-bridge')
      return smallest([
        standard,
        ...(membersOf.get(interfaceKey(item.namespace, item.name)) ?? []).flatMap(memberMtu),
        ...ovsTunnelMtus(item),
      ]);
    if (isDevice(item)) return deviceMtu(item);
    if (!isTunnel(item)) return portOf === undefined ? standard : resolve(portOf);
    const underlay = findUnderlay(network, item);
    const below = underlay && entries.get(interfaceKey(underlay.namespace, underlay.name));
    const available = below === undefined ? undefined : resolve(below).mtu;
    return available === undefined ? unknown : { mtu: available - tunnelOverhead(item), place: undefined };
  };
  const deviceMtu = ({ kind, link }: Device): Found => {
    const rule = deviceRules(kind).mtu;
    if (rule !== 'link') return rule === 'standard' ? standard : unknown;
    const below = link && entries.get(interfaceKey(link.namespace, link.name));
    return below === undefined ? unknown : { mtu: resolve(below).mtu, place: undefined };
  };
  /** What the tunnel ports of an Open vSwitch bridge leave of the interfaces below them. */
  const ovsTunnelMtus = ({ namespace, ports }: OvsBridge): Found[] =>
    ports.flatMap(({ form }) => {
      if (form.is !== 'tunnel') return [];
      const underlay = findInterfaceTo(network, namespace, [form.local, form.remote]);
      const below = underlay && entries.get(interfaceKey(underlay.namespace, underlay.name));
      const available = (below && resolve(below).mtu) ?? standard.mtu;
      return available === undefined ? [] : [{ mtu: available - ovsTunnelOverhead(form), place: undefined }];
    });
  /** A port without an mtu of its own follows the bridge, and so has no say. */
  const memberMtu = (member: Entry): Found[] =>
    member.portOf !== undefined && member.mtu === undefined ? [] : [resolve(member)];
  return resolve;
}

/** A bond gives its mtu to its members (bond_enslave in drivers/net/bonding/bond_main.c). */
function bondOf({ entries }: Context, { namespace, master }: Entry['item']): Entry | undefined {
  const entry = master === undefined ? undefined : entries.get(interfaceKey(namespace, master));
  return entry?.item.kind === 'bond' ? entry : undefined;
}

function smallest(candidates: readonly Found[]): Found {
  let best = unknown;
  for (const candidate of candidates) {
    if (candidate.mtu !== undefined && (best.mtu === undefined || candidate.mtu < best.mtu)) best = candidate;
  }
  return best;
}

function collectMembers({ entries }: Context): Map<string, Entry[]> {
  const members = new Map<string, Entry[]>();
  for (const entry of entries.values()) {
    const bridge = bridgeOf(entry.item);
    if (bridge === undefined) continue;
    const key = interfaceKey(entry.item.namespace, bridge);
    const list = members.get(key);
    if (list === undefined) members.set(key, [entry]);
    else list.push(entry);
  }
  return members;
}
