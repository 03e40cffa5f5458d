import type { Gre } from '../topology/model.ts';
import { greCodec } from './gre-codec.ts';
import { defineLinkKind, interfaceId } from './interface.ts';
import type { Attributes, Value } from './resource.ts';

/**
 * GRE over IPv4 and IPv6, with IP packets (gre, ip6gre) or Ethernet frames (gretap, ip6gretap) inside. The kernel takes
 * new addresses, keys and TTLs on the running device (ip_tunnel_changelink, ip6gre_changelink), but not a new underlay
 * device.
 */
export const greKind = defineLinkKind<Gre>('gre', {
  kinds: ['gre', 'gretap', 'ip6gre', 'ip6gretap'],
  infoKind: (kind) => kind,
  needs: (kind) =>
    kind.startsWith('ip6')
      ? { module: 'ip6_gre', words: ['remote', '2001:db8::1'] }
      : { module: 'ip_gre', words: ['remote', '192.0.2.1'] },
  codec: (kind) => greCodec(kind.startsWith('ip6')),
  changes: { local: 'in-place', remote: 'in-place', key: 'in-place', ttl: 'in-place', tos: 'in-place' },
  lower: ({ local, remote, dev, key, ttl, tos }) => ({
    local: local ?? 'any',
    remote: remote ?? 'any',
    dev: dev ?? '',
    key: key === undefined ? 'none' : key,
    ttl,
    tos,
  }),
  read: (link) => {
    const data = link.linkinfo?.info_data ?? {};
    return {
      local: address(data['local']),
      remote: address(data['remote']),
      dev: link.link ?? '',
      key: readKey(data),
      ttl: readTtl(data['ttl']),
      tos: readTos(data['tos'] ?? data['tclass']),
    };
  },
  requires: ({ namespace, attributes }) =>
    attributes['dev'] ? [interfaceId(namespace, String(attributes['dev']))] : [],
  create: ({ namespace, label, kind, attributes }, { settings }) => [
    {
      tool: 'ip',
      namespace,
      args: ['link', 'add', 'name', label, ...settings, 'type', kind, ...words(attributes)],
    },
  ],
  // A change names every parameter; iproute2 keeps the key that is there unless it is told `nokey` (link_gre.c).
  typeMessages: (attributes) => [[...words(attributes), ...(attributes['key'] === 'none' ? ['nokey'] : [])]],
});

function words(attributes: Attributes): string[] {
  const isV6 = [attributes['local'], attributes['remote']].some((value) => String(value).includes(':'));
  const result = ['local', String(attributes['local']), 'remote', String(attributes['remote'])];
  if (attributes['dev']) result.push('dev', String(attributes['dev']));
  if (attributes['key'] !== 'none') result.push('key', String(attributes['key']));
  result.push(isV6 ? 'hoplimit' : 'ttl', String(attributes['ttl']));
  result.push(isV6 ? 'tclass' : 'tos', hex(attributes['tos']));
  return result;
}

/** iproute2 reads TOS as hexadecimal without a prefix in some versions; with one it is the same in all of them. */
function hex(value: Value | undefined): string {
  return typeof value === 'number' ? `0x${value.toString(16).padStart(2, '0')}` : String(value ?? 'inherit');
}

function address(value: unknown): string {
  return value === undefined || value === '0.0.0.0' || value === '::' ? 'any' : String(value);
}

/** iproute2 prints the keys of both directions as dotted quads; we set both to the same. */
function readKey(data: Readonly<Record<string, unknown>>): Value {
  const key = data['okey'] ?? data['ikey'];
  if (key === undefined) return 'none';
  const bytes = String(key).split('.').map(Number);
  return bytes.length === 4 ? bytes.reduce((sum, byte) => sum * 256 + byte, 0) : Number(key);
}

export function readTtl(value: unknown): Value {
  return value === undefined || value === 0 || value === 'inherit' || value === 'auto'
    ? 'inherit'
    : Number(value);
}

export function readTos(value: unknown): Value {
  if (value === undefined) return 0;
  return value === 'inherit' ? 'inherit' : Number(value);
}
