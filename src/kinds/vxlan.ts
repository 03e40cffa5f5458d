import type { Vxlan } from '../topology/model.ts';
import { readTos, readTtl } from './gre.ts';
import { defineLinkKind, interfaceId } from './interface.ts';
import type { Attributes, Value } from './resource.ts';
import { vxlanCodec } from './vxlan-codec.ts';

/**
 * VXLAN with unicast peers. One peer is the device's own remote; several are forwarding entries (see fdb.ts). The
 * kernel refuses to change the VNI, the UDP port or the TOS of a device, and `dev` or a remote that comes or goes needs
 * a new one as well (vxlan_nl2conf in drivers/net/vxlan/vxlan_core.c).
 */
export const vxlanKind = defineLinkKind<Vxlan>('vxlan', {
  kinds: ['vxlan'],
  infoKind: () => 'vxlan',
  needs: () => ({ module: 'vxlan', words: ['id', '1', 'dstport', '4789'] }),
  codec: () => vxlanCodec,
  changes: { ttl: 'in-place', learning: 'in-place' },
  lower: ({ id, port, learning, local, dev, ttl, tos, peers }) => ({
    id,
    port,
    learning,
    local: local ?? 'any',
    remote: (peers.length === 1 && peers[0]) || 'none',
    dev: dev ?? '',
    ttl,
    tos,
  }),
  read: (link) => {
    const data = link.linkinfo?.info_data ?? {};
    return {
      id: Number(data['id']),
      port: Number(data['port']),
      learning: data['learning'] === true,
      local: String(data['local'] ?? data['local6'] ?? 'any'),
      remote: String(data['remote'] ?? data['remote6'] ?? data['group'] ?? data['group6'] ?? 'none'),
      dev: String(data['link'] ?? ''),
      ttl: readTtl(data['ttl']),
      tos: readTos(data['tos']),
    };
  },
  requires: ({ namespace, attributes }) =>
    attributes['dev'] ? [interfaceId(namespace, String(attributes['dev']))] : [],
  create: ({ namespace, label, attributes }, { settings }) => [
    {
      tool: 'ip',
      namespace,
      args: [
        'link',
        'add',
        'name',
        label,
        ...settings,
        'type',
        'vxlan',
        'id',
        String(attributes['id']),
        ...words(attributes),
      ],
    },
  ],
  typeMessages: (attributes, changed) => [
    [
      ...['id', String(attributes['id'])],
      ...(changed.includes('ttl') ? ['ttl', ttl(attributes['ttl'])] : []),
      ...(changed.includes('learning') ? [attributes['learning'] ? 'learning' : 'nolearning'] : []),
    ],
  ],
});

function words(attributes: Attributes): string[] {
  const result = ['dstport', String(attributes['port'])];
  if (attributes['local'] !== 'any') result.push('local', String(attributes['local']));
  if (attributes['remote'] !== 'none') result.push('remote', String(attributes['remote']));
  if (attributes['dev']) result.push('dev', String(attributes['dev']));
  result.push('ttl', ttl(attributes['ttl']));
  result.push(
    'tos',
    attributes['tos'] === 'inherit' ? 'inherit' : `0x${Number(attributes['tos']).toString(16)}`,
  );
  result.push(attributes['learning'] ? 'learning' : 'nolearning');
  return result;
}

function ttl(value: Value | undefined): string {
  return value === 'inherit' ? 'inherit' : String(value);
}
