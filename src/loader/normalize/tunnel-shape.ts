import type { Tunnel } from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { parseIp } from '../../lib/ip.ts';
import { pointer } from '../../lib/pointer.ts';
import { type Context, interfaceKey } from './context.ts';
import { expandIp } from './settings.ts';

/** Keys that only some types have. */
const ownKeys: Readonly<Record<string, readonly Tunnel['type'][]>> = {
  key: ['gre', 'gretap', 'ip6gre', 'ip6gretap'],
  id: ['vxlan'],
  port: ['vxlan', 'wireguard'],
  hub: ['wireguard'],
  keepalive: ['wireguard'],
  learning: ['vxlan'],
  peers: ['vxlan'],
  ttl: ['gre', 'gretap', 'ip6gre', 'ip6gretap', 'vxlan'],
  tos: ['gre', 'gretap', 'ip6gre', 'ip6gretap', 'vxlan'],
};

/** The same for the keys of an end. */
const ownEndKeys: Readonly<Record<string, readonly Tunnel['type'][]>> = Object.fromEntries([
  ...['port', 'private-key-file', 'allowed-ips', 'keepalive', 'preshared-key-file', 'fwmark', 'peers'].map(
    (key) => [key, ['wireguard']],
  ),
  ...['remote', 'dev'].map((key) => [key, ['gre', 'gretap', 'ip6gre', 'ip6gretap', 'vxlan']]),
]);

/** What to write instead, where somebody looks for another type's key. */
const advice: Readonly<Record<string, string>> = {
  id: 'a GRE tunnel has a key',
  remote: "the other ends' `local` are the endpoints; a peer that is not in the file stands under `peers`",
};

/** Reports keys that do not belong to the tunnel's type. */
export function foreignKeys(context: Context, name: string, tunnel: Tunnel): void {
  for (const [key, types] of Object.entries(ownKeys)) {
    if (!(key in tunnel) || types.includes(tunnel.type)) continue;
    const place: Place = { pointer: pointer('tunnels', name, key), part: 'key' };
    const message = `'${key}' does not belong to ${tunnel.type}, only to ${types.join(', ')}`;
    const help = advice[key];
    context.report({ code: 'tunnel', message, place, ...(help === undefined ? {} : { help }) });
  }
  foreignEndKeys(context, name, tunnel);
  const isGre = tunnel.type === 'gre' || tunnel.type === 'ip6gre';
  if (!isGre && tunnel.type !== 'wireguard') return;
  for (const [namespace, end] of Object.entries(tunnel.endpoints)) {
    if (end?.macaddress === undefined) continue;
    const place: Place = {
      pointer: pointer('tunnels', name, 'endpoints', namespace, 'macaddress'),
      part: 'key',
    };
    context.report({
      code: 'tunnel',
      message: `${interfaceKey(namespace, name).replace('/', ':')} carries IP packets, so it has no MAC address`,
      place,
      help: isGre ? `use type: ${tunnel.type}tap, or leave macaddress out` : 'leave macaddress out',
    });
  }
}

function foreignEndKeys(context: Context, name: string, { type, endpoints }: Tunnel): void {
  for (const [namespace, end] of Object.entries(endpoints)) {
    for (const [key, types] of Object.entries(ownEndKeys)) {
      if (!(key in (end ?? {})) || types.includes(type)) continue;
      const place: Place = { pointer: pointer('tunnels', name, 'endpoints', namespace, key), part: 'key' };
      const message = `'${key}' does not belong to an end of ${type}, only to ${types.join(', ')}`;
      const help = advice[key];
      context.report({ code: 'tunnel', message, place, ...(help === undefined ? {} : { help }) });
    }
  }
}

/** The number of ends, and what a type cannot do without. */
export function checkTunnelShape(context: Context, name: string, tunnel: Tunnel): void {
  const place: Place = { pointer: pointer('tunnels', name), part: 'key' };
  const fail = (message: string, help: string) => context.report({ code: 'tunnel', message, place, help });
  const ends = Object.entries(tunnel.endpoints);
  if (ends.length === 0) fail(`tunnel ${name} has no endpoint`, 'name the namespace of at least one end');
  // Any number of ends, which need not know an address: see wireguard.ts.
  if (tunnel.type === 'wireguard') return;
  if (tunnel.type === 'vxlan') {
    if (tunnel.id === undefined)
      fail(`vxlan ${name} has no id`, 'add its network identifier (VNI), such as id: 100');
    checkPeers(context, name, tunnel);
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

function checkPeers(context: Context, name: string, { peers = [], endpoints }: Tunnel): void {
  const families = new Set<number>();
  for (const [index, text] of peers.entries()) {
    const at: Place = { pointer: pointer('tunnels', name, 'peers', index), part: 'value' };
    expandIp(text, at, context.report);
  }
  const ends = Object.values(endpoints).flatMap((end) => [end?.local ?? [], end?.remote ?? []].flat());
  for (const text of [...peers, ...ends]) {
    const ip = parseIp(text);
    if (ip !== undefined) families.add(ip.family);
  }
  if (families.size < 2) return;
  context.report({
    code: 'tunnel',
    message: `the outer addresses of vxlan ${name} are of both families; all must be IPv4, or all IPv6`,
    place: { pointer: pointer('tunnels', name), part: 'key' },
  });
}

/** A GRE key is a number; four bytes with dots are another way to write it. */
export function expandKey(
  context: Context,
  name: string,
  key: number | string | undefined,
): number | undefined {
  if (key === undefined || typeof key === 'number') return key;
  const ip = parseIp(key);
  if (ip?.family === 4) return Number(ip.value);
  if (/^(0|[1-9][0-9]{0,9})$/.test(key) && Number(key) <= 0xffffffff) return Number(key);
  context.report({
    code: 'tunnel',
    message: `'${key}' is not a GRE key; write a number up to 4294967295, or four bytes such as 0.0.0.42`,
    place: { pointer: pointer('tunnels', name, 'key'), part: 'value' },
  });
  return undefined;
}
