import type { PortRange } from './model.ts';

/** Settings of a bridge in the words of the file, every default filled in. Times are in seconds. */
export type BridgeParameters = { readonly [Name in BridgeParameter]: (typeof bridgeDefaults)[Name] };
export type BridgeParameter = keyof typeof bridgeDefaults;
export type MulticastRouter = 'disabled' | 'auto' | 'permanent';

/** What the kernel makes of a bridge that nobody sets: br_dev_setup, br_vlan_init and br_multicast_init in net/bridge. */
export const bridgeDefaults = {
  stp: false as boolean,
  priority: 32768 as number,
  'forward-delay': 15 as number,
  'hello-time': 2 as number,
  'max-age': 20 as number,
  'ageing-time': 300 as number,
  'vlan-filtering': false as boolean,
  'vlan-protocol': '802.1Q' as '802.1Q' | '802.1ad',
  'vlan-default-pvid': 1 as number,
  'vlan-stats': false as boolean,
  'group-forward-mask': 0 as number,
  'group-address': '01:80:c2:00:00:00' as string,
  'no-linklocal-learn': false as boolean,
  'mcast-snooping': true as boolean,
  'mcast-querier': false as boolean,
  'mcast-router': 'auto' as MulticastRouter,
  'mcast-query-use-ifaddr': false as boolean,
  'mcast-query-interval': 125 as number,
  'mcast-query-response-interval': 10 as number,
  'mcast-querier-interval': 255 as number,
  'mcast-membership-interval': 260 as number,
  'mcast-last-member-interval': 1 as number,
  'mcast-last-member-count': 2 as number,
  'mcast-startup-query-interval': 31.25 as number,
  'mcast-startup-query-count': 2 as number,
  'mcast-hash-max': 4096 as number,
  'mcast-igmp-version': 2 as number,
  'mcast-mld-version': 1 as number,
  'mcast-stats': false as boolean,
  'nf-call-iptables': false as boolean,
  'nf-call-ip6tables': false as boolean,
  'nf-call-arptables': false as boolean,
};

/** What an interface is to its bridge, in the words of the file; one that is missing has its default. */
export type PortSettings = { readonly [Name in PortSetting]?: (typeof portDefaults)[Name] } & {
  /** Missing: where a published port needs it. */
  readonly hairpin?: boolean;
  /** Missing: the kernel's choice, by the speed; not compared. */
  readonly 'path-cost'?: number;
};
export type PortSetting = keyof typeof portDefaults;

/** new_nbp in net/bridge/br_if.c. */
export const portDefaults = {
  isolated: false as boolean,
  learning: true as boolean,
  flood: true as boolean,
  'mcast-flood': true as boolean,
  'bcast-flood': true as boolean,
  'mcast-to-unicast': false as boolean,
  'mcast-fast-leave': false as boolean,
  'mcast-router': 'auto' as MulticastRouter,
  'neigh-suppress': false as boolean,
  'proxy-arp': false as boolean,
  locked: false as boolean,
  priority: 32 as number,
  guard: false as boolean,
  'root-block': false as boolean,
  'group-forward-mask': 0 as number,
};

/** The VLANs of a port of a bridge that filters, or of the bridge's own interface. */
export interface PortVlans {
  /** Of frames without a tag, in both directions. */
  readonly native: number | undefined;
  /** With a tag: sorted, apart from each other, without the native one. */
  readonly trunks: readonly PortRange[];
}

/** A static forwarding entry of a bridge. */
export interface BridgeFdbEntry {
  readonly mac: string;
  /** The port's own name. */
  readonly port: string;
  /** undefined where the bridge does not filter. */
  readonly vlan: number | undefined;
}

/** Protocols by the bit of their destination, the last byte of 01:80:c2:00:00:0X; IEEE 802.1Q, table 8-1. */
const protocolBits = { stp: 0, lacp: 2, eapol: 3, lldp: 14 } as const;
export type ForwardedProtocol = keyof typeof protocolBits;

export function forwardMask(protocols: number | readonly ForwardedProtocol[]): number {
  if (typeof protocols === 'number') return protocols;
  return protocols.reduce((mask, name) => mask | (1 << protocolBits[name]), 0);
}

/** The names of the bits, or the number where one has none. */
export function forwardedProtocols(mask: number): number | readonly ForwardedProtocol[] {
  const names = (Object.keys(protocolBits) as ForwardedProtocol[]).filter(
    (name) => (mask & (1 << protocolBits[name])) !== 0,
  );
  return forwardMask(names) === mask ? names : mask;
}
