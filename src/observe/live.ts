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
  readonly flags: readonly string[];
  readonly mtu: number;
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
  readonly mngtmpaddr?: boolean;
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
}

export interface IpNexthop {
  readonly gateway?: string;
  readonly via?: { readonly family: string; readonly host: string };
  readonly dev?: string;
  readonly weight?: number;
  readonly flags?: readonly string[];
}

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
}

/** An object of `nft -j list table`: a table, a chain, a rule or a set, by its only key. */
export type NftObject = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export interface LiveNamespace {
  readonly name: string;
  readonly mark: Mark | undefined;
  readonly links: readonly IpLink[];
  readonly routes: readonly IpRoute[];
  readonly netconf: readonly IpNetconf[];
  /** By dotted name; only those that were asked for and exist. */
  readonly sysctls: ReadonlyMap<string, string>;
  /** The lab's own table, if there is one. */
  readonly nft: readonly NftObject[];
  readonly fdb: readonly FdbEntry[];
  /** Names by the id that this namespace knows them by (`link_netnsid`); only where they were asked for. */
  readonly namespaceIds: ReadonlyMap<number, string>;
}

/** The live documents of a machine. */
export interface Live {
  /** By name; `host` is the machine's own namespace. */
  readonly namespaces: ReadonlyMap<string, LiveNamespace>;
  /** Names under /run/netns that are no namespace: what a killed `ip netns add` leaves. */
  readonly stale: readonly StaleFile[];
  /** The database of Open vSwitch; missing where it has no daemon that answers. */
  readonly ovs?: LiveOvs;
}

export interface StaleFile {
  readonly name: string;
  /** An empty regular file, which holds nothing and can be removed. */
  readonly empty: boolean;
}
