import type { Place } from '../lib/diagnostic.ts';

/**
 * A topology in its long form: every short form is expanded, every default and every derived value is filled in.
 * The loader makes it from a valid file; `render` prints it; the kinds lower it to resources.
 */
export interface Topology {
  readonly name: string;
  /** Declared namespaces, `host` included where the file uses it; sorted by name. */
  readonly namespaces: readonly Namespace[];
  /** Every interface of the file, whatever section defines it; sorted by namespace and name. */
  readonly interfaces: readonly Interface[];
  readonly checks: readonly Check[];
}

/** The reserved name of the machine's own namespace. */
export const HOST = 'host';

export interface Namespace {
  readonly name: string;
  readonly place: Place;
  /** undefined: not touched. */
  readonly forwarding:
    | { readonly ipv4?: boolean; readonly ipv6?: boolean; readonly place: Place }
    | undefined;
  readonly sysctls: readonly Sysctl[];
  readonly routes: readonly Route[];
  readonly nat: Nat;
}

export interface Sysctl {
  /** With dots, as `sysctl` prints it; an interface name inside keeps its own dots after a slash. */
  readonly name: string;
  readonly value: string;
  readonly place: Place;
}

export interface Route {
  /** `default`, or a prefix in canonical form (`10.0.0.0/8`, `2001:db8::/32`). */
  readonly to: string;
  readonly family: 4 | 6;
  readonly type: 'unicast' | 'blackhole' | 'unreachable' | 'prohibit' | 'throw' | 'local';
  /** `main`, `local`, `default` or a number. */
  readonly table: string;
  /** undefined: the kernel's default (0 for IPv4, 1024 for IPv6). */
  readonly metric: number | undefined;
  readonly scope: 'global' | 'link' | 'host' | undefined;
  /** The preferred source address. */
  readonly from: string | undefined;
  /** Bytes. */
  readonly mtu: number | undefined;
  readonly advertisedMss: number | undefined;
  readonly congestionWindow: number | undefined;
  readonly advertisedReceiveWindow: number | undefined;
  /** One next hop for an ordinary route, none for a blackhole and its kin, several for multipath. */
  readonly nexthops: readonly Nexthop[];
  readonly place: Place;
}

export interface Nexthop {
  readonly via: string | undefined;
  /** Derived from `via` and the namespace's subnets where the file does not say it. */
  readonly dev: string | undefined;
  /** 1 to 256. */
  readonly weight: number;
  readonly onLink: boolean;
  readonly place: Place;
}

export interface Nat {
  readonly masquerade: readonly Masquerade[];
  readonly snat: readonly Snat[];
  readonly publish: readonly Publish[];
}

/** Whether a namespace needs an nftables table. */
export function hasNat({ nat }: Namespace): boolean {
  return nat.masquerade.length + nat.snat.length + nat.publish.length > 0;
}

/** An outgoing interface, or any but that one. */
export interface OutInterface {
  readonly name: string;
  readonly not: boolean;
}

export interface Masquerade {
  readonly from: string | undefined;
  readonly out: OutInterface | undefined;
  readonly place: Place;
}

export interface Snat extends Masquerade {
  readonly to: string;
}

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export interface Publish {
  readonly protocol: 'tcp' | 'udp';
  /** Only packets to this address of the namespace; undefined: to any of its addresses. */
  readonly address: string | undefined;
  readonly port: PortRange;
  /** The target's address; a namespace's name in the file is resolved to it. */
  readonly to: string;
  readonly toPort: PortRange;
  readonly place: Place;
}

/** An address with its prefix length, in canonical form: `10.0.0.1/24`. */
export interface Address {
  readonly address: string;
  readonly prefixLength: number;
  readonly family: 4 | 6;
  readonly place: Place;
}

interface InterfaceBase {
  readonly namespace: string;
  readonly name: string;
  readonly addresses: readonly Address[];
  /** Bytes; undefined: as the kernel makes it, not compared. */
  readonly mtu: number | undefined;
  /** Where the mtu comes from: the file, or a rule. */
  readonly mtuPlace: Place | undefined;
  /** Lower case; undefined: as the kernel makes it, not compared. */
  readonly macaddress: string | undefined;
  readonly state: 'up' | 'down';
  readonly alias: string | undefined;
  /** The bridge, in the same namespace, that this interface is a port of. */
  readonly master: string | undefined;
  /** The Open vSwitch bridge that this interface is a port of, or in a bond of; it has no master then. */
  readonly ovsBridge?: string;
  /** The place that defines the interface. */
  readonly place: Place;
}

export interface Veth extends InterfaceBase {
  readonly kind: 'veth';
  readonly peer: { readonly namespace: string; readonly name: string };
  /** The far end, when this is the near end that a bridge's port made. */
  readonly madeForPort: boolean;
}

export interface Bridge extends InterfaceBase {
  readonly kind: 'bridge';
  readonly parameters: BridgeParameters;
}

/** Times in seconds. */
export interface BridgeParameters {
  readonly stp: boolean;
  readonly priority: number;
  readonly forwardDelay: number;
  readonly helloTime: number;
  readonly maxAge: number;
  readonly ageingTime: number;
}

/** A bridge of Open vSwitch: the interface is its own port. */
export interface OvsBridge extends InterfaceBase {
  readonly kind: 'ovs-bridge';
  /** undefined: the kernel's, or `netdev` where the kernel has none; see withDatapath. */
  readonly datapath: 'system' | 'netdev' | undefined;
  readonly failMode: 'standalone' | 'secure' | undefined;
  /** Sorted, as all lists of what OVS keeps as sets. */
  readonly controllers: readonly string[];
  readonly protocols: readonly string[];
  readonly stp: boolean;
  readonly rstp: boolean;
  readonly mcastSnooping: boolean;
  readonly otherConfig: Readonly<Record<string, string>>;
  /** Every port but the bridge's own and the internal ones; sorted by name. */
  readonly ports: readonly OvsPort[];
}

/** An internal port of an Open vSwitch bridge: an interface that OVS makes. */
export interface OvsInternal extends InterfaceBase {
  readonly kind: 'ovs-internal';
  readonly ovsBridge: string;
  readonly vlan: OvsVlan;
}

/** The VLANs of a port; none of the three: all VLANs, as a trunk. */
export interface OvsVlan {
  /** Of an access port. */
  readonly tag: number | undefined;
  /** Of a trunk port, as numbers and ranges in canonical form: `10`, `20-30`. */
  readonly trunks: readonly string[];
  /** Of the packets of a trunk port that have no tag. */
  readonly native: number | undefined;
}

export interface OvsPort {
  readonly name: string;
  readonly vlan: OvsVlan;
  readonly form: OvsPortForm;
  readonly place: Place;
}

/** `interface`: one of the machine's, of the port's name. */
export type OvsPortForm =
  | { readonly is: 'interface' }
  | {
      readonly is: 'tunnel';
      readonly type: 'gre' | 'vxlan' | 'geneve';
      readonly remote: string;
      readonly local: string | undefined;
      readonly key: number | undefined;
      readonly port: number | undefined;
      readonly ttl: number | 'inherit' | undefined;
      readonly tos: number | 'inherit' | undefined;
    }
  | { readonly is: 'patch'; readonly bridge: string; readonly peer: string }
  | {
      readonly is: 'bond';
      readonly members: readonly string[];
      readonly mode: 'active-backup' | 'balance-slb' | 'balance-tcp';
      readonly lacp: 'active' | 'passive' | 'off';
    };

export interface Gre extends InterfaceBase {
  readonly kind: 'gre' | 'gretap' | 'ip6gre' | 'ip6gretap';
  readonly local: string | undefined;
  readonly remote: string | undefined;
  readonly dev: string | undefined;
  readonly key: number | undefined;
  readonly ttl: number | 'inherit';
  readonly tos: number | 'inherit';
}

export interface Vxlan extends InterfaceBase {
  readonly kind: 'vxlan';
  readonly id: number;
  readonly port: number;
  readonly learning: boolean;
  readonly local: string | undefined;
  readonly dev: string | undefined;
  readonly ttl: number | 'inherit';
  readonly tos: number | 'inherit';
  /** Unicast peers in canonical form, sorted: one becomes the device's remote, several become fdb entries. */
  readonly peers: readonly string[];
}

export interface Loopback extends InterfaceBase {
  readonly kind: 'loopback';
}

export type DeviceKind = 'dummy' | 'vlan';
export type DeviceSetting = string | number | boolean | readonly string[];

/** A single-ended interface, which a namespace itself defines under `interfaces`. */
export interface Device extends InterfaceBase {
  readonly kind: DeviceKind;
  /** The interface that it is on top of; the kinds of a namespace's devices say whether there must be one. */
  readonly link: { readonly namespace: string; readonly name: string } | undefined;
  /** The keys of its own kind in canonical form, every default filled in; see loader/devices. */
  readonly settings: Readonly<Record<string, DeviceSetting>>;
}

export type Interface = Veth | Bridge | OvsBridge | OvsInternal | Gre | Vxlan | Loopback | Device;
export type InterfaceKind = Interface['kind'];

/** The bridge that an interface is a port of, whatever makes the bridge. */
export function bridgeOf({ master, ovsBridge }: Interface): string | undefined {
  return master ?? ovsBridge;
}

export interface Check {
  readonly kind: 'ping' | 'tcp' | 'udp';
  /** The name in the file, or one made of the content: `ping alice -> 192.0.2.1`. */
  readonly name: string;
  readonly from: string;
  /** The address that is tried. */
  readonly address: string;
  /** What the file says: an address or a namespace's name. */
  readonly to: string;
  readonly port: number | undefined;
  readonly expect: 'reachable' | 'unreachable';
  /** Milliseconds. */
  readonly within: number;
  readonly count: number;
  /** Payload in bytes. */
  readonly size: number | undefined;
  readonly place: Place;
}
