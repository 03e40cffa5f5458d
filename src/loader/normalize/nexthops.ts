import type { NexthopObject as RawNexthop } from '../../generated/topology-file.ts';
import { nexthopNumber } from '../../kinds/nexthop.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { isLinkLocal, parseIp } from '../../lib/ip.ts';
import { pointer } from '../../lib/pointer.ts';
import { HOST, type NexthopObject } from '../../topology/model.ts';
import { suggest } from '../suggest.ts';
import type { Context } from './context.ts';
import { listNames } from './names.ts';
import type { Network } from './network.ts';
import { deviceFinder } from './route-device.ts';
import { expandIp } from './settings.ts';

interface Nexthops {
  readonly namespace: string;
  readonly base: string;
  readonly raw: Readonly<Record<string, RawNexthop>> | undefined;
  readonly network: Network;
}

interface Entry {
  readonly name: string;
  readonly raw: RawNexthop;
  readonly base: string;
  readonly place: Place;
}

const none: NexthopObject[] = [];

/** The nexthop objects of one namespace: single ones first, then the groups, which need them. */
export function normalizeNexthops(
  context: Context,
  { namespace, base, raw, network }: Nexthops,
): NexthopObject[] {
  if (raw === undefined) return none;
  const entries = Object.entries(raw).map(([name, object]): Entry => {
    const at = base + pointer(name);
    return { name, raw: object, base: at, place: { pointer: at, part: 'key' } };
  });
  const find = deviceFinder(network, namespace, []);
  const singles = entries
    .filter((entry) => entry.raw.group === undefined)
    .map((entry) => expandSingle(context, entry, namespace, network, find));
  const byName = new Map(singles.map((object) => [object.name, object]));
  const groups = entries
    .filter((entry) => entry.raw.group !== undefined)
    .map((entry) => expandGroup(context, entry, byName));
  const all = [...singles, ...groups];
  const byId = new Map<number, NexthopObject>();
  for (const object of all) {
    const earlier = byId.get(object.id);
    byId.set(object.id, earlier ?? object);
    if (earlier === undefined) continue;
    context.report({
      code: 'nexthop',
      message: `${object.name} and ${earlier.name} have the same id, ${object.id}; give one of them another`,
      place: object.place,
      related: [{ message: `${earlier.name} is here`, place: earlier.place }],
    });
  }
  return all;
}

function expandSingle(
  context: Context,
  { name, raw, base, place }: Entry,
  namespace: string,
  network: Network,
  find: ReturnType<typeof deviceFinder>,
): NexthopObject {
  const fail = (message: string, key?: string, help?: string) => {
    const at: Place = key === undefined ? place : { pointer: `${base}/${key}`, part: 'value' };
    context.report({ code: 'nexthop', message, place: at, ...(help === undefined ? {} : { help }) });
  };
  const blackhole = raw.blackhole ?? false;
  const via =
    raw.via === undefined
      ? undefined
      : expandIp(raw.via, { pointer: `${base}/via`, part: 'value' }, context.report);
  const onLink = raw['on-link'] ?? false;
  if (blackhole && (raw.via ?? raw.dev) !== undefined)
    fail('a blackhole leads nowhere; leave via and dev out', 'blackhole');
  if (!blackhole && raw.via === undefined && raw.dev === undefined)
    fail(`${name} leads nowhere; add via, dev, group, or blackhole: true`);
  const ip = via === undefined ? undefined : parseIp(via);
  const dev =
    raw.dev ??
    (via === undefined ? undefined : find({ via, dev: undefined, weight: 1, onLink, place }, 'main'));
  if (ip !== undefined && dev === undefined) {
    fail(
      isLinkLocal(ip) || namespace === HOST
        ? `next hop ${via} needs dev, the interface by which it is reached`
        : `next hop ${via} is on none of ${namespace}'s subnets; add dev, and on-link: true if that is meant`,
      'via',
    );
  }
  if (
    raw.dev !== undefined &&
    raw.dev !== 'lo' &&
    namespace !== HOST &&
    network.interfaceOf(namespace, raw.dev) === undefined
  ) {
    const names = network.interfacesOf(namespace).map((item) => item.name);
    const nearest = suggest(raw.dev, names);
    fail(
      `'${raw.dev}' is not an interface of ${namespace}; it has ${listNames(names) || 'none'}`,
      'dev',
      nearest && `did you mean '${nearest}'?`,
    );
  }
  const family = ip?.family ?? (raw.family === 'ipv6' ? 6 : 4);
  return { name, id: raw.id ?? nexthopNumber(name), family, via, dev, onLink, blackhole, group: [], place };
}

function expandGroup(
  context: Context,
  { name, raw, base, place }: Entry,
  known: ReadonlyMap<string, NexthopObject>,
): NexthopObject {
  const fail = (message: string, at: Place, help?: string) =>
    context.report({ code: 'nexthop', message, place: at, ...(help === undefined ? {} : { help }) });
  for (const key of ['via', 'dev', 'on-link', 'blackhole', 'family'] as const) {
    if (raw[key] !== undefined)
      fail(`'${key}' and 'group' exclude each other; a group leads to its members`, {
        pointer: `${base}/${key}`,
        part: 'key',
      });
  }
  const listed: [string, number, Place][] = Array.isArray(raw.group)
    ? raw.group.map((member, index) => [member, 1, { pointer: `${base}/group/${index}`, part: 'value' }])
    : Object.entries(raw.group ?? {}).map(([member, weight]) => [
        member,
        weight,
        { pointer: `${base}/group${pointer(member)}`, part: 'key' },
      ]);
  const group = listed.flatMap(([member, weight, at]) => {
    const object = known.get(member);
    if (object !== undefined) return [{ name: member, id: object.id, weight }];
    const nearest = suggest(member, [...known.keys()]);
    fail(
      `'${member}' is not a single next hop of this namespace; it has ${listNames([...known.keys()]) || 'none'}`,
      at,
      nearest && `did you mean '${nearest}'?`,
    );
    return [];
  });
  const twice = group.find(
    ({ name: member }, index) => group.findIndex((other) => other.name === member) !== index,
  );
  if (twice !== undefined) fail(`${twice.name} is in the group twice; use weights`, place);
  return {
    name,
    id: raw.id ?? nexthopNumber(name),
    family: undefined,
    via: undefined,
    dev: undefined,
    onLink: false,
    blackhole: false,
    group,
    place,
  };
}
