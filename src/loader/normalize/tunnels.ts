import type { Tunnel, TunnelEndpoint } from '../../generated/topology-file.ts';
import { compareNames } from '../../lib/collections.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { canonicalAddress, parseIp } from '../../lib/ip.ts';
import { pointer } from '../../lib/pointer.ts';
import type { Gre, Vxlan } from '../../topology/model.ts';
import { addEntry, type Context, checkNamespace } from './context.ts';
import { nameSysctls } from './interface-sysctls.ts';
import { deriveMac } from './macaddress.ts';
import { expandIp, expandSettings } from './settings.ts';
import { checkTunnelShape, expandKey, foreignKeys } from './tunnel-shape.ts';

/** Each tunnel becomes one interface in each of its namespaces. */
export function normalizeTunnels(context: Context): void {
  for (const [name, tunnel] of Object.entries(context.data.tunnels ?? {})) {
    foreignKeys(context, name, tunnel);
    checkTunnelShape(context, name, tunnel);
    const locals = Object.entries(tunnel.endpoints).map(([namespace, end]) => ({
      namespace,
      local: end?.local,
    }));
    for (const [namespace, end] of Object.entries(tunnel.endpoints)) {
      const others = locals
        .filter((other) => other.namespace !== namespace)
        .flatMap(({ local }) => local ?? []);
      addTunnelEnd(context, { name, tunnel, namespace, end: end ?? {}, others });
    }
  }
}

interface TunnelEnd {
  readonly name: string;
  readonly tunnel: Tunnel;
  readonly namespace: string;
  readonly end: NonNullable<TunnelEndpoint>;
  /** What the other ends have as `local`. */
  readonly others: readonly string[];
}

function addTunnelEnd(context: Context, tunnelEnd: TunnelEnd): void {
  const { name, tunnel, namespace, end } = tunnelEnd;
  const base = pointer('tunnels', name, 'endpoints', namespace);
  const place: Place = { pointer: base, part: 'key' };
  checkNamespace(context, namespace, place);
  const settings = expandSettings(end, base, context.report);
  const isEthernet = tunnel.type !== 'gre' && tunnel.type !== 'ip6gre';
  const shared = tunnel.mtu;
  const common = {
    namespace,
    name,
    addresses: settings.addresses,
    mtu: undefined,
    mtuPlace: undefined,
    macaddress: isEthernet
      ? (settings.macaddress ?? deriveMac(context, { ...settings, namespace, name }))
      : undefined,
    state: settings.state,
    alias: settings.alias,
    master: undefined,
    sysctls: nameSysctls(settings.sysctls, name),
    place,
    local: end.local === undefined ? undefined : expandOuter(context, end.local, `${base}/local`, tunnel),
    dev: end.dev,
    // With a ttl of its own an outer packet cannot circle for ever where the underlay's route leads into the tunnel, and
    // the kernel keeps path MTU discovery on for GRE (ip_gre refuses `nopmtudisc` with a fixed ttl).
    ttl: tunnel.ttl ?? 64,
    tos: tunnel.tos ?? 0,
  };
  const item =
    tunnel.type === 'vxlan'
      ? vxlanItem(context, tunnelEnd, common)
      : greItem(context, tunnelEnd, { ...common, kind: tunnel.type });
  addEntry(context, {
    item,
    mtu:
      settings.mtu ??
      (shared === undefined
        ? undefined
        : { mtu: shared, place: { pointer: pointer('tunnels', name, 'mtu'), part: 'value' } }),
  });
}

function greItem(
  context: Context,
  { name, tunnel, namespace, end, others }: TunnelEnd,
  common: Omit<Gre, 'remote' | 'key'>,
): Gre {
  const at = pointer('tunnels', name, 'endpoints', namespace, 'remote');
  const [first, ...more] = remotesOf(end);
  if (more.length > 0) {
    const message = `${tunnel.type} goes to one remote address, and this one has ${more.length + 1}; vxlan takes a list`;
    context.report({ code: 'tunnel', message, place: { pointer: at, part: 'value' } });
  }
  const [other] = others;
  const own =
    first === undefined ? undefined : expandOuter(context, first, firstRemotePointer(end, at), tunnel);
  return {
    ...common,
    remote: own ?? (first === undefined && other !== undefined ? canonicalAddress(other) : undefined),
    key: expandKey(context, name, tunnel.key),
  };
}

/** An own `remote` replaces the other ends, as it does for the other kinds; `peers` come in addition. */
function vxlanItem(
  context: Context,
  { name, tunnel, namespace, end, others }: TunnelEnd,
  common: Omit<Vxlan, 'kind' | 'id' | 'port' | 'learning' | 'peers'>,
): Vxlan {
  const at = pointer('tunnels', name, 'endpoints', namespace, 'remote');
  const remotes = remotesOf(end).map((text, index) =>
    expandOuter(context, text, Array.isArray(end.remote) ? `${at}/${index}` : at, tunnel),
  );
  const found = end.remote === undefined ? others.map(canonicalAddress) : remotes;
  const more = (tunnel.peers ?? []).map(canonicalAddress);
  const peers = new Set([...found, ...more].filter((peer) => peer !== undefined && peer !== common.local));
  return {
    kind: 'vxlan',
    ...common,
    id: tunnel.id ?? 0,
    port: tunnel.port ?? 4789,
    learning: tunnel.learning ?? true,
    peers: [...peers].filter((peer) => peer !== undefined).sort(compareNames),
  };
}

function remotesOf({ remote }: NonNullable<TunnelEndpoint>): readonly string[] {
  return typeof remote === 'string' ? [remote] : (remote ?? []);
}

function firstRemotePointer({ remote }: NonNullable<TunnelEndpoint>, at: string): string {
  return Array.isArray(remote) ? `${at}/0` : at;
}

/** An address of the outer packet, of the family that the type travels in. */
export function expandOuter(
  context: Context,
  text: string,
  at: string,
  { type }: Tunnel,
): string | undefined {
  const place: Place = { pointer: at, part: 'value' };
  const address = expandIp(text, place, context.report);
  if (address === undefined || type === 'vxlan') return address;
  const family = parseIp(address)?.family;
  const wanted = type.startsWith('ip6') ? 6 : 4;
  if (family === wanted) return address;
  const other = type.startsWith('ip6') ? type.slice('ip6'.length) : `ip6${type}`;
  context.report({
    code: 'tunnel',
    message: `${type} travels in IPv${wanted} packets, and ${address} is an IPv${family} address`,
    place,
    help: `use type: ${other} for IPv${family}`,
  });
  return undefined;
}
