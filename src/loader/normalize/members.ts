import type { Place } from '../../lib/diagnostic.ts';
import { pointer } from '../../lib/pointer.ts';
import { type Device, HOST } from '../../topology/model.ts';
import { deviceRules } from '../devices/rules.ts';
import { suggest } from '../suggest.ts';
import { type Context, type InterfaceDraft, interfaceKey } from './context.ts';
import { isDevice } from './devices.ts';
import { listNames } from './names.ts';
import { isOvsBridge } from './ovs.ts';

/** Sets the master of every interface that a Linux bridge names under `members`. */
export function normalizeMembers(context: Context): void {
  for (const [name, raw] of Object.entries(context.data.bridges ?? {})) {
    const namespace = raw?.namespace ?? HOST;
    if (isOvsBridge(raw)) continue;
    for (const [index, member] of (raw?.members ?? []).entries()) {
      const place: Place = { pointer: pointer('bridges', name, 'members', index), part: 'value' };
      addMember(context, { bridge: name, namespace, member, place });
    }
  }
}

export interface Member {
  readonly bridge: string;
  readonly namespace: string;
  readonly member: string;
  readonly place: Place;
}

function addMember(context: Context, member: Member): void {
  const item = findMember(context, member);
  if (item !== undefined) item.master = member.bridge;
}

/** The interface that becomes a port; undefined, with a report, where it cannot. */
export function findMember(
  context: Context,
  { bridge, namespace, member, place }: Member,
): InterfaceDraft | undefined {
  const fail = (message: string, help?: string) =>
    context.report({ code: 'member', message, place, ...(help === undefined ? {} : { help }) });
  const entry = context.entries.get(interfaceKey(namespace, member));
  if (entry === undefined) {
    failUnknown(context, { bridge, namespace, member, place });
    return undefined;
  }
  const { item } = entry;
  const taken = item.kind === 'ovs-internal' ? item.master : (item.master ?? item.ovsBridge);
  if (item.kind === 'loopback') fail('lo cannot be a port of a bridge');
  else if (item.kind === 'gre' || item.kind === 'ip6gre') {
    fail(
      `${member} carries IP packets and no Ethernet frames, so it cannot be a port of a bridge`,
      `use type: ${item.kind === 'gre' ? 'gretap' : 'ip6gretap'}, or a route in place of the bridge`,
    );
  } else if (item.kind === 'bridge') {
    fail(`${member} is a bridge, which cannot be a port of another one`, 'join the two with a link');
  } else if (isDevice(item) && portObstacle(item) !== undefined) {
    fail(`${member} cannot be a port of a bridge: ${portObstacle(item)}`);
  } else if (item.kind === 'ovs-bridge' && item.name === bridge) {
    fail(`${member} is the bridge itself`, 'leave it out: its own port is there already');
  } else if (taken !== undefined) {
    const where = taken === bridge ? 'this bridge' : `bridge ${taken}`;
    fail(`${member} is already a port of ${where}; an interface is a port of one bridge, once`);
  } else {
    return item;
  }
  return undefined;
}

function portObstacle({ kind }: Device): string | undefined {
  const { mac, noPort } = deviceRules(kind);
  return noPort ?? (mac === 'none' ? 'it carries IP packets and no Ethernet frames' : undefined);
}

function failUnknown(context: Context, { bridge, namespace, member, place }: Member): void {
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
