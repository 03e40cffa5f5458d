import type { BondDevice, NewDevice as RawDevice, VrfDevice } from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { pointer } from '../../lib/pointer.ts';
import { takesMacOfMember } from '../../topology/bond.ts';
import { type Device, HOST } from '../../topology/model.ts';
import { deviceRules, macRule } from '../devices/rules.ts';
import { suggest } from '../suggest.ts';
import { type Context, type InterfaceDraft, interfaceKey } from './context.ts';
import { isDevice } from './devices.ts';
import { deriveMac } from './macaddress.ts';
import { listNames } from './names.ts';
import type { DeclaredNamespace } from './namespaces.ts';
import { isOvsBridge } from './ovs.ts';
import { expandPort, type RawPortSettings } from './port-settings.ts';
import { isIpTunnel } from './underlay.ts';

/** Sets the master of every interface that a Linux bridge, a bond or a VRF names under `members`. */
export function normalizeMembers(context: Context, declared: readonly DeclaredNamespace[]): void {
  for (const [name, raw] of Object.entries(context.data.bridges ?? {})) {
    if (isOvsBridge(raw)) continue;
    const namespace = raw?.namespace ?? HOST;
    const members = listMembers(raw?.members ?? [], ['bridges', name, 'members']);
    addMembers(context, { kind: 'bridge', namespace, name }, members);
  }
  for (const { name: namespace, raw } of declared) {
    for (const [name, device] of Object.entries(raw.interfaces ?? {})) {
      if (!hasMembers(name, device as RawDevice)) continue;
      const { type: kind, members = [] } = device as BondDevice | VrfDevice;
      const base = ['namespaces', namespace, 'interfaces', name, 'members'];
      addMembers(context, { kind, namespace, name }, listMembers(members, base));
    }
  }
  checkPrimaries(context);
}

/** The schema tells `lo` from a device by the name. */
function hasMembers(name: string, raw: RawDevice): boolean {
  return name !== 'lo' && !('adopt' in raw) && (raw.type === 'bond' || raw.type === 'vrf');
}

export interface Master {
  readonly kind: 'bridge' | 'bond' | 'vrf';
  readonly namespace: string;
  readonly name: string;
}

/** `a port of a bridge`, and what it is called when it is a certain one. */
const roles: Readonly<Record<Master['kind'], { readonly role: string; readonly title: string }>> = {
  bridge: { role: 'a port of a bridge', title: 'bridge' },
  bond: { role: 'a member of a bond', title: 'bond' },
  vrf: { role: 'a member of a VRF', title: 'VRF' },
};

function addMembers(context: Context, master: Master, members: readonly Member[]): void {
  for (const member of members) addMember(context, master, member);
}

/** The list form and the map form. */
function listMembers(
  raw: readonly string[] | Readonly<Record<string, RawPortSettings | null>>,
  base: readonly string[],
): Member[] {
  if (isList(raw)) {
    return raw.map((member, index) => ({
      member,
      settings: {},
      place: { pointer: pointer(...base, index), part: 'value' },
    }));
  }
  return Object.entries(raw).map(([member, settings]) => ({
    member,
    settings: settings ?? {},
    place: { pointer: pointer(...base, member), part: 'key' },
  }));
}

// Array.isArray does not narrow a readonly array out of a union.
function isList(raw: readonly string[] | Readonly<Record<string, unknown>>): raw is readonly string[] {
  return Array.isArray(raw);
}

export interface Member {
  readonly member: string;
  readonly settings: RawPortSettings;
  readonly place: Place;
}

function addMember(context: Context, master: Master, member: Member): void {
  const item = findMember(context, master, member);
  if (item === undefined) return;
  item.master = master.name;
  if (master.kind === 'bond') followBond(context, item, master);
  if (master.kind === 'bridge') {
    const { port, vlans } = expandPort(member.settings, member.place.pointer, context.report);
    item.portSettings = port;
    item.vlans = vlans;
  }
}

/** The interface that becomes a port or a member; undefined, with a report, where it cannot. */
export function findMember(
  context: Context,
  master: Master,
  { member, place }: Omit<Member, 'settings'>,
): InterfaceDraft | undefined {
  const fail = (message: string, help?: string) =>
    context.report({ code: 'member', message, place, ...(help === undefined ? {} : { help }) });
  const { role } = roles[master.kind];
  if (member === 'lo') {
    fail(`lo cannot be ${role}`);
    return undefined;
  }
  const item = context.entries.get(interfaceKey(master.namespace, member))?.item;
  if (item === undefined) {
    failUnknown(context, master, { member, place });
    return undefined;
  }
  const obstacle = findObstacle(item, master);
  if (obstacle !== undefined) {
    fail(obstacle.message, obstacle.help);
  } else if (takenBy(item) !== undefined) {
    fail(alreadyText(context, item, master));
  } else {
    return item;
  }
  return undefined;

  function findObstacle(
    found: InterfaceDraft,
    { kind, name }: Master,
  ): { message: string; help?: string } | undefined {
    const isOvs = found.kind === 'ovs-bridge' || found.kind === 'ovs-internal';
    if (found.kind === 'ovs-bridge' && found.name === name)
      return {
        message: `${member} is the bridge itself`,
        help: 'leave it out: its own port is there already',
      };
    if (found.name === name) return { message: `${name} cannot be a member of itself` };
    if (kind === 'vrf') return found.kind === 'vrf' ? { message: `${member} is a VRF itself` } : undefined;
    if (isIpTunnel(found.kind)) {
      const tap = found.kind.startsWith('ip6') ? 'ip6gretap' : 'gretap';
      const way = found.kind === 'wireguard' ? 'use a gretap or vxlan tunnel through it' : `use type: ${tap}`;
      return {
        message: `${member} carries IP packets and no Ethernet frames, so it cannot be ${role}`,
        help: `${way}, or a route in place of the ${kind}`,
      };
    }
    if (found.kind === 'bridge') {
      return kind === 'bridge'
        ? {
            message: `${member} is a bridge, which cannot be a port of another one`,
            help: 'join the two with a link',
          }
        : {
            message: `${member} is a bridge, which cannot be ${role}`,
            help: `make ${name} a member of ${member}`,
          };
    }
    if (kind === 'bond' && isOvs)
      return { message: `${member} cannot be ${role}: Open vSwitch would put its MAC address back` };
    if (kind === 'bond' && found.kind === 'bond')
      return { message: `${member} is a bond, which cannot be ${role}` };
    const reason = isDevice(found) ? portObstacle(found) : undefined;
    return reason === undefined ? undefined : { message: `${member} cannot be ${role}: ${reason}` };
  }
}

/** The internal port of an Open vSwitch bridge is an interface of the machine, as others are. */
function takenBy(item: InterfaceDraft): string | undefined {
  return item.kind === 'ovs-internal' ? item.master : (item.master ?? item.ovsBridge);
}

function alreadyText(context: Context, item: InterfaceDraft, wanted: Master): string {
  const { name, namespace } = item;
  const master = takenBy(item);
  const kind = context.entries.get(interfaceKey(namespace, master ?? ''))?.item.kind;
  const title = roles[kind === 'bond' || kind === 'vrf' ? kind : 'bridge'].title;
  const isBridge = title === 'bridge';
  const where = master === wanted.name ? `this ${title}` : `${title} ${master}`;
  const rule =
    isBridge && wanted.kind === 'bridge'
      ? 'an interface is a port of one bridge, once'
      : 'an interface belongs to one bridge, bond or VRF, once';
  return `${name} is already a ${isBridge ? 'port' : 'member'} of ${where}; ${rule}`;
}

function portObstacle(item: Device): string | undefined {
  const { noPort } = deviceRules(item.kind);
  return noPort ?? (macRule(item) === 'none' ? 'it carries IP packets and no Ethernet frames' : undefined);
}

/** A bond gives its MAC address to its members, unless it takes that of the active one. */
function followBond(context: Context, item: InterfaceDraft, { name, namespace }: Master): void {
  const bond = context.entries.get(interfaceKey(namespace, name))?.item;
  if (bond === undefined || !isDevice(bond)) return;
  if (takesMacOfMember(bond.settings)) return;
  if (item.macaddress !== undefined && item.macaddress !== deriveMac(context, item)) {
    context.report({
      code: 'member',
      message: `${item.name} gets the MAC address of bond ${name}, so it cannot have ${item.macaddress}`,
      place: item.place,
      help: `set the macaddress of ${name}`,
    });
  }
  item.macaddress = undefined;
}

function checkPrimaries(context: Context): void {
  for (const { item } of context.entries.values()) {
    if (!isDevice(item) || item.kind !== 'bond') continue;
    const { primary } = item.settings;
    if (primary === undefined) continue;
    const member = context.entries.get(interfaceKey(item.namespace, String(primary)))?.item;
    if (member?.master === item.name) continue;
    context.report({
      code: 'bond',
      message: `primary '${String(primary)}' is not a member of ${item.name}`,
      place: { pointer: `${item.place.pointer}/parameters/primary`, part: 'value' },
    });
  }
}

function failUnknown(context: Context, master: Master, { member, place }: Omit<Member, 'settings'>): void {
  const { namespace, name, kind } = master;
  const names: string[] = [];
  const elsewhere: string[] = [];
  for (const { item } of context.entries.values()) {
    if (item.namespace === namespace && item.name !== name && item.kind !== 'loopback') names.push(item.name);
    else if (item.name === member) elsewhere.push(item.namespace);
  }
  const { title } = roles[kind];
  const nearest = suggest(member, names);
  const known = names.length === 0 ? 'it has no others' : `it has ${listNames(names)}`;
  const [other] = elsewhere;
  const help =
    nearest === undefined && other !== undefined
      ? `${other} has one of that name; a member is in the namespace of its ${title}`
      : nearest && `did you mean '${nearest}'?`;
  context.report({
    code: 'member',
    message: `'${member}' is not an interface of ${namespace}, where ${title} ${name} is; ${known}`,
    place,
    ...(help === undefined ? {} : { help }),
  });
}
