import type { Place } from '../../lib/diagnostic.ts';
import { pointer } from '../../lib/pointer.ts';
import { type Device, HOST } from '../../topology/model.ts';
import { deviceRules } from '../devices/rules.ts';
import { suggest } from '../suggest.ts';
import { type Context, interfaceKey } from './context.ts';
import { isDevice } from './devices.ts';
import { listNames } from './names.ts';
import { expandPort, type RawPortSettings } from './port-settings.ts';
import { isIpTunnel } from './underlay.ts';

/** Sets the master of every interface that a bridge names under `members`. */
export function normalizeMembers(context: Context): void {
  for (const [name, raw] of Object.entries(context.data.bridges ?? {})) {
    const namespace = raw?.namespace ?? HOST;
    for (const member of listMembers(raw?.members ?? [], ['bridges', name, 'members']))
      addMember(context, { bridge: name, namespace, ...member });
  }
}

/** The list form and the map form. */
function listMembers(
  raw: readonly string[] | Readonly<Record<string, RawPortSettings | null>>,
  base: readonly string[],
): Pick<Member, 'member' | 'settings' | 'place'>[] {
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

interface Member {
  readonly bridge: string;
  readonly namespace: string;
  readonly member: string;
  readonly settings: RawPortSettings;
  readonly place: Place;
}

function addMember(context: Context, { bridge, namespace, member, settings, place }: Member): void {
  const fail = (message: string, help?: string) =>
    context.report({ code: 'member', message, place, ...(help === undefined ? {} : { help }) });
  const entry = context.entries.get(interfaceKey(namespace, member));
  if (entry === undefined) {
    failUnknown(context, { bridge, namespace, member, place });
    return;
  }
  const { item } = entry;
  if (item.kind === 'loopback') fail('lo cannot be a port of a bridge');
  else if (isIpTunnel(item.kind)) {
    fail(
      `${member} carries IP packets and no Ethernet frames, so it cannot be a port of a bridge`,
      `use type: ${item.kind.startsWith('ip6') ? 'ip6gretap' : 'gretap'}, or a route in place of the bridge`,
    );
  } else if (item.kind === 'wireguard') {
    fail(
      `${member} carries IP packets and no Ethernet frames, so it cannot be a port of a bridge`,
      'use a gretap or vxlan tunnel through it, or a route in place of the bridge',
    );
  } else if (item.kind === 'bridge') {
    fail(`${member} is a bridge, which cannot be a port of another one`, 'join the two with a link');
  } else if (isDevice(item) && portObstacle(item) !== undefined) {
    fail(`${member} cannot be a port of a bridge: ${portObstacle(item)}`);
  } else if (item.master !== undefined) {
    const where = item.master === bridge ? 'this bridge' : `bridge ${item.master}`;
    fail(`${member} is already a port of ${where}; an interface is a port of one bridge, once`);
  } else {
    item.master = bridge;
    const { port, vlans } = expandPort(settings, place.pointer, context.report);
    item.portSettings = port;
    item.vlans = vlans;
  }
}

function portObstacle({ kind }: Device): string | undefined {
  const { mac, noPort } = deviceRules(kind);
  return noPort ?? (mac === 'none' ? 'it carries IP packets and no Ethernet frames' : undefined);
}

function failUnknown(context: Context, { bridge, namespace, member, place }: Omit<Member, 'settings'>): void {
  const names: string[] = [];
  const elsewhere: string[] = [];
  for (const { item } of context.entries.values()) {
    if (item.namespace === namespace && item.name !== bridge && item.kind !== 'loopback')
      names.push(item.name);
    else if (item.name === member) elsewhere.push(item.namespace);
  }
  const nearest = suggest(member, names);
  const known = names.length === 0 ? 'it has no others' : `it has ${listNames(names)}`;
  const [other] = elsewhere;
  const help =
    nearest === undefined && other !== undefined
      ? `${other} has one of that name; a member is in the namespace of its bridge`
      : nearest && `did you mean '${nearest}'?`;
  context.report({
    code: 'member',
    message: `'${member}' is not an interface of ${namespace}, where bridge ${bridge} is; ${known}`,
    place,
    ...(help === undefined ? {} : { help }),
  });
}
