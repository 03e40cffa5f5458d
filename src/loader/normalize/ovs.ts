import type { OvsBridge as RawBridge, OvsTunnel as RawTunnel } from '../../generated/topology-file.ts';
import { compareNames } from '../../lib/collections.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { pointer } from '../../lib/pointer.ts';
import { formatRanges } from '../../lib/ranges.ts';
import { HOST, type OvsBridge, type OvsPort, type OvsPortForm, type OvsVlan } from '../../topology/model.ts';
import { suggest } from '../suggest.ts';
import { addEntry, type Context, type Entry, interfaceKey } from './context.ts';
import { nameSysctls } from './interface-sysctls.ts';
import { deriveMac } from './macaddress.ts';
import { listNames } from './names.ts';
import { makePortName } from './port-name.ts';
import { expandIp, expandSettings } from './settings.ts';

type Draft = { -readonly [Key in keyof OvsBridge]: OvsBridge[Key] };

/** The keys of any port that say which VLANs it carries. */
interface RawVlan {
  readonly tag?: number;
  readonly trunks?: readonly (number | string)[];
  readonly native?: number;
}

export function isOvsBridge(raw: unknown): raw is RawBridge {
  return typeof raw === 'object' && raw !== null && 'type' in raw && raw.type === 'ovs';
}

/** The bridge with its internal ports and its tunnel ports, which need nothing else of the file. */
export function addOvsBridge(context: Context, name: string, raw: RawBridge): Entry {
  const base = pointer('bridges', name);
  if (raw.namespace !== undefined && raw.namespace !== HOST) {
    context.report({
      code: 'ovs',
      message: `an Open vSwitch bridge cannot be in namespace ${raw.namespace}: Open vSwitch has its bridges where its daemon runs, in the host`,
      place: { pointer: `${base}/namespace`, part: 'value' },
      help: 'leave namespace out, or use a Linux bridge',
    });
  }
  const { mtu, ...common } = hostInterface(context, name, raw, base);
  const controllers = [raw.controller ?? []].flat();
  const item: Draft = {
    kind: 'ovs-bridge',
    ...common,
    mtu: undefined,
    mtuPlace: undefined,
    datapath: raw['datapath-type'],
    failMode: raw['fail-mode'],
    controllers: [...new Set(controllers)].sort(),
    protocols: [...new Set(raw.protocols ?? [])].sort(),
    stp: raw.stp ?? false,
    rstp: raw.rstp ?? false,
    mcastSnooping: raw['mcast-snooping'] ?? false,
    otherConfig: expandOtherConfig(context, raw, base),
    ports: [],
    place: { pointer: base, part: 'key' },
  };
  checkControllers(context, raw, base);
  if (item.stp && item.rstp) {
    context.report({
      code: 'ovs',
      message: `bridge ${name} has both stp and rstp`,
      place: { pointer: `${base}/rstp`, part: 'key' },
      help: 'take one of them out',
    });
  }
  const entry: Entry = { item, mtu };
  addEntry(context, entry);
  for (const [port, settings] of Object.entries(raw.internal ?? {}))
    addInternal(context, entry, { name: port, settings, base: `${base}/internal${pointer(port)}` });
  for (const [port, tunnel] of Object.entries(raw.tunnels ?? {}))
    addTunnel(context, item, { name: port, tunnel, base: `${base}/tunnels${pointer(port)}` });
  return entry;
}

/** What a bridge and its internal ports have as every interface does; the MTU is settled when all links are known. */
function hostInterface(context: Context, name: string, raw: RawBridge | RawInternal, base: string) {
  const { addresses, macaddress, mtu, state, alias, sysctls, options } = expandSettings(
    raw,
    base,
    context.report,
  );
  return {
    namespace: HOST,
    name,
    addresses,
    mtu,
    macaddress: macaddress ?? deriveMac(context, { namespace: HOST, name, addresses }),
    state,
    alias,
    master: undefined,
    sysctls: nameSysctls(sysctls, name),
    options,
  };
}

function expandOtherConfig(context: Context, raw: RawBridge, base: string): Record<string, string> {
  const config: Record<string, string> = {};
  for (const [key, value] of Object.entries(raw['other-config'] ?? {}).sort()) {
    if (key === 'hwaddr') {
      const place: Place = { pointer: `${base}/other-config/hwaddr`, part: 'key' };
      context.report({
        code: 'ovs',
        message: "hwaddr is the bridge's MAC address",
        place,
        help: 'use macaddress',
      });
    } else config[key] = String(value);
  }
  return config;
}

/** `ptcp:6640`, `tcp:192.0.2.1:6653`, `ssl:[2001:db8::1]:6653`, `unix:/run/c.sock`; ovs-vswitchd.conf.db(5), Controller. */
const controllerForm = /^(p?(tcp|ssl):[A-Za-z0-9_.:%[\]-]*|p?unix:\/[A-Za-z0-9_./-]+)$/;

function checkControllers(context: Context, { controller }: RawBridge, base: string): void {
  for (const [index, target] of [controller ?? []].flat().entries()) {
    if (controllerForm.test(target)) continue;
    const at = typeof controller === 'string' ? `${base}/controller` : `${base}/controller/${index}`;
    context.report({
      code: 'ovs',
      message: `'${target}' is not a controller`,
      place: { pointer: at, part: 'value' },
      help: 'write one such as tcp:127.0.0.1:6653, ssl:192.0.2.1:6653, ptcp:6640 or unix:/run/controller.sock',
    });
  }
}

type RawInternal = NonNullable<RawBridge['internal']>[string];

function addInternal(
  context: Context,
  bridge: Entry,
  { name, settings, base }: { name: string; settings: RawInternal; base: string },
): void {
  const { mtu, ...common } = hostInterface(context, name, settings, base);
  addEntry(context, {
    item: {
      kind: 'ovs-internal',
      ...common,
      mtu: undefined,
      mtuPlace: undefined,
      ovsBridge: bridge.item.name,
      vlan: expandVlan(context, settings, base),
      place: { pointer: base, part: 'key' },
    },
    mtu,
    portOf: bridge,
  });
}

function addTunnel(
  context: Context,
  bridge: Draft,
  { name, tunnel, base }: { name: string; tunnel: RawTunnel; base: string },
): void {
  const ip = (key: 'remote' | 'local'): string | undefined => {
    const text = tunnel[key];
    return text === undefined
      ? undefined
      : expandIp(text, { pointer: `${base}/${key}`, part: 'value' }, context.report);
  };
  const [remote, local] = [ip('remote'), ip('local')];
  const { type, key, port, ttl, tos } = tunnel;
  const fail = (message: string, at: string, help: string) =>
    context.report({ code: 'ovs', message, place: { pointer: `${base}/${at}`, part: 'key' }, help });
  if (type === 'gre' && port !== undefined) fail('gre has no port', 'port', 'take it out');
  if (type !== 'gre' && key !== undefined && key > 0xffffff)
    fail(
      `the key of ${type} is its VNI, which has 24 bits`,
      'key',
      'use a number up to 16777215, or type: gre',
    );
  if (remote !== undefined && local !== undefined && remote.includes(':') !== local.includes(':'))
    fail('local and remote are of different families', 'local', 'use two IPv4 or two IPv6 addresses');
  if (remote === undefined) return;
  const form: OvsPortForm = { is: 'tunnel', type, remote, local, key, port, ttl, tos };
  addPort(context, bridge, {
    name,
    form,
    vlan: expandVlan(context, tunnel, base),
    place: { pointer: base, part: 'key' },
  });
}

/** The bytes that a tunnel port puts before each packet, an inner Ethernet header of 14 among them. */
export function ovsTunnelOverhead({ type, remote, key }: OvsPortForm & { readonly is: 'tunnel' }): number {
  const outer = remote.includes(':') ? 40 : 20;
  return outer + 14 + (type === 'gre' ? 4 + (key === undefined ? 0 : 4) : 16);
}

/** A port that is an interface of the host; `base` is the pointer of its settings. */
export function addOvsPort(
  context: Context,
  bridge: Draft,
  { name, raw, base, place }: { name: string; raw: unknown; base: string; place: Place },
): void {
  addPort(context, bridge, {
    name,
    form: { is: 'interface' },
    vlan: expandVlan(context, raw, base),
    place,
  });
}

/** Names of ports are unique in the whole database of OVS, and ports that are no interfaces have such names too. */
export function addPort(context: Context, bridge: Draft, port: OvsPort): void {
  const { name, form, place } = port;
  const owner = form.is === 'interface' ? undefined : context.entries.get(interfaceKey(HOST, name))?.item;
  const earlier = owner?.place ?? findPort(context, name)?.place;
  if (earlier !== undefined) {
    context.report({
      code: 'interface-twice',
      message: `${name} is already the name of another port or interface; give one of the two another name`,
      place,
      related: [{ message: `${name} is first defined here`, place: earlier }],
    });
    return;
  }
  bridge.ports = [...bridge.ports, port].sort((a, b) => compareNames(a.name, b.name));
}

function findPort(context: Context, name: string): OvsPort | undefined {
  for (const { ports } of ovsBridges(context)) {
    const port = ports.find((other) => other.name === name);
    if (port !== undefined) return port;
  }
  return undefined;
}

function ovsBridges({ entries }: Context): Draft[] {
  return [...entries.values()].flatMap(({ item }) => (item.kind === 'ovs-bridge' ? [item] : []));
}

/** Which VLANs a port carries; `raw` may be any short form, which says nothing of them. */
export function expandVlan({ report }: Context, raw: unknown, base: string): OvsVlan {
  const isMap = typeof raw === 'object' && raw !== null && !Array.isArray(raw);
  const { tag, trunks = [], native }: RawVlan = isMap ? raw : {};
  const fail = (message: string, help: string) =>
    report({ code: 'vlan', message, place: { pointer: `${base}/tag`, part: 'key' }, help });
  if (tag !== undefined && native !== undefined)
    fail('a port has a tag or a native VLAN, not both', 'an access port has tag; a trunk port, native');
  else if (tag !== undefined && trunks.length > 0)
    fail('a port has a tag or trunks, not both', 'for the packets of a trunk port without a tag, use native');
  const ids = trunks.flatMap((entry, index) => {
    const range = parseRange(entry);
    if (range !== undefined) return range;
    report({
      code: 'vlan',
      message: `'${entry}' is not a range of VLANs`,
      place: { pointer: `${base}/trunks/${index}`, part: 'value' },
      help: 'write one such as "20-30", between 1 and 4094',
    });
    return [];
  });
  return { tag, trunks: formatRanges(ids), native };
}

function parseRange(entry: number | string): number[] | undefined {
  const [, from, to] = /^([0-9]{1,4})(?:-([0-9]{1,4}))?$/.exec(String(entry)) ?? [];
  if (from === undefined) return undefined;
  const [first, last] = [Number(from), Number(to ?? from)];
  if (first < 1 || last > 4094 || first > last) return undefined;
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** Each pair of bridges that one of the two names has one patch, with a port in each. */
export function addOvsPatches(context: Context): void {
  const bridges = new Map(ovsBridges(context).map((bridge) => [bridge.name, bridge]));
  const patches = listPatches(context, bridges);
  const done = new Set<string>();
  const isFree = (name: string) =>
    !context.entries.has(interfaceKey(HOST, name)) && findPort(context, name) === undefined;
  for (const { from, to, place } of patches.sort(
    (a, b) => compareNames(a.from, b.from) || compareNames(a.to, b.to),
  )) {
    const [one, other] = [from, to].sort();
    if (done.has(`${one} ${other}`)) continue;
    done.add(`${one} ${other}`);
    const ends = [
      [from, to],
      [to, from],
    ] as const;
    const [near = '', far = ''] = ends.map(([bridge, peer]) =>
      makePortName({ namespace: bridge, name: peer }, isFree),
    );
    for (const [[bridge, peer], name, peerName] of [
      [ends[0], near, far],
      [ends[1], far, near],
    ] as const) {
      const draft = bridges.get(bridge);
      const own = patches.find((patch) => patch.from === bridge && patch.to === peer);
      if (draft === undefined) continue;
      addPort(context, draft, {
        name,
        form: { is: 'patch', bridge: peer, peer: peerName },
        vlan: expandVlan(context, own?.raw, own?.base ?? ''),
        place: own?.place ?? place,
      });
    }
  }
}

interface Patch {
  readonly from: string;
  readonly to: string;
  readonly raw: unknown;
  readonly base: string;
  readonly place: Place;
}

function listPatches(context: Context, bridges: ReadonlyMap<string, Draft>): Patch[] {
  const patches: Patch[] = [];
  for (const [from, raw] of Object.entries(context.data.bridges ?? {})) {
    if (!isOvsBridge(raw)) continue;
    for (const patch of listNamed(raw.patches, `${pointer('bridges', from)}/patches`)) {
      const to = patch.name;
      if (bridges.has(to) && to !== from) {
        patches.push({ from, to, raw: patch.settings, base: patch.base, place: patch.place });
        continue;
      }
      const names = [...bridges.keys()].filter((name) => name !== from);
      const nearest = suggest(to, names);
      const known = names.length === 0 ? 'there is no other' : `others are ${listNames(names)}`;
      context.report({
        code: 'ovs',
        message: `'${to}' is not another Open vSwitch bridge of this file; ${known}`,
        place: patch.place,
        ...(nearest === undefined ? {} : { help: `did you mean '${nearest}'?` }),
      });
    }
  }
  return patches;
}

/** The list form and the map form of what is named, as one list. */
export function listNamed<Settings>(
  raw: readonly string[] | Readonly<Record<string, Settings>> | undefined,
  base: string,
): { name: string; settings: Settings | undefined; base: string; place: Place }[] {
  if (raw === undefined) return [];
  if (isList(raw)) {
    return raw.map((name, index) => {
      const at = `${base}/${index}`;
      return { name, settings: undefined, base: at, place: { pointer: at, part: 'value' } };
    });
  }
  return Object.entries(raw).map(([name, settings]) => {
    const at = base + pointer(name);
    return { name, settings, base: at, place: { pointer: at, part: 'key' } };
  });
}

// Array.isArray does not narrow a readonly array out of a union.
function isList(raw: readonly string[] | Readonly<Record<string, unknown>>): raw is readonly string[] {
  return Array.isArray(raw);
}
