import { UsageError } from '../lib/errors.ts';
import { parseIp } from '../lib/ip.ts';
import { suggest } from '../loader/suggest.ts';
import type { Live, LiveNamespace } from '../observe/live.ts';

export type ProbeProtocol = 'icmp' | 'tcp' | 'udp';

/** What the user asks for, with names resolved. */
export interface ExplainRequest {
  readonly from: string;
  readonly address: string;
  /** The address, or the name that stands for it. */
  readonly to: string;
  readonly port: number | undefined;
  readonly protocol: ProbeProtocol;
}

const form = /^(\[[^\]]+\]|[^:/[\]]+|[0-9a-fA-F:.]*::?[0-9a-fA-F:.]*)(?::(\d+))?(?:\/(tcp|udp|icmp))?$/;

/**
 * `10.0.0.3`, `web`, `www.lab.example:80`, `10.0.0.3:53/udp`, `[2001:db8::3]:80`.
 *
 * @throws UsageError when it is none of these.
 */
export function readRequest(from: string, text: string, live: Live): ExplainRequest {
  const bare = parseIp(text);
  const [, host = '', port, word] = bare === undefined ? (form.exec(text) ?? []) : [undefined, text];
  if (host === '')
    throw new UsageError(
      `'${text}' is no destination`,
      'write an address or a name, and a port where it is not a ping: 10.0.0.3, web:80, [2001:db8::3]:53/udp',
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

/** A namespace's own name, or what the /etc/hosts of the source says. */
function addressOf(name: string, from: string, live: Live): string {
  const namespace = live.namespaces.get(name);
  if (namespace !== undefined) return nearestAddress(namespace, from, live);
  const entry = entriesFor(from, live).find(({ names }) => names.includes(name));
  if (entry === undefined) throw unknownName(name, from, live);
  const owner = live.namespaces.get(entry.names[0] ?? '');
  return owner === undefined ? entry.address : nearestAddress(owner, from, live);
}

function unknownName(name: string, from: string, live: Live): UsageError {
  const names = entriesFor(from, live).flatMap((entry) => entry.names);
  const nearest = suggest(name, [...live.namespaces.keys(), ...names]);
  return new UsageError(
    `'${name}' is neither an address nor a namespace, nor a name that ${from} knows`,
    nearest && `did you mean '${nearest}'?`,
  );
}

interface HostsEntry {
  readonly address: string;
  readonly names: readonly string[];
}

/**
 * The hosts file of a namespace. The machine and others without one of topoweave's know the names of each namespace too,
 * which stand behind its own in the files of all others.
 */
function entriesFor(from: string, { etc, namespaces }: Live): HostsEntry[] {
  const own = etc?.get(from)?.get('hosts');
  if (own !== undefined) return readHosts(own.lines);
  const lab = namespaces.get(from)?.mark?.lab;
  const files = [...(etc?.values() ?? [])].flatMap((folder) => folder.get('hosts') ?? []);
  return files
    .filter((file) => file.lab !== undefined && (lab === undefined || file.lab === lab))
    .flatMap(({ lines }) => readHosts(lines))
    .filter(({ names }) => namespaces.has(names[0] ?? ''));
}

/** hosts(5): an address and its names in each line. */
function readHosts(lines: readonly string[]): HostsEntry[] {
  return lines.flatMap((line) => {
    const [text = '', ...names] = (line.split('#')[0] ?? '').trim().split(/\s+/);
    const ip = parseIp(text);
    return ip === undefined ? [] : [{ address: ip.address, names }];
  });
}

/** The address of a namespace that is nearest: one in a subnet of the source, or else the first one. */
function nearestAddress(namespace: LiveNamespace, from: string, live: Live): string {
  const own = globalAddresses(namespace);
  const source = live.namespaces.get(from);
  const near = source === undefined ? [] : globalAddresses(source).map(prefixOf);
  const found = own.find((address) => near.includes(prefixOf(address))) ?? own[0];
  if (found === undefined) throw new UsageError(`namespace ${namespace.name} has no address`);
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
