import type { Tunnel as RawTunnel, TunnelEndpoint } from '../../generated/topology-file.ts';
import { compareNames } from '../../lib/collections.ts';
import { canonicalAddress } from '../../lib/ip.ts';
import { pointer } from '../../lib/pointer.ts';
import type { Direction, Geneve, Gre, IpTunnel, Tunnel, Vxlan } from '../../topology/model.ts';
import type { Context } from './context.ts';
import { expandFdb } from './tunnel-fdb.ts';
import { expandKey } from './tunnel-key.ts';
import { expandOuter, listedPeers } from './tunnel-outer.ts';

export interface TunnelEnd {
  readonly name: string;
  readonly tunnel: RawTunnel;
  readonly type: Tunnel['kind'];
  readonly namespace: string;
  readonly end: NonNullable<TunnelEndpoint>;
  /** What the other ends have as `local`. */
  readonly others: readonly string[];
}

/** What tunnelItem gets ready for each type. */
type Common = Omit<IpTunnel, 'kind' | 'remote' | 'mode' | 'pmtudisc' | 'encapLimit' | 'flowLabel'>;

/** The interface of one end, with what its type adds to what all of them have. */
export function tunnelItem(context: Context, tunnelEnd: TunnelEnd, common: Common): Tunnel {
  const kind = tunnelEnd.type;
  switch (kind) {
    case 'vxlan':
      return vxlanItem(context, tunnelEnd, common);
    case 'geneve':
      return geneveItem(context, tunnelEnd, common);
    case 'ipip':
    case 'sit':
    case 'ip6tnl':
      return ipTunnelItem(context, tunnelEnd, { ...common, kind });
    default:
      return greItem(context, tunnelEnd, { ...common, kind });
  }
}

function greItem(context: Context, tunnelEnd: TunnelEnd, common: Common & Pick<Gre, 'kind'>): Gre {
  const { name, tunnel, namespace, end } = tunnelEnd;
  const own = pointer('tunnels', name, 'endpoints', namespace, 'key');
  const shared = expandKey(context, tunnel.key, pointer('tunnels', name, 'key'));
  const { key } = end;
  const single = typeof key === 'object' ? undefined : expandKey(context, key, own);
  const [input, output] =
    typeof key === 'object'
      ? [expandKey(context, key.input, `${own}/input`), expandKey(context, key.output, `${own}/output`)]
      : [single, single];
  return {
    ...common,
    remote: remoteOf(context, tunnelEnd),
    inputKey: input ?? shared,
    outputKey: output ?? shared,
    seq: direction(end.seq ?? tunnel.seq),
    csum: direction(end.csum ?? tunnel.csum),
    pmtudisc: tunnel.pmtudisc ?? true,
    ignoreDf: tunnel['ignore-df'] ?? false,
    encapLimit: tunnel['encap-limit'] ?? 4,
    flowLabel: tunnel['flow-label'] ?? 0,
  };
}

function direction(value: boolean | 'input' | 'output' | undefined): Direction {
  if (typeof value === 'string') return value;
  return value === true ? 'both' : 'none';
}

function ipTunnelItem(
  context: Context,
  tunnelEnd: TunnelEnd,
  common: Common & Pick<IpTunnel, 'kind'>,
): IpTunnel {
  const { tunnel } = tunnelEnd;
  return {
    ...common,
    remote: remoteOf(context, tunnelEnd),
    mode: tunnel.mode ?? 'any',
    pmtudisc: tunnel.pmtudisc ?? true,
    encapLimit: tunnel['encap-limit'] ?? 4,
    flowLabel: tunnel['flow-label'] ?? 0,
  };
}

function geneveItem(context: Context, tunnelEnd: TunnelEnd, common: Common): Geneve {
  const { tunnel } = tunnelEnd;
  return {
    ...common,
    kind: 'geneve',
    remote: remoteOf(context, tunnelEnd),
    ...udpKeys(tunnel, { port: 6081, checksums: [] }),
  };
}

/** An own `remote` replaces the other ends, as it does for the other kinds; `peers` come in addition. */
function vxlanItem(context: Context, tunnelEnd: TunnelEnd, common: Common): Vxlan {
  const { name, tunnel, namespace, end, others } = tunnelEnd;
  const at = pointer('tunnels', name, 'endpoints', namespace, 'remote');
  const remotes = remotesOf(end).map((text, index) =>
    expandOuter(context, text, Array.isArray(end.remote) ? `${at}/${index}` : at, tunnel),
  );
  const isImplied = end.remote === undefined && tunnel.group === undefined;
  const found = isImplied ? others.map(canonicalAddress) : remotes;
  const more = [...(tunnel.peers ?? []), ...listedPeers(end)].map(canonicalAddress);
  const peers = new Set([...found, ...more].filter((peer) => peer !== undefined && peer !== common.local));
  const range = tunnel['port-range'];
  return {
    kind: 'vxlan',
    ...common,
    ...udpKeys(tunnel, { port: 4789, checksums: ['udp'] }),
    peers: [...peers].filter((peer) => peer !== undefined).sort(compareNames),
    group:
      tunnel.group === undefined
        ? undefined
        : expandOuter(context, tunnel.group, pointer('tunnels', name, 'group'), tunnel),
    learning: tunnel.learning ?? true,
    ageing: tunnel.ageing ?? 300,
    limit: tunnel.limit ?? 0,
    arpProxy: tunnel['arp-proxy'] ?? false,
    shortCircuit: tunnel['short-circuit'] ?? false,
    notifications: sorted(tunnel.notifications ?? []),
    extensions: sorted(tunnel.extensions ?? []),
    portRange: range && { first: range[0], last: range[1] },
    fdb: expandFdb(tunnelEnd, common.local),
  };
}

function udpKeys(tunnel: RawTunnel, defaults: Pick<Geneve, 'port' | 'checksums'>) {
  const label = tunnel['flow-label'] ?? 0;
  return {
    id: tunnel.id ?? 0,
    port: tunnel.port ?? defaults.port,
    doNotFragment: tunnel['do-not-fragment'] ?? false,
    flowLabel: label === 'inherit' ? 0 : label,
    checksums: sorted(tunnel.checksums ?? defaults.checksums),
  };
}

function sorted<T extends string>(values: readonly T[]): readonly T[] {
  return [...new Set(values)].sort(compareNames);
}

/** The one address that a tunnel goes to: its own, or that of the other end. */
function remoteOf(context: Context, { name, tunnel, namespace, end, others }: TunnelEnd): string | undefined {
  const at = pointer('tunnels', name, 'endpoints', namespace, 'remote');
  const [first, ...more] = remotesOf(end);
  if (more.length > 0) {
    const message = `${tunnel.type} goes to one remote address, and this one has ${more.length + 1}; vxlan takes a list`;
    context.report({ code: 'tunnel', message, place: { pointer: at, part: 'value' } });
  }
  if (first !== undefined)
    return expandOuter(context, first, Array.isArray(end.remote) ? `${at}/0` : at, tunnel);
  const [other] = others;
  return other === undefined ? undefined : canonicalAddress(other);
}

function remotesOf({ remote }: NonNullable<TunnelEndpoint>): readonly string[] {
  return typeof remote === 'string' ? [remote] : (remote ?? []);
}
