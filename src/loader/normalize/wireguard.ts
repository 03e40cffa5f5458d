import type { WireguardPeer as RawPeer, Tunnel, TunnelEndpoint } from '../../generated/topology-file.ts';
import { compareNames } from '../../lib/collections.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { addressBits, parseIp } from '../../lib/ip.ts';
import { pointer } from '../../lib/pointer.ts';
import type { AllowedIp, WireguardPeer } from '../../topology/model.ts';
import { addEntry, type Context, checkNamespace } from './context.ts';
import { listNames } from './names.ts';
import { expandIp, expandPrefix, expandSettings, type Settings } from './settings.ts';

/** The port of wg-quick's and of everybody's examples. */
const DEFAULT_PORT = 51820;

/** One end as the file has it, with what the others need of it. */
interface End {
  readonly namespace: string;
  readonly raw: NonNullable<TunnelEndpoint>;
  readonly base: string;
  readonly place: Place;
  readonly settings: Settings;
  readonly local: string | undefined;
  readonly port: number | undefined;
  readonly keepalive: number;
  /** What the file says is behind it. */
  readonly behind: readonly AllowedIp[];
  /** That, and its own addresses. */
  readonly all: readonly AllowedIp[];
}

/** Makes the ends of a WireGuard tunnel peers of each other: each of each, or all of them of the hub. */
export function normalizeWireguard(context: Context, name: string, tunnel: Tunnel): void {
  const ends = Object.entries(tunnel.endpoints).map(([namespace, raw]) =>
    expandEnd(context, { name, tunnel, namespace, raw: raw ?? {} }),
  );
  const hub = checkHub(context, name, tunnel);
  const shared = tunnel.mtu;
  for (const end of ends) {
    const { namespace, raw, settings, place } = end;
    const others = ends.filter((other) => other !== end && arePeers(end, other, hub));
    const inFile = others.map((other) => endPeer(context, { name, hub, ends }, end, other));
    addEntry(context, {
      item: {
        kind: 'wireguard',
        namespace,
        name,
        addresses: settings.addresses,
        mtu: undefined,
        mtuPlace: undefined,
        macaddress: undefined,
        state: settings.state,
        alias: settings.alias,
        master: undefined,
        place,
        local: end.local,
        port: end.port,
        fwmark: raw.fwmark ?? 0,
        privateKeyFile: raw['private-key-file'],
        presharedKeyFile: raw['preshared-key-file'],
        keepalive: end.keepalive,
        allowedIps: end.behind,
        hub,
        peers: [...inFile.sort(byName), ...otherPeers(context, end).sort(byName)],
      },
      mtu:
        settings.mtu ??
        (shared === undefined
          ? undefined
          : { mtu: shared, place: { pointer: pointer('tunnels', name, 'mtu'), part: 'value' } }),
    });
  }
}

function byName(a: WireguardPeer, b: WireguardPeer): number {
  return compareNames(a.name, b.name);
}

interface RawEnd {
  readonly name: string;
  readonly tunnel: Tunnel;
  readonly namespace: string;
  readonly raw: NonNullable<TunnelEndpoint>;
}

function expandEnd(context: Context, { name, tunnel, namespace, raw }: RawEnd): End {
  const base = pointer('tunnels', name, 'endpoints', namespace);
  const place: Place = { pointer: base, part: 'key' };
  checkNamespace(context, namespace, place);
  const settings = expandSettings(raw, base, context.report);
  const local =
    raw.local === undefined
      ? undefined
      : expandIp(raw.local, { pointer: `${base}/local`, part: 'value' }, context.report);
  const behind = expandPrefixes(context, raw['allowed-ips'], `${base}/allowed-ips`);
  const own = settings.addresses.map(({ address, family, place: at }) => ({
    prefix: `${address}/${addressBits(family)}`,
    place: at,
  }));
  return {
    namespace,
    raw,
    base,
    place,
    settings,
    local,
    port: raw.port ?? tunnel.port ?? (raw.local === undefined ? undefined : DEFAULT_PORT),
    keepalive: raw.keepalive ?? tunnel.keepalive ?? 0,
    behind,
    all: [...own, ...behind],
  };
}

/** Sorted, each once: their order has no meaning. */
function expandPrefixes(context: Context, raw: readonly string[] | undefined, base: string): AllowedIp[] {
  const found = (raw ?? []).flatMap((text, index) => {
    const place: Place = { pointer: `${base}/${index}`, part: 'value' };
    const prefix = expandPrefix(text, place, context.report)?.prefix;
    return prefix === undefined ? [] : [{ prefix, place }];
  });
  return sortPrefixes(found);
}

function sortPrefixes(list: readonly AllowedIp[]): AllowedIp[] {
  const once = new Map(list.map((entry) => [entry.prefix, entry]));
  return [...once.values()].sort((a, b) => compareNames(a.prefix, b.prefix));
}

function checkHub(context: Context, name: string, { hub, endpoints }: Tunnel): string | undefined {
  if (hub === undefined || hub in endpoints) return hub;
  context.report({
    code: 'tunnel',
    message: `'${hub}' is not an end of ${name}; it has ${listNames(Object.keys(endpoints))}`,
    place: { pointer: pointer('tunnels', name, 'hub'), part: 'value' },
  });
  return undefined;
}

function arePeers(one: End, other: End, hub: string | undefined): boolean {
  return hub === undefined || one.namespace === hub || other.namespace === hub;
}

interface WholeTunnel {
  readonly name: string;
  readonly hub: string | undefined;
  readonly ends: readonly End[];
}

/** Another end of the file as a peer of this one. */
function endPeer(context: Context, { name, hub, ends }: WholeTunnel, end: End, other: End): WireguardPeer {
  // Through the hub an end reaches all the others.
  const isHub = other.namespace === hub;
  const reached = isHub ? ends.filter((one) => one !== end) : [other];
  const isFirst = end.namespace < other.namespace;
  if (isFirst) checkPairKeys(context, name, end, other);
  if (isFirst && end.local === undefined && other.local === undefined) {
    context.report({
      code: 'tunnel',
      message: `neither ${end.namespace}:${name} nor ${other.namespace}:${name} knows where the other is`,
      place: other.place,
      help: 'give at least one of them its outer address as local',
    });
  }
  return {
    name: other.namespace,
    isEnd: true,
    publicKey: undefined,
    endpoint:
      other.local === undefined || other.port === undefined
        ? undefined
        : formatEndpoint(other.local, other.port),
    allowedIps: sortPrefixes(reached.flatMap(({ all }) => all)),
    keepalive: end.keepalive,
    presharedKeyFile: end.raw['preshared-key-file'] ?? other.raw['preshared-key-file'],
    place: other.place,
  };
}

/** Two ends have one preshared key between them: either says which. */
function checkPairKeys(context: Context, name: string, end: End, other: End): void {
  const [own, theirs] = [end.raw['preshared-key-file'], other.raw['preshared-key-file']];
  if (own === undefined || theirs === undefined || own === theirs) return;
  const at = (one: End): Place => ({ pointer: `${one.base}/preshared-key-file`, part: 'value' });
  context.report({
    code: 'tunnel',
    message: `${end.namespace}:${name} and ${other.namespace}:${name} have different preshared keys, and are peers of each other`,
    place: at(other),
    help: 'one of the two is enough: it is used at both ends',
    related: [{ message: `${end.namespace}:${name} has its own here`, place: at(end) }],
  });
}

/** The peers of an end that are not in the file. */
function otherPeers(context: Context, { raw, base }: End): WireguardPeer[] {
  const seen = new Map<string, Place>();
  return Object.entries(Array.isArray(raw.peers) ? {} : (raw.peers ?? {})).map(([name, peer]) => {
    const at = `${base}/peers${pointer(name)}`;
    const key: Place = { pointer: `${at}/public-key`, part: 'value' };
    const earlier = seen.get(peer['public-key']);
    if (earlier !== undefined) {
      context.report({
        code: 'tunnel',
        message: `peer ${name} has the public key of another peer; the kernel tells peers apart by it`,
        place: key,
        related: [{ message: 'the other one is here', place: earlier }],
      });
    }
    seen.set(peer['public-key'], key);
    return {
      name,
      isEnd: false,
      publicKey: peer['public-key'],
      endpoint: expandEndpoint(context, peer, `${at}/endpoint`),
      allowedIps: expandPrefixes(context, peer['allowed-ips'], `${at}/allowed-ips`),
      keepalive: peer.keepalive ?? 0,
      presharedKeyFile: peer['preshared-key-file'],
      place: { pointer: at, part: 'key' },
    };
  });
}

/** An address and a port. A name would mean another address each time that it is asked for. */
function expandEndpoint(context: Context, { endpoint }: RawPeer, at: string): string | undefined {
  if (endpoint === undefined) return undefined;
  const [, inBrackets, plain, port] = /^(?:\[([^\]]*)\]|([^:]*)):([1-9][0-9]{0,4})$/.exec(endpoint) ?? [];
  const ip = parseIp(inBrackets ?? plain ?? '');
  const hasForm = ip !== undefined && (ip.family === 6) === (inBrackets !== undefined);
  if (hasForm && Number(port) <= 65535) return formatEndpoint(ip.address, Number(port));
  context.report({
    code: 'endpoint',
    message: `'${endpoint}' is not an address and a port; write one such as 192.0.2.1:51820 or "[2001:db8::1]:51820"`,
    place: { pointer: at, part: 'value' },
  });
  return undefined;
}

function formatEndpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
