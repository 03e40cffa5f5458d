import type { PingCheck, PortCheck, Check as RawCheck } from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { parseIp } from '../../lib/ip.ts';
import { pointer } from '../../lib/pointer.ts';
import { parsePercent, parseTime } from '../../lib/units.ts';
import { type Bounds, type Check, HOST } from '../../topology/model.ts';
import { suggest } from '../suggest.ts';
import { type Context, checkNamespace } from './context.ts';
import type { HostNames } from './host-names.ts';
import { listNames } from './names.ts';
import type { Network } from './network.ts';
import { addressOfNamespace } from './targets.ts';

const kinds = ['ping', 'tcp', 'udp'] as const;
const milliseconds: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };

/** What the target of a check may be known by. */
interface Known {
  readonly network: Network;
  readonly names: HostNames;
}

export function normalizeChecks(context: Context, known: Known): Check[] {
  const checks: Check[] = [];
  for (const [index, raw] of (context.data.checks ?? []).entries()) {
    const check = expandCheck(context, { raw, known, at: pointer('checks', index) });
    if (check !== undefined) checks.push(check);
  }
  return checks;
}

interface RawAt {
  readonly raw: RawCheck;
  readonly known: Known;
  readonly at: string;
}

function expandCheck(context: Context, { raw, known, at }: RawAt): Check | undefined {
  const place: Place = { pointer: at, part: 'value' };
  const given = kinds.filter((kind) => raw[kind] !== undefined);
  const [kind] = given;
  const body: PingCheck | PortCheck | undefined = kind === undefined ? undefined : raw[kind];
  if (kind === undefined || body === undefined || given.length !== 1) {
    const has = given.length === 0 ? 'has none' : `has ${given.join(' and ')}`;
    const message = `a check is one of ping, tcp and udp, and this one ${has}`;
    const help = given.length > 1 ? 'write one check for each' : 'add one, such as ping: { from: a, to: b }';
    context.report({ code: 'check-kind', message, place, help });
    return undefined;
  }
  const isKnown = checkNamespace(context, body.from, { pointer: `${at}/${kind}/from`, part: 'value' });
  const toPlace: Place = { pointer: `${at}/${kind}/to`, part: 'value' };
  const target = kind === 'ping' ? { to: body.to, port: undefined } : splitPort(context, body.to, toPlace);
  const address = target && resolve(context, { to: target.to, from: body.from, known, place: toPlace });
  if (target === undefined || address === undefined || !isKnown) return undefined;
  const expect = body.expect ?? 'reachable';
  const ping = kind === 'ping' ? raw.ping : undefined;
  const atPort = kind === 'ping' ? undefined : raw[kind];
  return {
    kind,
    name: raw.name ?? `${kind} ${body.from} -> ${body.to}${expect === 'unreachable' ? ' unreachable' : ''}`,
    from: body.from,
    address,
    to: target.to,
    port: target.port,
    expect,
    within: expandTime(body.within ?? '5s'),
    count: ping?.count ?? 1,
    size: ping?.size,
    mayListen: atPort?.listener ?? true,
    ...(ping?.rtt === undefined ? {} : { rtt: expandBounds(context, ping.rtt, `${at}/ping/rtt`, expandRtt) }),
    ...(ping?.loss === undefined
      ? {}
      : { loss: expandBounds(context, ping.loss, `${at}/ping/loss`, parsePercent) }),
    place,
  };
}

function splitPort(
  { report }: Context,
  text: string,
  place: Place,
): { to: string; port: number } | undefined {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match !== null && port >= 1 && port <= 65535) return { to: match[1] ?? match[2] ?? '', port };
  const message =
    match === null ? `'${text}' is not a target with a port` : `port ${port} is not between 1 and 65535`;
  const help = 'write ADDRESS:PORT, [ADDRESS]:PORT for IPv6, or NAME:PORT';
  report({ code: 'check-target', message, place, ...(match === null ? { help } : {}) });
  return undefined;
}

interface Wanted {
  readonly to: string;
  readonly from: string;
  readonly known: Known;
  readonly place: Place;
}

function resolve(context: Context, { to, from, known, place }: Wanted): string | undefined {
  const ip = parseIp(to);
  if (ip !== undefined) return ip.address;
  const { network, names } = known;
  const isNamespace = to === HOST || context.declared.has(to);
  const found = isNamespace
    ? { of: to, address: addressOfNamespace(network, to, from) }
    : names.find(to, from);
  if (found === undefined) {
    failUnknown(context, { to, from, known, place });
    return undefined;
  }
  const { of, address } = found;
  if (address === undefined) {
    const message = `namespace ${of}${of === to ? '' : `, which is ${to},`} has no address to try`;
    context.report({ code: 'check-target', message, place, help: `name an address, or give ${of} one` });
  }
  return address;
}

function failUnknown({ declared, report }: Context, { to, from, known, place }: Wanted): void {
  const namespaces = [...declared.keys()];
  const others = known.names.known(from).filter((name) => !declared.has(name));
  const parts = [
    ...(namespaces.length === 0 ? [] : [`declared are ${listNames(namespaces)}`]),
    ...(others.length === 0 ? [] : [`other names are ${listNames(others)}`]),
  ];
  const nearest = suggest(to, [...namespaces, ...others]);
  const only = known.names.onlyIn(to);
  const help =
    only === undefined
      ? nearest && `did you mean '${nearest}'?`
      : `only ${only} knows it, by its hosts; aliases of a namespace are known to all`;
  report({
    code: 'check-target',
    message: [`'${to}' is neither an address nor a namespace, nor a name that ${from} knows`, ...parts].join(
      '; ',
    ),
    place,
    ...(help === undefined ? {} : { help }),
  });
}

/** The least and the most of something that a ping measures. */
function expandBounds(
  { report }: Context,
  raw: { readonly min?: string; readonly max?: string },
  at: string,
  parse: (text: string) => number | undefined,
): Bounds {
  const bound = (name: 'min' | 'max'): number | undefined => {
    const text = raw[name];
    const value = text === undefined ? undefined : parse(text);
    if (text !== undefined && value === undefined) {
      const such = parse === parsePercent ? 'a share such as 20%' : 'a time such as 40ms';
      const message = `'${name}' is '${text}'; write ${such}`;
      report({ code: 'check-bounds', message, place: { pointer: `${at}/${name}`, part: 'value' } });
    }
    return value;
  };
  const bounds = { min: bound('min'), max: bound('max') };
  if (bounds.min !== undefined && bounds.max !== undefined && bounds.min > bounds.max) {
    const message = `min ${raw.min} is more than max ${raw.max}`;
    report({ code: 'check-bounds', message, place: { pointer: at, part: 'value' } });
  }
  return bounds;
}

/** Milliseconds. */
function expandRtt(text: string): number | undefined {
  const microseconds = parseTime(text);
  return microseconds === undefined ? undefined : microseconds / 1000;
}

function expandTime(text: string): number {
  const [, number = '', unit = ''] = /^([0-9.]+)(ms|s|m)$/.exec(text) ?? [];
  return Math.round(Number(number) * (milliseconds[unit] ?? 0));
}
