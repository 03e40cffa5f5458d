import type { Tunnel } from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { parseIp } from '../../lib/ip.ts';
import { pointer } from '../../lib/pointer.ts';
import { type Context, interfaceKey } from './context.ts';
import { expandIp } from './settings.ts';
import { checkTunnelKeys } from './tunnel-keys.ts';
import { listedPeers } from './tunnel-outer.ts';
import { tunnelTypes } from './underlay.ts';
import { checkVxlan } from './vxlan-shape.ts';

type Type = Tunnel['type'];

const gre: readonly Type[] = ['gre', 'gretap', 'ip6gre', 'ip6gretap'];
const udp: readonly Type[] = ['vxlan', 'geneve'];
const overIpv4: readonly Type[] = ['gre', 'gretap', 'ipip', 'sit'];
const overIpv6: readonly Type[] = ['ip6gre', 'ip6gretap', 'ip6tnl'];

const notWireguard: readonly Type[] = [...overIpv4, ...overIpv6, ...udp];

/** Keys that only some types have, of the tunnel or of one end. */
const ownKeys: Readonly<Record<string, readonly Type[]>> = {
  mode: ['ipip', 'sit', 'ip6tnl'],
  key: gre,
  seq: gre,
  csum: gre,
  pmtudisc: overIpv4,
  'ignore-df': ['gre', 'gretap'],
  'encap-limit': overIpv6,
  'flow-label': [...overIpv6, ...udp],
  id: udp,
  port: [...udp, 'wireguard'],
  hub: ['wireguard'],
  keepalive: ['wireguard'],
  'private-key-file': ['wireguard'],
  'allowed-ips': ['wireguard'],
  'preshared-key-file': ['wireguard'],
  fwmark: ['wireguard'],
  ttl: notWireguard,
  tos: notWireguard,
  remote: notWireguard,
  dev: notWireguard,
  checksums: udp,
  'do-not-fragment': udp,
  'port-range': ['vxlan'],
  learning: ['vxlan'],
  group: ['vxlan'],
  ageing: ['vxlan'],
  limit: ['vxlan'],
  'arp-proxy': ['vxlan'],
  'short-circuit': ['vxlan'],
  notifications: ['vxlan'],
  extensions: ['vxlan'],
  peers: ['vxlan', 'wireguard'],
  fdb: ['vxlan'],
};

/** At an end it is the queue of its impairments. */
const ofImpairments = 'limit';

/** What to write instead, where somebody looks for another type's key. */
const advice: Readonly<Record<string, (type: Type) => string | undefined>> = {
  id: (type) => (gre.includes(type) ? 'a GRE tunnel has a key' : undefined),
  remote: (type) =>
    type === 'wireguard'
      ? "the other ends' `local` are the endpoints; a peer that is not in the file stands under `peers`"
      : undefined,
};

function helpFor(key: string, type: Type): { help?: string } {
  const help = advice[key]?.(type);
  return help === undefined ? {} : { help };
}

/** Peers in the form of another type. */
function checkPeerForms(context: Context, name: string, { type, endpoints }: Tunnel): void {
  for (const [namespace, end] of Object.entries(endpoints)) {
    if (end?.peers === undefined || (type !== 'vxlan' && type !== 'wireguard')) continue;
    if (Array.isArray(end.peers) === (type === 'vxlan')) continue;
    const form = type === 'vxlan' ? 'a list of addresses' : 'a map from names to peers with a public-key';
    context.report({
      code: 'tunnel',
      message: `the peers of a ${type} end are ${form}`,
      place: { pointer: pointer('tunnels', name, 'endpoints', namespace, 'peers'), part: 'value' },
    });
  }
}

/** Reports keys that do not belong to the tunnel's type. */
export function foreignKeys(context: Context, name: string, tunnel: Tunnel): void {
  for (const [key, types] of Object.entries(ownKeys)) {
    if (types.includes(tunnel.type)) continue;
    const message = `'${key}' does not belong to ${tunnel.type}, only to ${types.join(', ')}`;
    const help = helpFor(key, tunnel.type);
    const places = [
      ...(key in tunnel ? [pointer('tunnels', name, key)] : []),
      ...Object.entries(tunnel.endpoints).flatMap(([namespace, end]) =>
        end !== null && key in end && key !== ofImpairments
          ? [pointer('tunnels', name, 'endpoints', namespace, key)]
          : [],
      ),
    ];
    for (const at of places)
      context.report({ code: 'tunnel', message, place: { pointer: at, part: 'key' }, ...help });
  }
  for (const [namespace, end] of Object.entries(tunnel.endpoints)) {
    const place = (key: string): Place => ({
      pointer: pointer('tunnels', name, 'endpoints', namespace, key),
      part: 'key',
    });
    if (tunnel.type === 'geneve' && end?.dev !== undefined) {
      const message = 'the kernel sends geneve by its routes, not by a device of choice';
      context.report({ code: 'tunnel', message, place: place('dev'), help: 'leave dev out' });
    }
    if (tunnelTypes[tunnel.type].ethernet || end?.macaddress === undefined) continue;
    context.report({
      code: 'tunnel',
      message: `${interfaceKey(namespace, name).replace('/', ':')} carries IP packets, so it has no MAC address`,
      place: place('macaddress'),
      help: isGreWithTap(tunnel.type)
        ? `use type: ${tunnel.type}tap, or leave macaddress out`
        : 'leave macaddress out',
    });
  }
}

function isGreWithTap(type: Type): boolean {
  return type === 'gre' || type === 'ip6gre';
}

/** The number of ends, and what a type cannot do without. */
export function checkTunnelShape(context: Context, name: string, tunnel: Tunnel): void {
  const place: Place = { pointer: pointer('tunnels', name), part: 'key' };
  const fail = (message: string, help: string) => context.report({ code: 'tunnel', message, place, help });
  const ends = Object.entries(tunnel.endpoints);
  const isUdp = udp.includes(tunnel.type);
  if (ends.length === 0) fail(`tunnel ${name} has no endpoint`, 'name the namespace of at least one end');
  if (isUdp && tunnel.id === undefined)
    fail(`${tunnel.type} ${name} has no id`, 'add its network identifier (VNI), such as id: 100');
  checkTunnelKeys(context, name, tunnel);
  checkPeerForms(context, name, tunnel);
  if (isUdp) checkFamilies(context, name, tunnel);
  // Any number of ends, which need not know an address: see wireguard.ts.
  if (tunnel.type === 'wireguard') return;
  if (tunnel.type === 'vxlan') {
    checkVxlan(context, name, tunnel);
    return;
  }
  if (ends.length > 2) {
    fail(
      `a ${tunnel.type} tunnel has two ends, and ${name} has ${ends.length}`,
      'use one tunnel for each pair, or vxlan',
    );
    return;
  }
  for (const [namespace, end] of ends) {
    const other = ends.find(([otherNamespace]) => otherNamespace !== namespace)?.[1];
    if (end?.remote !== undefined || other?.local !== undefined) continue;
    const at = pointer('tunnels', name, 'endpoints', namespace);
    context.report({
      code: 'tunnel',
      message: `${namespace}:${name} does not know its remote address`,
      place: { pointer: at, part: 'key' },
      help: ends.length === 2 ? "give the other end's local address" : 'add remote: ADDRESS',
    });
  }
}

/** The kernel makes a device with one socket, so what it sends to is of one family. */
function checkFamilies(context: Context, name: string, tunnel: Tunnel): void {
  const { type, peers = [], endpoints, group, fdb = {} } = tunnel;
  const families = new Set<number>();
  for (const [index, text] of peers.entries()) {
    const at: Place = { pointer: pointer('tunnels', name, 'peers', index), part: 'value' };
    expandIp(text, at, context.report);
  }
  const ends = Object.values(endpoints).flatMap((end) =>
    [end?.local ?? [], end?.remote ?? [], listedPeers(end), Object.values(end?.fdb ?? {})].flat(),
  );
  for (const text of [...peers, ...ends, ...Object.values(fdb), ...(group === undefined ? [] : [group])]) {
    const ip = parseIp(text);
    if (ip !== undefined) families.add(ip.family);
  }
  const place: Place = { pointer: pointer('tunnels', name), part: 'key' };
  if (families.size === 2) {
    context.report({
      code: 'tunnel',
      message: `the outer addresses of ${type} ${name} are of both families; all must be IPv4, or all IPv6`,
      place,
    });
  }
  if (families.has(6) || !tunnel['flow-label']) return;
  context.report({
    code: 'tunnel',
    message: `flow-label is a field of IPv6, and ${name} travels in IPv4 packets`,
    place: { pointer: pointer('tunnels', name, 'flow-label'), part: 'key' },
  });
}
