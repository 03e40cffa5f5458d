import type { Nat as RawNat, PortRange as RawPortRange } from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { parseIp } from '../../lib/ip.ts';
import { HOST, type PortRange, type Publish } from '../../topology/model.ts';
import { suggest } from '../suggest.ts';
import type { Context } from './context.ts';
import { listNames } from './names.ts';
import type { Network } from './network.ts';
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
  readonly port: RawPortRange;
  readonly to: string;
  readonly toPort: RawPortRange | undefined;
  readonly protocol: 'tcp' | 'udp';
  readonly address: string | undefined;
  readonly place: Place;
  readonly at: (key: string) => Place;
}

const SHORT_FORM = '[ADDRESS:]PORT[-PORT]:TARGET[:PORT[-PORT]][/tcp|/udp]';

// The target is an address in brackets, an IPv4 address or a name; a name may hold anything but a colon or a slash.
const shortForm =
  /^(?:(\[[^\]]*\]|[^:[\]]+):)??([0-9]+(?:-[0-9]+)?):(\[[^\]]*\]|[^:/[\]]+)(?::([0-9]+(?:-[0-9]+)?))?(?:\/(tcp|udp))?$/;

export function normalizePublish(
  context: Context,
  { namespace, base, raw, network }: NamespacePublish,
): Publish[] {
  const result: Publish[] = [];
  for (const [index, published] of raw.entries()) {
    const at = `${base}/${index}`;
    const parts = typeof published === 'string' ? readShort(context, published, at) : readLong(published, at);
    const publish = parts && expandPublish(context, parts, { namespace, network });
    if (publish !== undefined) result.push(publish);
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
    port,
    to: unbracket(to),
    toPort,
    protocol: protocol === 'udp' ? 'udp' : 'tcp',
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
    protocol: raw.protocol ?? 'tcp',
    address: raw.address,
    place: { pointer: at, part: 'value' },
    at: (key) => ({ pointer: `${at}/${key}`, part: 'value' }),
  };
}

interface Where {
  readonly namespace: string;
  readonly network: Network;
}

function expandPublish(context: Context, parts: Parts, where: Where): Publish | undefined {
  const { report } = context;
  const port = expandRange(context, parts.port, parts.at('port'));
  const toPort = parts.toPort === undefined ? port : expandRange(context, parts.toPort, parts.at('to-port'));
  const to = expandTarget(context, parts, where);
  const address =
    parts.address === undefined ? undefined : expandIp(parts.address, parts.at('address'), report);
  if (port === undefined || toPort === undefined || to === undefined) return undefined;
  if (parts.address !== undefined && address === undefined) return undefined;
  const [ports, toPorts] = [sizeOf(port), sizeOf(toPort)];
  if (ports !== toPorts) {
    const message = `${ports} published ${ports === 1 ? 'port' : 'ports'} cannot lead to ${toPorts}; both ranges must have one size`;
    report({ code: 'bad-publish', message, place: parts.at('to-port') });
    return undefined;
  }
  if (address !== undefined && address.includes(':') !== to.includes(':')) {
    const message = `${address} and ${to} are of different families; a packet cannot change its own`;
    report({ code: 'bad-publish', message, place: parts.at('address') });
    return undefined;
  }
  return { protocol: parts.protocol, address, port, to, toPort, place: parts.place };
}

function expandTarget(
  context: Context,
  { to, at }: Parts,
  { namespace, network }: Where,
): string | undefined {
  const place = at('to');
  const ip = parseIp(to);
  if (ip !== undefined) return ip.address;
  const fail = (message: string, help?: string) =>
    context.report({ code: 'publish-target', message, place, ...(help === undefined ? {} : { help }) });
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
  const address = addressOfNamespace(network, to, namespace);
  if (address === undefined)
    fail(`namespace ${to} has no address that packets could go to`, `give ${to} an address`);
  return address;
}

function expandRange({ report }: Context, raw: RawPortRange, place: Place): PortRange | undefined {
  const [first = 0, last = first] = String(raw).split('-').map(Number);
  for (const port of [first, last]) {
    if (port >= 1 && port <= 65535) continue;
    report({ code: 'bad-publish', message: `port ${port} is not between 1 and 65535`, place });
    return undefined;
  }
  if (first <= last) return { first, last };
  report({ code: 'bad-publish', message: `the range ${raw} runs backwards; write ${last}-${first}`, place });
  return undefined;
}

function sizeOf({ first, last }: PortRange): number {
  return last - first + 1;
}

function unbracket(text: string): string {
  return text.replace(/^\[|\]$/g, '');
}
