import type { LinkCodec } from './link-codec.ts';
import {
  decodeAddresses,
  decodeIpv4,
  decodeIpv6,
  parseTunnel,
  writeAddresses,
  writeIpv4,
  writeIpv6,
} from './tunnel-parameters.ts';

/** linux/if_tunnel.h. */
const IFLA_IPTUN = {
  LINK: 1,
  LOCAL: 2,
  REMOTE: 3,
  TTL: 4,
  TOS: 5,
  ENCAP_LIMIT: 6,
  FLOWINFO: 7,
  FLAGS: 8,
  PROTO: 9,
  PMTUDISC: 10,
} as const;

/** The protocol inside, by iproute2's names for it over each family: IPPROTO_IPIP, IPPROTO_IPV6, 0 for any. */
const protocols: Readonly<Record<4 | 6, Readonly<Record<string, number>>>> = {
  4: { any: 0, ipip: 4, ip6ip: 41 },
  6: { any: 0, ipip6: 4, ip6ip6: 41 },
};

/** IP in IP as iproute2 6.1 writes and prints it: ip/link_iptnl.c over IPv4, ip/link_ip6tnl.c over IPv6. */
export function ipTunnelCodec(outer: 4 | 6): LinkCodec {
  return {
    encode: (words, writer, context) => {
      const parameters = parseTunnel(words);
      const protocol = protocols[outer][parameters?.mode ?? ''];
      if (parameters === undefined || protocol === undefined) return false;
      writeAddresses(parameters, IFLA_IPTUN, writer, context.ifindex);
      if (outer === 6) writeIpv6(parameters, IFLA_IPTUN, writer);
      else writeIpv4(parameters, IFLA_IPTUN, writer);
      writer.attributeU8(IFLA_IPTUN.PROTO, protocol);
      return true;
    },
    decode: (data, names) => {
      const protocol = data.u8(IFLA_IPTUN.PROTO) ?? 0;
      const known = Object.entries(protocols[outer]).find(([, number]) => number === protocol);
      return {
        ...(known === undefined ? {} : { proto: known[0] }),
        ...decodeAddresses(data, IFLA_IPTUN, names),
        ...(outer === 6 ? decodeIpv6(data, IFLA_IPTUN) : decodeIpv4(data, IFLA_IPTUN)),
      };
    },
  };
}
