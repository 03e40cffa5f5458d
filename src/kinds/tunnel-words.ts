import { interfaceId } from './interface.ts';
import type { Attributes, LiveResource, Resource, Value } from './resource.ts';

type Data = Readonly<Record<string, unknown>>;

/** iproute2 reads TOS as hexadecimal without a prefix in some versions; with one it is the same in all of them. */
export function tosWord(value: Value | undefined): string {
  return typeof value === 'number' ? `0x${value.toString(16).padStart(2, '0')}` : String(value ?? 'inherit');
}

export function labelWord(value: Value | undefined): string {
  return typeof value === 'number' ? `0x${value.toString(16)}` : String(value);
}

export function readAddress(value: unknown): string {
  return value === undefined || value === '0.0.0.0' || value === '::' ? 'any' : String(value);
}

export function readTtl(value: unknown): Value {
  return value === undefined || value === 0 || value === 'inherit' || value === 'auto'
    ? 'inherit'
    : Number(value);
}

/** Where the kernel has no flag for it, 1 means `inherit`; iproute2 prints that word outside of its JSON only. */
export function readTos(value: unknown): Value {
  if (value === undefined) return 0;
  return value === 'inherit' || Number(value) === 1 ? 'inherit' : Number(value);
}

/** What the outer IPv6 header has, in the flags and numbers of link_gre6.c and link_ip6tnl.c. */
export function readIpv6(data: Data): Attributes {
  return {
    tos: data['ip6_tnl_f_use_orig_tclass'] === true ? 'inherit' : Number(data['tclass'] ?? 0),
    'encap-limit': data['ip6_tnl_f_ign_encap_limit'] === true ? 'none' : Number(data['encap_limit'] ?? 0),
    'flow-label': data['ip6_tnl_f_use_orig_flowlabel'] === true ? 'inherit' : Number(data['flowlabel'] ?? 0),
  };
}

export function ipv6Words(attributes: Attributes): string[] {
  return [
    ...['hoplimit', String(attributes['ttl'])],
    ...['tclass', tosWord(attributes['tos'])],
    ...['encaplimit', String(attributes['encap-limit'])],
    ...['flowlabel', labelWord(attributes['flow-label'])],
  ];
}

/** The device that a tunnel is bound to, where it is bound to one. */
export function requiredDevice({ namespace, attributes }: Resource): string[] {
  return attributes['dev'] ? [interfaceId(namespace, String(attributes['dev']))] : [];
}

/** The kernel leaves such a tunnel without its device when that goes (net/ipv4/ip_tunnel.c has no notifier). */
export function survivesDevice({ namespace, attributes }: LiveResource, removed: string): boolean {
  return interfaceId(namespace, String(attributes['dev'])) === removed;
}
