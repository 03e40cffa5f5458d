import type { IpTunnel } from '../topology/model.ts';
import { defineLinkKind } from './interface.ts';
import { ipTunnelCodec } from './ip-tunnel-codec.ts';
import type { Attributes } from './resource.ts';
import {
  ipv6Words,
  readAddress,
  readIpv6,
  readTos,
  readTtl,
  requiredDevice,
  survivesDevice,
  tosWord,
} from './tunnel-words.ts';

const shared = {
  infoKind: (kind: IpTunnel['kind']) => kind,
  derivesMtu: true,
  survives: survivesDevice,
  requires: requiredDevice,
  lower: (item: IpTunnel): Attributes => ({
    mode: item.mode,
    local: item.local ?? 'any',
    remote: item.remote ?? 'any',
    dev: item.dev ?? '',
    ttl: item.ttl,
    tos: item.tos,
    ...(item.kind === 'ip6tnl'
      ? { 'encap-limit': item.encapLimit, 'flow-label': item.flowLabel }
      : { pmtudisc: item.pmtudisc }),
  }),
  changes: {
    local: 'in-place',
    remote: 'in-place',
    ttl: 'in-place',
    tos: 'in-place',
  },
} as const;

const create: Parameters<typeof defineLinkKind<IpTunnel>>[1]['create'] = (
  { namespace, label, kind, attributes },
  { settings },
) => [
  {
    tool: 'ip',
    namespace,
    args: ['link', 'add', 'name', label, ...settings, 'type', kind, ...words(attributes)],
  },
];

/**
 * IP inside of IPv4: ipip carries IPv4, sit IPv6 or both. The kernel keeps the mode that a device was made with
 * (ip_tunnel_update, ipip6_tunnel_update).
 */
export const ipTunnelKind = defineLinkKind<IpTunnel & { readonly kind: 'ipip' | 'sit' }>('ip-tunnel', {
  ...shared,
  kinds: ['ipip', 'sit'],
  needs: (kind) => ({ module: kind, words: ['remote', '192.0.2.1'] }),
  codec: () => ipTunnelCodec(4),
  changes: { ...shared.changes, pmtudisc: 'in-place' },
  read: (link) => {
    const data = link.linkinfo?.info_data ?? {};
    return {
      mode: String(data['proto']),
      local: readAddress(data['local']),
      remote: readAddress(data['remote']),
      dev: link.link ?? '',
      ttl: readTtl(data['ttl']),
      tos: readTos(data['tos']),
      pmtudisc: data['pmtudisc'] === true,
    };
  },
  create,
  typeMessages: (attributes) => [words(attributes)],
});

/** IPv4 and IPv6 inside of IPv6; here the kernel takes another mode as well (ip6_tnl_change). */
export const ip6TunnelKind = defineLinkKind<IpTunnel & { readonly kind: 'ip6tnl' }>('ip6-tunnel', {
  ...shared,
  kinds: ['ip6tnl'],
  needs: () => ({ module: 'ip6_tunnel', words: ['remote', '2001:db8::1'] }),
  codec: () => ipTunnelCodec(6),
  changes: {
    ...shared.changes,
    mode: 'in-place',
    'encap-limit': 'in-place',
    'flow-label': 'in-place',
  },
  read: (link) => {
    const data = link.linkinfo?.info_data ?? {};
    return {
      mode: String(data['proto']),
      local: readAddress(data['local']),
      remote: readAddress(data['remote']),
      dev: link.link ?? '',
      ttl: readTtl(data['ttl']),
      ...readIpv6(data),
    };
  },
  create,
  typeMessages: (attributes) => [words(attributes)],
});

function words(attributes: Attributes): string[] {
  const result = ['mode', String(attributes['mode'])];
  result.push('local', String(attributes['local']), 'remote', String(attributes['remote']));
  if (attributes['dev']) result.push('dev', String(attributes['dev']));
  if ('encap-limit' in attributes) return [...result, ...ipv6Words(attributes)];
  result.push('ttl', String(attributes['ttl']), 'tos', tosWord(attributes['tos']));
  result.push(attributes['pmtudisc'] === true ? 'pmtudisc' : 'nopmtudisc');
  return result;
}
