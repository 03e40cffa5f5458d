import { UsageError } from '../lib/errors.ts';
import { parseIp } from '../lib/ip.ts';
import type { Live, LiveNamespace } from '../observe/live.ts';

export type ProbeProtocol = 'icmp' | 'tcp' | 'udp';

/** What the user asks for, with names resolved. */
export interface ExplainRequest {
  readonly from: string;
  readonly address: string;
  /** The address, or the namespace that it was named by. */
  readonly to: string;
  readonly port: number | undefined;
  readonly protocol: ProbeProtocol;
}

const form = /^(\[[^\]]+\]|[^:/[\]]+|[0-9a-fA-F:.]*::?[0-9a-fA-F:.]*)(?::(\d+))?(?:\/(tcp|udp|icmp))?$/;

/**
 * `10.0.0.3`, `web`, `web:80`, `10.0.0.3:53/udp`, `[2001:db8::3]:80`.
 *
 * @throws UsageError when it is none of these.
 */
export function readRequest(from: string, text: string, live: Live): ExplainRequest {
  const bare = parseIp(text);
  const [, host = '', port, word] = bare === undefined ? (form.exec(text) ?? []) : [undefined, text];
  if (host === '')
    throw new UsageError(
      `'${text}' is no destination`,
      'write an address or a namespace, and a port where it is not a ping: 10.0.0.3, web:80, [2001:db8::3]:53/udp',
    );
  const protocol: ProbeProtocol =
    word === undefined ? (port === undefined ? 'icmp' : 'tcp') : (word as ProbeProtocol);
  if (protocol === 'icmp' && port !== undefined)
    throw new UsageError('icmp has no ports', `write ${host}/icmp`);
  if (protocol !== 'icmp' && port === undefined)
    throw new UsageError(`${protocol} needs a port`, `write ${host}:80/${protocol}`);
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65535))
    throw new UsageError(`port ${port} is not between 1 and 65535`);
  const to = host.replace(/^\[|\]$/g, '');
  const ip = parseIp(to);
  const address = ip?.address ?? addressOf(to, from, live);
  return { from, address, to, protocol, port: port === undefined ? undefined : Number(port) };
}

/** The address of a namespace that is nearest: one in a subnet of the source, or else the first one. */
function addressOf(name: string, from: string, live: Live): string {
  const namespace = live.namespaces.get(name);
  if (namespace === undefined)
    throw new UsageError(`'${name}' is neither an address nor a namespace of this machine`);
  const own = globalAddresses(namespace);
  const source = live.namespaces.get(from);
  const near = source === undefined ? [] : globalAddresses(source).map(prefixOf);
  const found = own.find((address) => near.includes(prefixOf(address))) ?? own[0];
  if (found === undefined) throw new UsageError(`namespace ${name} has no address`);
  return found.local;
}

type Found = { readonly local: string; readonly prefixlen: number };

function globalAddresses({ links }: LiveNamespace): Found[] {
  const all = links.flatMap(({ addr_info: addresses = [] }) => addresses);
  const usable = all.filter(({ scope, local }) => scope === 'global' && parseIp(local) !== undefined);
  return usable.sort((a, b) => Number(a.local.includes(':')) - Number(b.local.includes(':')));
}

/** The subnet of an address, as text to compare. */
function prefixOf({ local, prefixlen }: Found): string {
  const ip = parseIp(local);
  if (ip === undefined) return '';
  const hostBits = BigInt((ip.family === 4 ? 32 : 128) - prefixlen);
  return `${ip.family} ${prefixlen} ${ip.value >> hostBits}`;
}
