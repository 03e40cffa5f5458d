import type {
  Direction,
  Geneve,
  Gre,
  Interface,
  IpTunnel,
  Tunnel,
  Vxlan,
  Wireguard,
  WireguardPeer,
} from '../../topology/model.ts';
import { isTunnel, type TunnelInterface, tunnelTypes } from '../normalize/underlay.ts';
import { longSettings } from './interfaces.ts';

/** Interfaces of one name are the ends of one tunnel, as in the file. */
export function longTunnels(interfaces: readonly Interface[]): object {
  const byName = new Map<string, TunnelInterface[]>();
  for (const item of interfaces) {
    if (!isTunnel(item)) continue;
    const ends = byName.get(item.name);
    if (ends === undefined) byName.set(item.name, [item]);
    else ends.push(item);
  }
  const names = [...byName.keys()].sort();
  return Object.fromEntries(names.map((name) => [name, longTunnel(byName.get(name) ?? [])]));
}

function longTunnel(all: readonly TunnelInterface[]): object {
  const [first] = all;
  if (first === undefined) return {};
  if (first.kind === 'wireguard')
    return longWireguard(
      first,
      all.filter((end) => end.kind === 'wireguard'),
    );
  const ends = all.filter((end) => end.kind !== 'wireguard');
  return {
    type: first.kind,
    ...longType(first),
    ttl: first.ttl,
    tos: first.tos,
    ...(first.was === undefined ? {} : { was: first.was }),
    endpoints: Object.fromEntries(ends.map((end) => [end.namespace, longTunnelEnd(end)])),
  };
}

/** What all ends share. */
function longType(item: Tunnel): object {
  switch (item.kind) {
    case 'vxlan':
      return { ...longUdp(item), ...longVxlan(item) };
    case 'geneve':
      return longUdp(item);
    case 'ipip':
    case 'sit':
    case 'ip6tnl':
      return { mode: item.mode, ...longOuter(item) };
    default:
      return {
        ...longOuter(item),
        ...(item.kind === 'gre' || item.kind === 'gretap' ? { 'ignore-df': item.ignoreDf } : {}),
      };
  }
}

function longOuter({ kind, pmtudisc, encapLimit, flowLabel }: Gre | IpTunnel): object {
  return tunnelTypes[kind].outer === 4
    ? { pmtudisc }
    : { 'encap-limit': encapLimit, 'flow-label': flowLabel };
}

function longUdp({ id, port, checksums, doNotFragment, flowLabel }: Vxlan | Geneve): object {
  return { id, port, checksums, 'do-not-fragment': doNotFragment, 'flow-label': flowLabel };
}

function longVxlan(item: Vxlan): object {
  const { group, portRange } = item;
  return {
    learning: item.learning,
    ...(group === undefined ? {} : { group }),
    ageing: item.ageing,
    limit: item.limit,
    'arp-proxy': item.arpProxy,
    'short-circuit': item.shortCircuit,
    notifications: item.notifications,
    extensions: item.extensions,
    ...(portRange === undefined ? {} : { 'port-range': [portRange.first, portRange.last] }),
  };
}

function longTunnelEnd(end: Tunnel): object {
  const { local, dev } = end;
  return {
    ...(local === undefined ? {} : { local }),
    ...longRemote(end),
    ...(dev === undefined ? {} : { dev }),
    ...('seq' in end ? longGreEnd(end) : {}),
    ...(end.kind === 'vxlan' && end.fdb.length > 0
      ? { fdb: Object.fromEntries(end.fdb.map(({ mac, peer }) => [mac, peer])) }
      : {}),
    ...longSettings(end),
  };
}

function longGreEnd({ inputKey, outputKey, seq, csum }: Gre): object {
  const keys = {
    ...(inputKey === undefined ? {} : { input: inputKey }),
    ...(outputKey === undefined ? {} : { output: outputKey }),
  };
  const key = inputKey === outputKey ? inputKey : keys;
  return { ...(key === undefined ? {} : { key }), seq: longDirection(seq), csum: longDirection(csum) };
}

function longDirection(direction: Direction): boolean | string {
  if (direction === 'none') return false;
  return direction === 'both' ? true : direction;
}

function longRemote(end: Tunnel): object {
  if (end.kind !== 'vxlan') return end.remote === undefined ? {} : { remote: end.remote };
  if (end.group !== undefined) return {};
  // An empty list too: without it the other ends' addresses would be taken.
  return { remote: end.peers.length === 1 ? end.peers[0] : end.peers };
}

/** The other ends of the file follow from the ends themselves. */
function longWireguard({ hub }: Wireguard, ends: readonly Wireguard[]): object {
  return {
    type: 'wireguard',
    ...(hub === undefined ? {} : { hub }),
    endpoints: Object.fromEntries(ends.map((end) => [end.namespace, longWireguardEnd(end)])),
  };
}

function longWireguardEnd(end: Wireguard): object {
  const { local, port, fwmark, privateKeyFile, allowedIps, peers } = end;
  const others = peers.filter(({ isEnd }) => !isEnd);
  return {
    ...(local === undefined ? {} : { local }),
    ...(port === undefined ? {} : { port }),
    ...(privateKeyFile === undefined ? {} : { 'private-key-file': privateKeyFile }),
    ...(allowedIps.length === 0 ? {} : { 'allowed-ips': allowedIps.map(({ prefix }) => prefix) }),
    ...longWireguardOptions(end),
    ...(fwmark === 0 ? {} : { fwmark }),
    ...(others.length === 0
      ? {}
      : { peers: Object.fromEntries(others.map((peer) => [peer.name, longWireguardPeer(peer)])) }),
    ...longSettings(end),
  };
}

function longWireguardPeer(peer: WireguardPeer): object {
  const { publicKey, endpoint, allowedIps } = peer;
  return {
    'public-key': publicKey,
    ...(endpoint === undefined ? {} : { endpoint }),
    'allowed-ips': allowedIps.map(({ prefix }) => prefix),
    ...longWireguardOptions(peer),
  };
}

function longWireguardOptions({
  keepalive,
  presharedKeyFile,
}: Pick<WireguardPeer, 'keepalive' | 'presharedKeyFile'>): object {
  return {
    ...(keepalive === 0 ? {} : { keepalive }),
    ...(presharedKeyFile === undefined ? {} : { 'preshared-key-file': presharedKeyFile }),
  };
}
