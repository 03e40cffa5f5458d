import type { Vxlan } from '../topology/model.ts';
import { checksumWords, readChecksums, readDf, words } from './geneve.ts';
import { defineLinkKind } from './interface.ts';
import type { Attributes, Value } from './resource.ts';
import { readTos, readTtl, requiredDevice } from './tunnel-words.ts';
import { vxlanCodec } from './vxlan-codec.ts';

/**
 * VXLAN. One peer is the device's own remote; several are forwarding entries (see fdb.ts); a multicast group stands
 * where the remote does. The kernel refuses to change the VNI, ports, flags and the limit of a device, the family of its
 * outer packets, and whether its TTL is inherited (vxlan_nl2conf in drivers/net/vxlan/vxlan_core.c).
 */
export const vxlanKind = defineLinkKind<Vxlan>('vxlan', {
  kinds: ['vxlan'],
  infoKind: () => 'vxlan',
  needs: () => ({ module: 'vxlan', words: ['id', '1', 'dstport', '4789'] }),
  codec: () => vxlanCodec,
  changes: {
    local: 'in-place',
    remote: 'in-place',
    ttl: 'in-place',
    tos: 'in-place',
    learning: 'in-place',
    ageing: 'in-place',
    'do-not-fragment': 'in-place',
    'flow-label': 'in-place',
  },
  lower: (item) => {
    const remote = (item.peers.length === 1 && item.peers[0]) || 'none';
    const outer = [item.local ?? '', remote, item.group ?? ''];
    return {
      id: item.id,
      port: item.port,
      'port-range': item.portRange === undefined ? 'any' : `${item.portRange.first}-${item.portRange.last}`,
      local: item.local ?? 'any',
      remote,
      group: item.group ?? 'none',
      outer: outer.some((address) => address.includes(':')) ? 'IPv6' : 'IPv4',
      dev: item.dev ?? '',
      ...(item.ttl === 'inherit' ? {} : { ttl: item.ttl }),
      'ttl-inherit': item.ttl === 'inherit',
      tos: item.tos,
      'do-not-fragment': item.doNotFragment,
      'flow-label': item.flowLabel,
      checksums: item.checksums,
      learning: item.learning,
      ageing: item.ageing,
      limit: item.limit,
      'arp-proxy': item.arpProxy,
      'short-circuit': item.shortCircuit,
      notifications: item.notifications,
      extensions: item.extensions,
    };
  },
  read: (link) => read(link.linkinfo?.info_data ?? {}),
  requires: requiredDevice,
  create: ({ namespace, label, attributes }, { settings }) => [
    {
      tool: 'ip',
      namespace,
      args: [
        ...['link', 'add', 'name', label, ...settings, 'type', 'vxlan', 'id', String(attributes['id'])],
        ...createWords(attributes),
      ],
    },
  ],
  typeMessages: (attributes, changed) => [
    ['id', String(attributes['id']), ...changed.flatMap((name) => changeWords(attributes, name))],
  ],
});

function read(data: Readonly<Record<string, unknown>>): Attributes {
  const { low = 0, high = 0 } = (data['port_range'] ?? {}) as { low?: number; high?: number };
  const addresses = ['local', 'remote', 'group'].map((name) => data[name] ?? data[`${name}6`]);
  const [local, remote, group] = addresses;
  return {
    id: Number(data['id']),
    port: Number(data['port']),
    'port-range': high === 0 ? 'any' : `${low}-${high}`,
    local: String(local ?? 'any'),
    remote: String(remote ?? 'none'),
    group: String(group ?? 'none'),
    outer: addresses.some((address) => String(address).includes(':')) ? 'IPv6' : 'IPv4',
    dev: String(data['link'] ?? ''),
    ttl: readTtl(data['ttl']),
    'ttl-inherit': data['ttl'] === undefined,
    tos: readTos(data['tos']),
    'do-not-fragment': readDf(data['df']),
    'flow-label': Number(data['label'] ?? 0),
    checksums: readChecksums(data),
    learning: data['learning'] === true,
    ageing: Number(data['ageing']),
    limit: Number(data['limit'] ?? 0),
    'arp-proxy': data['proxy'] === true,
    'short-circuit': data['rsc'] === true,
    notifications: [
      ...(data['l2miss'] === true ? ['l2-miss'] : []),
      ...(data['l3miss'] === true ? ['l3-miss'] : []),
    ],
    extensions: data['gbp'] === true ? ['group-policy'] : [],
  };
}

function createWords(attributes: Attributes): string[] {
  const result = ['dstport', String(attributes['port'])];
  for (const [name, nothing] of [
    ['local', 'any'],
    ['remote', 'none'],
    ['group', 'none'],
    ['dev', ''],
  ] as const) {
    if (attributes[name] !== nothing) result.push(name, String(attributes[name]));
  }
  const range = String(attributes['port-range']);
  if (range !== 'any') result.push('srcport', ...range.split('-'));
  result.push('ttl', attributes['ttl-inherit'] === true ? 'inherit' : String(attributes['ttl']));
  result.push(...words(attributes, ['tos']));
  result.push(attributes['learning'] ? 'learning' : 'nolearning');
  // What is the kernel's own default is left out: a kernel without the attribute then makes the device all the same.
  if (attributes['do-not-fragment'] !== false) result.push(...words(attributes, ['do-not-fragment']));
  if (attributes['flow-label'] !== 0) result.push(...words(attributes, ['flow-label']));
  if (attributes['ageing'] !== 300) result.push('ageing', String(attributes['ageing']));
  if (attributes['limit'] !== 0) result.push('maxaddress', String(attributes['limit']));
  if (attributes['arp-proxy'] === true) result.push('proxy');
  if (attributes['short-circuit'] === true) result.push('rsc');
  if (has(attributes['notifications'], 'l2-miss')) result.push('l2miss');
  if (has(attributes['notifications'], 'l3-miss')) result.push('l3miss');
  const checksums = attributes['checksums'];
  if (!Array.isArray(checksums) || checksums.join() !== 'udp')
    result.push(...checksumWords(attributes, ['udp', 'zero-udp6-tx', 'zero-udp6-rx']));
  if (has(attributes['extensions'], 'group-policy')) result.push('gbp');
  return result;
}

function has(list: Value | undefined, name: string): boolean {
  return Array.isArray(list) && list.includes(name);
}

function changeWords(attributes: Attributes, name: string): string[] {
  const value = attributes[name];
  switch (name) {
    case 'local':
    case 'remote': {
      const nothing = attributes['outer'] === 'IPv6' ? '::' : '0.0.0.0';
      return [name, value === 'any' || value === 'none' ? nothing : String(value)];
    }
    case 'learning':
      return [value === true ? 'learning' : 'nolearning'];
    case 'ageing':
      return ['ageing', String(value)];
    default:
      return words(attributes, [name]);
  }
}
