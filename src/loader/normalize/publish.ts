import type { Nat as RawNat, PortRange as RawPortRange } from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { parseIp } from '../../lib/ip.ts';
import { type Exposed, HOST, type Publish } from '../../topology/model.ts';
import { suggest } from '../suggest.ts';
import type { Context } from './context.ts';
import { listNames } from './names.ts';
import type { Network } from './network.ts';
import { expandRange, singlePorts, sizeOf } from './port-range.ts';
import { expandIp } from './settings.ts';
import { addressOfNamespace } from './targets.ts';

type RawPublish = NonNullable<RawNat['publish']>[number];

interface NamespacePublish {
  readonly namespace: string;
  /** The pointer of the list. */
  readonly base: string;
  readonly raw: readonly RawPublish[];
  readonly network: Network;
}

/** The long form of a published port, and where each part of it is. */
interface Parts {
  /** `auto`: one that is free. */
  readonly port: RawPortRange;
  readonly to: string;
  readonly toPort: RawPortRange | undefined;
  /** undefined: nothing is said, which is TCP, or what the target exposes. */
  readonly protocol: Publish['protocol'] | undefined;
  readonly address: string | undefined;
  readonly place: Place;
  readonly at: (key: string) => Place;
}

/** Of packets that are led on: `undefined` where the target tells it. */
interface Scope {
  readonly address: string | undefined;
  readonly family: 4 | 6 | undefined;
}

const SHORT_FORM = '[ADDRESS:][PORT[-PORT]]:TARGET[:PORT[-PORT]][/tcp|/udp|/sctp]';

// The target is an address in brackets, an IPv4 address or a name; a name may hold anything but a colon or a slash.
// Nothing in the place of the port means one that is free.
const shortForm =
  /^(?:(\[[^\]]*\]|[^:[\]]+):)??([0-9]+(?:-[0-9]+)?|):(\[[^\]]*\]|[^:/[\]]+)(?::([0-9]+(?:-[0-9]+)?))?(?:\/(tcp|udp|sctp))?$/;

export function normalizePublish(
  context: Context,
  { namespace, base, raw, network }: NamespacePublish,
): Publish[] {
  const result: Publish[] = [];
  for (const [index, published] of raw.entries()) {
    const at = `${base}/${index}`;
    const parts = typeof published === 'string' ? readShort(context, published, at) : readLong(published, at);
    if (parts !== undefined) result.push(...expandPublish(context, parts, { namespace, network }));
  }
  return result;
}

function readShort({ report }: Context, text: string, at: string): Parts | undefined {
  const place: Place = { pointer: at, part: 'value' };
  const match = shortForm.exec(text);
  if (match === null) {
    const help = `write ${SHORT_FORM}, such as 8080:10.0.0.3:80; an IPv6 address in brackets`;
    report({ code: 'bad-publish', message: `'${text}' is not a published port`, place, help });
    return undefined;
  }
  const [, address, port = '', to = '', toPort, protocol] = match;
  return {
    port: port === '' ? 'auto' : port,
    to: unbracket(to),
    toPort,
    protocol: protocol as Publish['protocol'] | undefined,
    address: address === undefined ? undefined : unbracket(address),
    place,
    at: () => place,
  };
}

function readLong(raw: Exclude<RawPublish, string>, at: string): Parts {
  return {
    port: raw.port,
    to: raw.to,
    toPort: raw['to-port'],
    protocol: raw.protocol,
    address: raw.address,
    place: { pointer: at, part: 'value' },
    at: (key) => ({ pointer: `${at}/${key}`, part: 'value' }),
  };
}

interface Where {
  readonly namespace: string;
  readonly network: Network;
}

/** One, or as many as there are ports of the target where each of them gets one of its own that is free. */
function expandPublish(context: Context, parts: Parts, where: Where): Publish[] {
  const { report } = context;
  const ports = expandPorts(context, parts);
  const scope = expandScope(context, parts);
  if (scope === undefined) return [];
  const to = expandTarget(context, parts, { ...where, family: scope.family });
  if (ports === undefined || to === undefined) return [];
  const { address, family } = scope;
  const shown = address ?? parts.address;
  if (family !== undefined && (family === 6) !== to.includes(':')) {
    const message = `${shown} and ${to} are of different families; a packet cannot change its own`;
    report({ code: 'bad-publish', message, place: parts.at('address') });
    return [];
  }
  if (address === '::1') {
    report({
      severity: 'warning',
      code: 'publish-loopback',
      message: 'the kernel leads no packet for ::1 to another namespace, so this port is not published',
      place: parts.at('address'),
      help: 'publish it at 127.0.0.1, or at another IPv6 address',
    });
    return [];
  }
  const { place } = parts;
  return ports.map(({ protocol, port, toPort }) => ({
    protocol,
    address,
    port,
    isChosen: port === undefined,
    to,
    toPort,
    place,
  }));
}

type Ports = Pick<Publish, 'protocol' | 'port' | 'toPort'>;

function expandPorts(context: Context, parts: Parts): Ports[] | undefined {
  const { report } = context;
  const { protocol = 'tcp', at } = parts;
  if (parts.port === 'auto') {
    const offered = parts.toPort === undefined ? offeredPorts(context, parts) : namedPorts(context, parts);
    return offered?.flatMap((exposed) =>
      singlePorts(exposed.port).map((toPort) => ({ protocol: exposed.protocol, port: undefined, toPort })),
    );
  }
  const port = expandRange(parts.port, at('port'), report);
  const toPort = parts.toPort === undefined ? port : expandRange(parts.toPort, at('to-port'), report);
  if (port === undefined || toPort === undefined) return undefined;
  const [size, toSize] = [sizeOf(port), sizeOf(toPort)];
  if (size === toSize) return [{ protocol, port, toPort }];
  const message = `${size} published ${size === 1 ? 'port' : 'ports'} cannot lead to ${toSize}; both ranges must have one size`;
  report({ code: 'bad-publish', message, place: at('to-port') });
  return undefined;
}

/** The ports that a chosen one leads to, where the entry says which. */
function namedPorts(
  { report }: Context,
  { toPort = '', protocol = 'tcp', at }: Parts,
): Exposed[] | undefined {
  const port = expandRange(toPort, at('to-port'), report);
  return port === undefined ? undefined : [{ protocol, port }];
}

/** Where it does not: those that the target exposes, of one protocol or of all. */
function offeredPorts(
  { exposed, declared, report }: Context,
  { to, protocol, at }: Parts,
): readonly Exposed[] | undefined {
  if (parseIp(to) !== undefined) {
    const message = 'a port that is chosen needs the port that it leads to';
    report({
      code: 'bad-publish',
      message,
      place: at('port'),
      help: `write it behind the target: :${to.includes(':') ? `[${to}]` : to}:80`,
    });
    return undefined;
  }
  const found = (exposed.get(to) ?? []).filter(
    (port) => protocol === undefined || port.protocol === protocol,
  );
  // What is not declared is told of elsewhere.
  if (found.length > 0 || !declared.has(to)) return found;
  const what = protocol === undefined ? 'no port' : `no port of ${protocol.toUpperCase()}`;
  const help = `write 'expose: [80]' at ${to}, or the port behind it: :${to}:80`;
  report({ code: 'bad-publish', message: `${to} exposes ${what}`, place: at('to'), help });
  return undefined;
}

/** An address, or, as `0.0.0.0` and `::`, all addresses of a family. */
function expandScope({ report }: Context, { address: text, at }: Parts): Scope | undefined {
  if (text === undefined) return { address: undefined, family: undefined };
  const address = expandIp(text, at('address'), report);
  const ip = address === undefined ? undefined : parseIp(address);
  if (ip === undefined) return undefined;
  return { address: ip.value === 0n ? undefined : ip.address, family: ip.family };
}

function expandTarget(
  context: Context,
  { to, at }: Parts,
  { namespace, network, family }: Where & { readonly family: 4 | 6 | undefined },
): string | undefined {
  const place = at('to');
  const ip = parseIp(to);
  const fail = (message: string, help?: string) =>
    context.report({ code: 'publish-target', message, place, ...(help === undefined ? {} : { help }) });
  if (ip !== undefined) return ip.address;
  if (to !== HOST && !context.declared.has(to)) {
    const names = [...context.declared.keys()];
    const nearest = suggest(to, names);
    const known = names.length === 0 ? '' : `; declared are ${listNames(names)}`;
    fail(
      `target '${to}' is neither an address nor a namespace${known}`,
      nearest && `did you mean '${nearest}'?`,
    );
    return undefined;
  }
  const address = addressOfNamespace(network, to, namespace, family);
  if (address === undefined) {
    const kind = family === undefined ? 'address' : `IPv${family} address`;
    fail(`namespace ${to} has no ${kind} that packets could go to`, `give ${to} an ${kind}`);
  }
  return address;
}

function unbracket(text: string): string {
  return text.replace(/^\[|\]$/g, '');
}
