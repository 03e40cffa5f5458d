import type { LiveOvs } from './ovs.ts';

/**
 * Ownership is written on the objects themselves. A link carries the lab's number as its group, which the kernel sets
 * in the same message that creates it, and an alias `topoweave:LAB:TAG`, set right after; the tag is the same at both
 * ends of a veth pair. A namespace carries the alias on its `lo`. Routes carry a protocol number.
 */
export interface Mark {
  readonly lab: string;
  readonly tag: string;
  /** The user's own text behind the mark. */
  readonly text: string;
}

/** A link of `ip -j -d address show` (iproute2 6.1), as far as topoweave reads it. */
export interface IpLink {
  readonly ifindex: number;
  readonly ifname: string;
  readonly altnames?: readonly string[];
  /** What the kernel calls it, where the documents give it another name; see observe/names.ts. */
  readonly kernelName?: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  /** Packets; undefined: none. */
  readonly txqlen?: number;
  /** Bytes, and segments. */
  readonly gso_max_size?: number;
  readonly gso_max_segs?: number;
  readonly gro_max_size?: number;
  /** The kind of its queueing discipline. */
  readonly qdisc?: string;
  readonly operstate?: string;
  readonly group?: string;
  readonly address?: string;
  readonly ifalias?: string;
  readonly master?: string;
  /** The peer's or the parent's ifindex, in the namespace that `link_netnsid` means. */
  readonly link_index?: number;
  readonly link_netnsid?: number;
  /** The peer's or the parent's name, where it is in the same namespace. */
  readonly link?: string;
  readonly linkinfo?: {
    readonly info_kind?: string;
    readonly info_data?: Readonly<Record<string, unknown>>;
    readonly info_slave_kind?: string;
    readonly info_slave_data?: Readonly<Record<string, unknown>>;
  };
  readonly addr_info?: readonly IpAddress[];
  /** Of Open vSwitch, see withOvs: the bridge that it is a port of, and the lab that marked its row in the database. */
  readonly ovsBridge?: string;
  readonly ovsLab?: string;
}

export interface IpAddress {
  readonly family: 'inet' | 'inet6';
  readonly local: string;
  /** The peer of a point-to-point address. */
  readonly address?: string;
  readonly prefixlen: number;
  readonly scope: string;
  readonly label?: string;
  readonly dynamic?: boolean;
  readonly secondary?: boolean;
  readonly tentative?: boolean;
  readonly dadfailed?: boolean;
  readonly temporary?: boolean;
  readonly nodad?: boolean;
  readonly mngtmpaddr?: boolean;
  readonly deprecated?: boolean;
  readonly noprefixroute?: boolean;
  readonly broadcast?: string;
  /** Seconds; 4294967295: for ever. */
  readonly valid_life_time?: number;
  readonly preferred_life_time?: number;
}

/** A route of `ip -j -d route show table all`. IPv6 routes are known by their `pref`. */
export interface IpRoute {
  readonly type: string;
  readonly dst: string;
  readonly gateway?: string;
  readonly via?: { readonly family: string; readonly host: string };
  readonly dev?: string;
  readonly table?: string;
  readonly protocol?: string;
  readonly scope?: string;
  readonly prefsrc?: string;
  readonly metric?: number;
  readonly flags?: readonly string[];
  readonly metrics?: readonly Readonly<Record<string, unknown>>[];
  readonly nexthops?: readonly IpNexthop[];
  readonly pref?: string;
  readonly tos?: string;
  /** The nexthop object that it uses. */
  readonly nhid?: number;
}

export interface IpNexthop {
  readonly gateway?: string;
  readonly via?: { readonly family: string; readonly host: string };
  readonly dev?: string;
  readonly weight?: number;
  readonly flags?: readonly string[];
}

/** A rule of the routing policy, of `ip -j -d rule show` and `ip -6 -j -d rule show`. */
export interface IpRule {
  /** Only with the engines' own mark: iproute2 prints one family at a time. */
  readonly family?: 4 | 6;
  readonly priority: number;
  /** null where the rule is inverted. */
  readonly not?: null;
  /** `all` or an address, with `srclen` where it is a prefix. */
  readonly src: string;
  readonly srclen?: number;
  readonly dst?: string;
  readonly dstlen?: number;
  readonly iif?: string;
  readonly iif_detached?: null;
  readonly oif?: string;
  readonly oif_detached?: null;
  /** Hexadecimal, as are the mask and the type of service. */
  readonly fwmark?: string;
  readonly fwmask?: string;
  readonly tos?: string;
  readonly uid_start?: number;
  readonly uid_end?: number;
  readonly ipproto?: string;
  readonly sport?: number;
  readonly sport_start?: number;
  readonly sport_end?: number;
  readonly dport?: number;
  readonly dport_start?: number;
  readonly dport_end?: number;
  readonly l3mdev?: null;
  readonly table?: string;
  readonly suppress_prefixlen?: number;
  readonly suppress_ifgroup?: string;
  readonly goto?: number;
  readonly unresolved?: null;
  readonly nop?: null;
  /** `blackhole`, `unreachable` or `prohibit`. */
  readonly action?: string;
  readonly protocol?: string;
}

/** An entry of `ip -j -d neigh show`, or of `ip -j -d neigh show proxy`. */
export interface IpNeighbor {
  readonly dst: string;
  readonly dev: string;
  readonly lladdr?: string;
  readonly proxy?: null;
  readonly router?: null;
  readonly state?: readonly string[];
  readonly protocol?: string;
}

/** An object of `ip -j -d nexthop show`. */
export interface IpNexthopObject {
  readonly id: number;
  readonly group?: readonly { readonly id: number; readonly weight?: number }[];
  readonly type?: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly scope?: string;
  readonly blackhole?: null;
  readonly fdb?: null;
  readonly protocol?: string;
  readonly flags?: readonly string[];
}

/** What is read only where the file, the record or the mark of a namespace says that the lab may have some of it. */
export type ExtraTable = 'rules' | 'neighbors' | 'nexthops';

/** An entry of `ip -j netconf show`. */
export interface IpNetconf {
  readonly family: 'inet' | 'inet6';
  readonly interface: string;
  readonly forwarding?: boolean;
}

/** An entry of `bridge -j fdb show`. */
export interface FdbEntry {
  readonly mac: string;
  readonly ifname: string;
  readonly dst?: string;
  readonly state?: string;
  readonly vlan?: number;
  /** `self`, `master`, and `extern_learn` for what another program entered. */
  readonly flags?: readonly string[];
  /** The bridge, of an entry in the bridge's own table. */
  readonly master?: string;
}

/** An entry of `bridge -j -compressvlans vlan show`: a port of a bridge, or the bridge itself. */
export interface IpPortVlans {
  readonly ifname: string;
  readonly vlans: readonly {
    readonly vlan: number;
    /** The last one of a range. */
    readonly vlanEnd?: number;
    readonly flags?: readonly string[];
  }[];
}

/** A queueing discipline of `tc -j qdisc show`, with those of its options that a kind reads. */
export interface TcQdisc {
  readonly kind: string;
  /** `8001:`; `0:` for one that the kernel chose. */
  readonly handle: string;
  readonly dev: string;
  readonly root?: boolean;
  /** `8001:1`, or `ffff:fff1` for the incoming side. */
  readonly parent?: string;
  readonly options?: Readonly<Record<string, unknown>>;
}

/** A filter of `tc -j filter show dev DEV ingress`, with the device that it is on. */
export interface TcFilter {
  readonly dev: string;
  readonly pref: number;
  readonly kind: string;
  readonly options?: {
    readonly actions?: readonly {
      readonly kind: string;
      readonly mirred_action?: string;
      readonly to_dev?: string;
    }[];
  };
}

/** An object of `nft -j list table`: a table, a chain, a rule or a set, by its only key. */
export type NftObject = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** A WireGuard device of `wg show IF dump`, without its secrets: a key is only known by what it makes. */
export interface WireguardDevice {
  readonly ifname: string;
  /** `none` without a private key. */
  readonly publicKey: string;
  readonly port: number;
  readonly fwmark: number;
  readonly peers: readonly WireguardLivePeer[];
}

export interface WireguardLivePeer {
  readonly publicKey: string;
  /** A fingerprint, or `none`. */
  readonly presharedKey: string;
  readonly endpoint: string | undefined;
  /** Sorted. */
  readonly allowedIps: readonly string[];
  readonly keepalive: number;
}

export interface LiveNamespace {
  readonly name: string;
  readonly mark: Mark | undefined;
  /** Why it cannot be a lab's, whatever it carries: `a symbolic link`. */
  readonly notOurs?: string;
  /** The lab whose mark it carries without being its. */
  readonly forgedFor?: string;
  readonly links: readonly IpLink[];
  readonly routes: readonly IpRoute[];
  readonly netconf: readonly IpNetconf[];
  /** By dotted name; only those that were asked for and exist. */
  readonly sysctls: ReadonlyMap<string, string>;
  /** The lab's own table, if there is one. */
  readonly nft: readonly NftObject[];
  /** The lab's own tables with the packet filter, of both families; undefined where there are none. */
  readonly firewall?: readonly NftObject[];
  readonly fdb: readonly FdbEntry[];
  /** Of both families; undefined, as the next two, where they were not read. */
  readonly rules?: readonly IpRule[];
  /** Of `rules`, those of IPv6 were not read. */
  readonly rulesOfV4Only?: true;
  readonly neighbors?: readonly IpNeighbor[];
  readonly nexthops?: readonly IpNexthopObject[];
  /** undefined where no bridge filters VLANs. */
  readonly portVlans?: readonly IpPortVlans[];
  /** Those of the lab that was asked for. */
  readonly wireguard?: readonly WireguardDevice[];
  /** Only where there can be one that the kernel did not choose; see engine/disciplines.ts. */
  readonly qdiscs?: readonly TcQdisc[];
  /** Of the incoming side. */
  readonly filters?: readonly TcFilter[];
  /** Names by the id that this namespace knows them by (`link_netnsid`); only where they were asked for. */
  readonly namespaceIds: ReadonlyMap<number, string>;
}

/** The live documents of a machine. */
export interface Live {
  /** By name; `host` is the machine's own namespace. */
  readonly namespaces: ReadonlyMap<string, LiveNamespace>;
  /** Where `namespaces` has only some: all that were read, for what is known from the other end of a link. */
  readonly all?: ReadonlyMap<string, LiveNamespace>;
  /** Names under /run/netns that are no namespace: what a killed `ip netns add` leaves. */
  readonly stale: readonly StaleFile[];
  /** The database of Open vSwitch; missing where it has no daemon that answers. */
  readonly ovs?: LiveOvs;
  /** The files below /etc/netns, by namespace. */
  readonly etc?: ReadonlyMap<string, EtcFolder>;
  /**
   * Docker's chain DOCKER-USER by the family of its filter, where the machine has it: its rules, each as the words behind
   * `-A DOCKER-USER`. undefined: not read.
   */
  readonly dockerUser?: ReadonlyMap<4 | 6, readonly (readonly string[])[]>;
  /** The services that were started: those of the lab that was asked for, or of all labs. */
  readonly services?: readonly LiveService[];
}

/** Those files of a namespace that a lab can have. */
export type EtcFolder = ReadonlyMap<EtcName, LiveEtcFile>;
export type EtcName = 'hostname' | 'hosts' | 'resolv.conf';

export interface LiveEtcFile {
  /** Without the mark. */
  readonly lines: readonly string[];
  /** The lab of the mark. */
  readonly lab: string | undefined;
  /** What else the mark says. */
  readonly words: readonly string[];
}

/**
 * A service as its record and its process say. `dead`: the process has ended. `elsewhere`: it runs in a namespace that
 * had the name before.
 */
export interface LiveService {
  readonly lab: string;
  readonly namespace: string;
  readonly name: string;
  /** As it was started. */
  readonly attributes: Readonly<Record<string, string | number | boolean | readonly string[]>>;
  readonly state: 'running' | 'dead' | 'elsewhere';
  readonly pid: number | undefined;
  readonly log: string;
  /** Of a DHCP client that runs. */
  readonly lease?: LiveLease;
}

export interface LiveLease {
  /** Of the interface that the client began with. */
  readonly index: number;
  readonly address: string | undefined;
  readonly gateway: string | undefined;
}

export interface StaleFile {
  readonly name: string;
  /** An empty regular file, which holds nothing and can be removed. */
  readonly empty: boolean;
  /** `a FIFO`, `a directory`. */
  readonly what: string;
}
