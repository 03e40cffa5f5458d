import type { Place } from '../lib/diagnostic.ts';
import type { ExtraTable } from '../observe/live.ts';
import type { BridgeFdbEntry, BridgeParameters, PortSettings, PortVlans } from './bridge.ts';
import type { Firewall } from './firewall.ts';

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
  /** What happens to packets on purpose; sorted by interface. */
  readonly impairments: readonly Impairment[];
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
  readonly rules: readonly Rule[];
  readonly nexthops: readonly NexthopObject[];
  readonly neighbors: readonly Neighbor[];
  readonly nat: Nat;
  readonly firewall: Firewall;
  /** Ports that it offers to those who publish all of them; nothing by themselves. undefined: none. */
  readonly expose?: readonly Exposed[];
  /** Further names by which the others know it; undefined: none. */
  readonly aliases?: readonly string[];
  /** What its files below /etc say; undefined: it has none of its own. */
  readonly names?: Names;
  /** Sorted by name; undefined: none. */
  readonly services?: readonly Service[];
}

/** The contents of a namespace's own /etc/hostname, /etc/hosts and /etc/resolv.conf. */
export interface Names {
  readonly hostname: string | undefined;
  /** Entries of the namespace alone, with the addresses or namespaces that the file names. */
  readonly hosts: readonly { readonly name: string; readonly to: readonly string[] }[];
  /** All of /etc/hosts but what every machine has: the namespace itself first, the others, its own entries. */
  readonly known: readonly KnownHost[];
  readonly nameservers: Nameservers | undefined;
  readonly place: Place;
}

export interface KnownHost {
  readonly address: string;
  readonly names: readonly string[];
}

export interface Nameservers {
  readonly addresses: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
  readonly place: Place;
}

/** A program that runs as long as the lab. */
export interface Service {
  readonly name: string;
  /** `{folder}` is the service's own folder, here, in the environment and in the files. */
  readonly command: readonly string[];
  /** Sorted by name. */
  readonly environment: Readonly<Record<string, string>>;
  /** undefined: root. */
  readonly user: string | undefined;
  /** Whose its folder is; undefined: that of `user`. */
  readonly owner?: string;
  /** The rights of root that it has; undefined: all of them as root, none as another user. */
  readonly capabilities?: readonly string[];
  /** undefined: the service's own folder. */
  readonly directory: string | undefined;
  readonly files: Readonly<Record<string, string>>;
  /** A name in the folder of logs, or an absolute path; undefined: NAMESPACE:SERVICE.log. */
  readonly log: string | undefined;
  /** Bytes of the log and of the piece before it; undefined: those of the folder of logs, and none for a path. */
  readonly logLimit?: number | 'none';
  readonly ready: Ready | undefined;
  /** NAMESPACE/SERVICE. */
  readonly after: readonly string[];
  /** Milliseconds. */
  readonly stopWithin: number;
  /** The interface that it was made for, and that it goes with. */
  readonly madeFor?: string;
  readonly place: Place;
}

export interface Ready {
  readonly tcp: number | undefined;
  readonly udp: number | undefined;
  readonly command: readonly string[] | undefined;
  /** Milliseconds. */
  readonly within: number;
}

/** What a namespace has that is read only where it may be. */
export function extraTablesOf({ rules, nexthops, neighbors }: Namespace): ExtraTable[] {
  return [
    ...(rules.length > 0 ? (['rules'] as const) : []),
    ...(neighbors.length > 0 ? (['neighbors'] as const) : []),
    ...(nexthops.length > 0 ? (['nexthops'] as const) : []),
  ];
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
  /** What few routes have. */
  readonly options: RouteOptions;
  /** The name and the id of the nexthop object that it uses, in the place of next hops of its own. */
  readonly nexthop: { readonly name: string; readonly id: number } | undefined;
  /** One next hop for an ordinary route, none for a blackhole and its kin, several for multipath. */
  readonly nexthops: readonly Nexthop[];
  readonly place: Place;
}

export interface RouteOptions {
  /** IPv4: 0 for packets of any type of service. */
  readonly tos: number;
  readonly initialCongestionWindow: number | undefined;
  readonly initialReceiveWindow: number | undefined;
  readonly hopLimit: number | undefined;
  readonly quickAck: boolean;
  /** IPv6. */
  readonly preference: 'low' | 'medium' | 'high';
}

/** Shared by nearly all routes. */
export const usualOptions: RouteOptions = {
  tos: 0,
  initialCongestionWindow: undefined,
  initialReceiveWindow: undefined,
  hopLimit: undefined,
  quickAck: false,
  preference: 'medium',
};

export interface Nexthop {
  readonly via: string | undefined;
  /** Derived from `via` and the namespace's subnets where the file does not say it. */
  readonly dev: string | undefined;
  /** 1 to 256. */
  readonly weight: number;
  readonly onLink: boolean;
  readonly place: Place;
  /** Of `dev`, where the file says it. */
  readonly devPlace?: Place;
}

/** A rule of the routing policy. */
export interface Rule {
  readonly family: 4 | 6;
  readonly not: boolean;
  /** Prefixes in canonical form. */
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly iif: string | undefined;
  readonly oif: string | undefined;
  readonly mark: { readonly value: number; readonly mask: number } | undefined;
  readonly tos: number;
  readonly ipProto: number | undefined;
  readonly sport: PortRange | undefined;
  readonly dport: PortRange | undefined;
  readonly uidRange: PortRange | undefined;
  readonly priority: number;
  readonly type: 'lookup' | 'goto' | 'blackhole' | 'unreachable' | 'prohibit';
  /** Of a lookup: as of a route. */
  readonly table: string | undefined;
  readonly suppressPrefixLength: number | undefined;
  readonly goto: number | undefined;
  readonly place: Place;
}

/** An object of `ip nexthop`: one next hop, a blackhole, or a group. */
export interface NexthopObject {
  readonly name: string;
  readonly id: number;
  /** undefined: a group, whose members tell it. */
  readonly family: 4 | 6 | undefined;
  readonly via: string | undefined;
  readonly dev: string | undefined;
  readonly onLink: boolean;
  readonly blackhole: boolean;
  readonly group: readonly { readonly name: string; readonly id: number; readonly weight: number }[];
  readonly place: Place;
}

/** A permanent neighbour, or, without a MAC address, one that the namespace answers for. */
export interface Neighbor {
  readonly to: string;
  readonly family: 4 | 6;
  readonly dev: string;
  readonly macaddress: string | undefined;
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
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** Only packets to this address of the namespace; undefined: to any of its addresses of the target's family. */
  readonly address: string | undefined;
  /** undefined: one that is free, which is chosen when the namespace is looked at; see apply/ports.ts. */
  readonly port: PortRange | undefined;
  /** The file leaves the port to topoweave. */
  readonly isChosen: boolean;
  /** The target's address; a namespace's name in the file is resolved to it. */
  readonly to: string;
  readonly toPort: PortRange;
  readonly place: Place;
}

export interface Exposed {
  readonly protocol: Publish['protocol'];
  readonly port: PortRange;
}

/** A published port whose number is known. */
export type NumberedPublish = Publish & { readonly port: PortRange };

export function isNumbered(publish: Publish): publish is NumberedPublish {
  return publish.port !== undefined;
}

/** An address with its prefix length, in canonical form: `10.0.0.1/24`. */
export interface Address {
  readonly address: string;
  /** Of the peer's prefix, where there is a peer. */
  readonly prefixLength: number;
  readonly family: 4 | 6;
  /** What the long form says beside it; undefined where that is nothing but the defaults. */
  readonly settings?: AddressSettings;
  readonly place: Place;
}

export interface AddressSettings {
  /** The other end of a point-to-point link. */
  readonly peer: string | undefined;
  /** undefined: global, or host for a loopback address. */
  readonly scope: 'global' | 'link' | 'host' | undefined;
  /** Seconds. */
  readonly lifetime: number | 'forever';
  /** Seconds; 0: deprecated. */
  readonly preferred: number | 'forever';
  readonly label: string | undefined;
  /** undefined: the last address of the subnet. */
  readonly broadcast: string | undefined;
  readonly prefixRoute: boolean;
  readonly dad: boolean;
  /** Whether its subnet must be free on the machine. */
  readonly exclusive: boolean;
}

export interface InterfaceOptions {
  readonly promiscuous?: boolean;
  readonly 'all-multicast'?: boolean;
  readonly multicast?: boolean;
  readonly arp?: boolean;
  /** Packets. */
  readonly 'transmit-queue-length'?: number;
  /** Bytes. */
  readonly 'gso-max-size'?: number;
  readonly 'gso-max-segments'?: number;
  /** Bytes. */
  readonly 'gro-max-size'?: number;
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
  /** The name that it had before, in the same namespace. */
  readonly was?: string | undefined;
  /** Kernel parameters of the interface itself, which go with it; undefined: none. */
  readonly sysctls?: readonly Sysctl[] | undefined;
  /** It gets an address from a DHCP server, which the file asks for at that place. */
  readonly dhcp4?: { readonly place: Place };
  /** What `ip link set` can change of any interface; undefined: nothing. */
  readonly options?: InterfaceOptions | undefined;
  /** The bridge, the bond or the VRF, in the same namespace, that this interface is a port or a member of. */
  readonly master: string | undefined;
  /** The Open vSwitch bridge that this interface is a port of, or in a bond of; it has no master then. */
  readonly ovsBridge?: string;
  /** As a port of that bridge; undefined: all as by default. */
  readonly portSettings?: PortSettings | undefined;
  /** As a port of a bridge that filters VLANs, or as such a bridge itself. */
  readonly vlans?: PortVlans | undefined;
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
  /** Sorted by MAC address and VLAN. */
  readonly fdb: readonly BridgeFdbEntry[];
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

/** What every tunnel has. */
interface TunnelBase extends InterfaceBase {
  readonly local: string | undefined;
  readonly dev: string | undefined;
  readonly ttl: number | 'inherit';
  readonly tos: number | 'inherit';
}

/** What GRE does with the packets of each direction. */
export type Direction = 'none' | 'input' | 'output' | 'both';

export interface Gre extends TunnelBase {
  readonly kind: 'gre' | 'gretap' | 'ip6gre' | 'ip6gretap';
  readonly remote: string | undefined;
  readonly inputKey: number | undefined;
  readonly outputKey: number | undefined;
  readonly seq: Direction;
  readonly csum: Direction;
  /** Over IPv4. */
  readonly pmtudisc: boolean;
  readonly ignoreDf: boolean;
  /** Over IPv6. */
  readonly encapLimit: number | 'none';
  readonly flowLabel: number | 'inherit';
}

/** IP in IP, without a header between. */
export interface IpTunnel extends TunnelBase {
  readonly kind: 'ipip' | 'sit' | 'ip6tnl';
  readonly remote: string | undefined;
  /** What is inside: `any`, or the word of ip-link(8) for one family. */
  readonly mode: 'any' | 'ipip' | 'ip6ip' | 'ipip6' | 'ip6ip6';
  /** Over IPv4. */
  readonly pmtudisc: boolean;
  /** Over IPv6. */
  readonly encapLimit: number | 'none';
  readonly flowLabel: number | 'inherit';
}

/** What tunnels over UDP have. */
interface UdpTunnel extends TunnelBase {
  readonly id: number;
  readonly port: number;
  readonly doNotFragment: boolean | 'inherit';
  readonly flowLabel: number;
  /** Sorted. */
  readonly checksums: readonly UdpChecksum[];
}

export type UdpChecksum = 'udp' | 'zero-udp6-tx' | 'zero-udp6-rx';

/** `local` only tells the other end where this one is; the routes choose the source address. */
export interface Geneve extends UdpTunnel {
  readonly kind: 'geneve';
  readonly remote: string | undefined;
}

export interface Vxlan extends UdpTunnel {
  readonly kind: 'vxlan';
  /** Unicast peers in canonical form, sorted: one becomes the device's remote, several become fdb entries. */
  readonly peers: readonly string[];
  /** The multicast group that stands for them. */
  readonly group: string | undefined;
  readonly learning: boolean;
  /** Seconds. */
  readonly ageing: number;
  /** 0: none. */
  readonly limit: number;
  readonly arpProxy: boolean;
  readonly shortCircuit: boolean;
  readonly notifications: readonly ('l2-miss' | 'l3-miss')[];
  readonly extensions: readonly 'group-policy'[];
  /** undefined: the kernel's own. */
  readonly portRange: PortRange | undefined;
  /** Static forwarding entries, sorted. */
  readonly fdb: readonly { readonly mac: string; readonly peer: string }[];
}

/** A WireGuard interface with its peers: the tunnel's other ends, and those that are not in the file. */
export interface Wireguard extends InterfaceBase {
  readonly kind: 'wireguard';
  /** The address at which the other ends reach it. */
  readonly local: string | undefined;
  /** undefined: the kernel chooses, not compared. */
  readonly port: number | undefined;
  /** 0: none. */
  readonly fwmark: number;
  /** As the file says it; undefined: topoweave makes a key. */
  readonly privateKeyFile: string | undefined;
  readonly presharedKeyFile: string | undefined;
  /** Seconds; 0: off. */
  readonly keepalive: number;
  /** What is behind it, beside its own addresses. */
  readonly allowedIps: readonly AllowedIp[];
  /** The namespace of the tunnel's hub. */
  readonly hub: string | undefined;
  /** Sorted by name; the ends of the file before the others. */
  readonly peers: readonly WireguardPeer[];
  /** Known when the keys are read, before a plan is made; see system/wireguard-keys.ts. */
  readonly publicKey?: string;
  /** The path that the kernel's key comes from. */
  readonly privateKeyPath?: string;
}

export interface AllowedIp {
  /** In canonical form: `10.0.0.1/32`. */
  readonly prefix: string;
  readonly place: Place;
}

export interface WireguardPeer {
  /** The namespace of another end, or the name of a peer that is not in the file. */
  readonly name: string;
  readonly isEnd: boolean;
  /** Of another end: known when the keys are read. */
  readonly publicKey: string | undefined;
  /** `192.0.2.1:51820`, `[2001:db8::1]:51820`; undefined: learned from its packets. */
  readonly endpoint: string | undefined;
  readonly allowedIps: readonly AllowedIp[];
  /** Seconds; 0: off. */
  readonly keepalive: number;
  readonly presharedKeyFile: string | undefined;
  /** A fingerprint, never the key; known when the keys are read. */
  readonly presharedKey?: string;
  readonly presharedKeyPath?: string;
  readonly place: Place;
}

export interface Loopback extends InterfaceBase {
  readonly kind: 'loopback';
}

export type DeviceKind =
  | 'dummy'
  | 'vlan'
  | 'macvlan'
  | 'macvtap'
  | 'ipvlan'
  | 'vrf'
  | 'bond'
  | 'ifb'
  | 'tap'
  | 'tun';
export type DeviceSetting = string | number | boolean | readonly string[];

/** A single-ended interface, which a namespace itself defines under `interfaces`. */
export interface Device extends InterfaceBase {
  readonly kind: DeviceKind;
  /** The interface that it is on top of; the kinds of a namespace's devices say whether there must be one. */
  readonly link: { readonly namespace: string; readonly name: string } | undefined;
  /** The keys of its own kind in canonical form, every default filled in; see loader/devices. */
  readonly settings: Readonly<Record<string, DeviceSetting>>;
}

/** An interface of the machine that exists already. */
export interface Adopted extends InterfaceBase {
  readonly kind: 'adopted';
  /** Its name in the machine's own namespace. */
  readonly origin: string;
  /** It is a bridge, and stands under `bridges`. */
  readonly isBridge?: true;
}

export type Tunnel = Gre | IpTunnel | Geneve | Vxlan;
export type Interface =
  | Veth
  | Bridge
  | OvsBridge
  | OvsInternal
  | Tunnel
  | Wireguard
  | Loopback
  | Device
  | Adopted;
export type InterfaceKind = Interface['kind'];

/** The bridge that an interface is a port of, whatever makes the bridge. */
export function bridgeOf({ master, ovsBridge }: Interface): string | undefined {
  return master ?? ovsBridge;
}

/** What happens to the packets that an interface sends, or to those that it receives. */
export interface Impairment {
  readonly namespace: string;
  /** The interface that the file names. */
  readonly name: string;
  readonly direction: 'egress' | 'ingress';
  /** For what it receives: the ifb device that the packets go through first, made for that. */
  readonly via: string | undefined;
  readonly settings: ImpairmentSettings;
  readonly place: Place;
}

export type Distribution = 'uniform' | 'normal' | 'pareto' | 'paretonormal';

/** Times in microseconds, shares and correlations in percent; 0 where there is none. */
export interface ImpairmentSettings {
  readonly delay: number;
  readonly jitter: number;
  readonly distribution: Distribution;
  readonly delayCorrelation: number;
  readonly loss: number | LossModel;
  readonly lossCorrelation: number;
  readonly duplicate: number;
  readonly duplicateCorrelation: number;
  readonly corrupt: number;
  readonly corruptCorrelation: number;
  readonly reorder: number;
  readonly reorderCorrelation: number;
  readonly gap: number;
  /** Bits in a second. */
  readonly rate: number;
  /** Bytes; 0: the rate is that of a cable, where each packet takes its time. */
  readonly burst: number;
  /** Packets. */
  readonly limit: number;
  /** Bytes of the largest packet, its Ethernet header included. */
  readonly frame: number;
}

/** The chances of tc-netem(8), in its order, in percent. */
export interface LossModel {
  readonly model: 'gemodel' | 'state';
  readonly chances: readonly number[];
}

export interface Bounds {
  readonly min: number | undefined;
  readonly max: number | undefined;
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
  /** Whether a tcp or udp check may listen itself where nobody else does. */
  readonly mayListen: boolean;
  /** Of the average round trip, in milliseconds. */
  readonly rtt?: Bounds | undefined;
  /** Of the packets without an answer, in percent. */
  readonly loss?: Bounds | undefined;
  readonly place: Place;
}
