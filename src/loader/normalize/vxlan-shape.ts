import type { Tunnel } from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { isMulticast, parseIp } from '../../lib/ip.ts';
import { pointer } from '../../lib/pointer.ts';
import type { Context } from './context.ts';
import { expandIp, expandMac } from './settings.ts';
import { listedPeers } from './tunnel-outer.ts';

/** What of vxlan a schema cannot say. */
export function checkVxlan(context: Context, name: string, tunnel: Tunnel): void {
  checkGroup(context, name, tunnel);
  checkEntries(context, tunnel.fdb, pointer('tunnels', name, 'fdb'));
  const range = tunnel['port-range'];
  if (range !== undefined && range[0] > range[1]) {
    context.report({
      code: 'tunnel',
      message: `port-range begins with ${range[0]} and ends with ${range[1]}`,
      place: { pointer: pointer('tunnels', name, 'port-range'), part: 'value' },
      help: 'write the smaller one first',
    });
  }
  for (const [namespace, end] of Object.entries(tunnel.endpoints)) {
    const base = pointer('tunnels', name, 'endpoints', namespace);
    for (const [index, text] of listedPeers(end).entries())
      expandIp(text, { pointer: `${base}/peers/${index}`, part: 'value' }, context.report);
    checkEntries(context, end?.fdb, `${base}/fdb`);
    checkSocket(context, name, tunnel, namespace);
  }
}

function checkGroup(context: Context, name: string, { group, peers, endpoints }: Tunnel): void {
  if (group === undefined) return;
  const at = pointer('tunnels', name, 'group');
  const fail = (where: string, message: string, help: string) =>
    context.report({ code: 'tunnel', message, place: { pointer: where, part: 'key' }, help });
  const ip = parseIp(group);
  if (ip !== undefined && !isMulticast(ip))
    fail(
      at,
      `${group} is not a multicast address`,
      'use one such as 239.1.1.1, or remote and peers for hosts',
    );
  const exclude = (where: string) =>
    fail(where, `${name} has a multicast group, which stands in place of peers`, 'leave one of them out');
  if (peers !== undefined) exclude(pointer('tunnels', name, 'peers'));
  for (const [namespace, end] of Object.entries(endpoints)) {
    const base = pointer('tunnels', name, 'endpoints', namespace);
    if (end?.remote !== undefined) exclude(`${base}/remote`);
    if (end?.peers !== undefined) exclude(`${base}/peers`);
    if (end?.dev !== undefined) continue;
    fail(base, `${namespace}:${name} does not know where its multicast group is`, 'add dev: INTERFACE');
  }
}

function checkEntries(context: Context, fdb: Tunnel['fdb'], at: string): void {
  for (const [mac, peer] of Object.entries(fdb ?? {})) {
    const place: Place = { pointer: `${at}${pointer(mac)}`, part: 'value' };
    expandMac(mac, place.pointer, context.report);
    expandIp(peer, place, context.report);
  }
}

/** Without a local or one remote address of IPv6, the kernel opens a socket for IPv4 (vxlan_config_validate). */
function checkSocket(context: Context, name: string, tunnel: Tunnel, namespace: string): void {
  const { peers = [], fdb = {}, endpoints, group } = tunnel;
  const end = endpoints[namespace];
  if (end?.local !== undefined || group !== undefined) return;
  const implied = Object.entries(endpoints).flatMap(([other, found]) =>
    other === namespace || found?.local === undefined ? [] : [found.local],
  );
  const remotes = end?.remote === undefined ? implied : [end.remote].flat();
  const all = [...new Set([...remotes, ...peers, ...listedPeers(end)])];
  const entries = [...Object.values(fdb), ...Object.values(end?.fdb ?? {})];
  if (all.length === 1 || ![...all, ...entries].some((text) => parseIp(text)?.family === 6)) return;
  context.report({
    code: 'tunnel',
    message: `${namespace}:${name} has IPv6 peers and no local address, so the kernel would use IPv4`,
    place: { pointer: pointer('tunnels', name, 'endpoints', namespace), part: 'key' },
    help: 'add local: ADDRESS',
  });
}
