import type { Place } from '../lib/diagnostic.ts';
import type { EtcName, Live } from '../observe/live.ts';
import type { LabRecord } from '../system/record.ts';
import type { Service, Topology } from '../topology/model.ts';
import type { Mapping } from './publish.ts';

export type Value = string | number | boolean | readonly string[];
export type Attributes = Readonly<Record<string, Value>>;

/**
 * One object of the kernel, as the file wants it or as it is. An attribute that a desired resource does not have is
 * not compared: the kernel's own choice stands.
 */
export interface Resource {
  readonly kind: string;
  /** Stable under reordering of the file: `gw`, `gw/wan`, `gw/wan/192.0.2.2/30`, `gw/main/default/0`. */
  readonly id: string;
  readonly namespace: string;
  /** How plans name it inside its namespace. */
  readonly label: string;
  readonly attributes: Attributes;
  readonly place?: Place;
  /** Ids of resources that must be made first, in other namespaces too, and do not take it along. */
  readonly needs?: readonly string[];
  /** Ids of resources of the same kind that come before it, where the kind's own order does not say so. */
  readonly comesAfter?: readonly string[];
}

/** `ours`: marked by this lab. `builtin`: the kernel's own, changed but never made or removed. */
export type Owner = 'ours' | 'builtin' | 'foreign' | { readonly lab: string };

export interface LiveResource extends Resource {
  readonly owner: Owner;
}

/**
 * What performs a step, as data: an `ip`, `bridge` or `tc` line, a line of `wg` (which names keys by their files), a sysctl, or
 * an nftables script. `namespace` is where it
 * runs; an `ip` line without one runs outside, because it names several namespaces itself.
 */
export type Command =
  | { readonly tool: 'ip'; readonly namespace: string | undefined; readonly args: readonly string[] }
  | { readonly tool: 'wg'; readonly namespace: string; readonly args: readonly string[] }
  | { readonly tool: 'bridge'; readonly namespace: string; readonly args: readonly string[] }
  | { readonly tool: 'tc'; readonly namespace: string; readonly args: readonly string[] }
  | { readonly tool: 'sysctl'; readonly namespace: string; readonly name: string; readonly value: string }
  | { readonly tool: 'nft'; readonly namespace: string; readonly script: string }
  /** Makes the kernel forget connections that it translates as these ports were published before. */
  | { readonly tool: 'conntrack'; readonly namespace: string; readonly mappings: readonly Mapping[] }
  /** A command of ovs-vsctl; those of a batch are one transaction. */
  | { readonly tool: 'ovs'; readonly namespace: string; readonly args: readonly string[] }
  /** A line of iptables(8) or ip6tables(8), for chains of others that only these programs may change. */
  | {
      readonly tool: 'iptables';
      readonly namespace: string;
      readonly program: 'iptables' | 'ip6tables';
      readonly args: readonly string[];
    }
  | FileCommand
  | ServiceCommand;

/** Writes or removes a file below /etc/netns. */
export type FileCommand =
  | {
      readonly tool: 'file';
      readonly namespace: string;
      readonly action: 'write';
      readonly lab: string;
      readonly name: EtcName;
      readonly lines: readonly string[];
      readonly hasHostname: boolean;
    }
  | {
      readonly tool: 'file';
      readonly namespace: string;
      readonly action: 'remove';
      readonly lab: string;
      readonly name: EtcName;
    };

/** Starts or stops a service; system/services knows how. */
export type ServiceCommand =
  | {
      readonly tool: 'service';
      readonly namespace: string;
      readonly action: 'start';
      readonly lab: string;
      readonly service: Service;
      readonly hostname: string;
      /** As the record keeps them. */
      readonly attributes: Attributes;
    }
  | {
      readonly tool: 'service';
      readonly namespace: string;
      readonly action: 'stop';
      readonly lab: string;
      readonly name: string;
      /** Those that it was started after, and is stopped before. */
      readonly after: readonly string[];
    };

/** How the kernel takes a change: on the running object, with the link down for a moment, or only on a new object. */
export type ChangeClass = 'in-place' | 'bounce' | 'replace';

export interface ReadContext {
  readonly lab: string;
  readonly record: LabRecord;
  /** Identities of the desired resources: what is in their way is read even if it is not ours. */
  readonly wanted: ReadonlyMap<string, Resource>;
  /**
   * Interfaces that were there before the lab, by id. The addresses and routes of an exact one are the lab's alone; on
   * the others, what the lab did not add is left alone.
   */
  readonly adopted: ReadonlyMap<string, { readonly origin: string; readonly isExact: boolean }>;
}

export interface LowerContext {
  readonly topology: Topology;
}

/** Everything that topoweave knows of one kind of resource; nothing about a kind stands anywhere else. */
export interface Kind {
  readonly name: string;
  /** The desired resources of a topology. */
  readonly lower: (context: LowerContext) => Resource[];
  /** The live resources: all of ours, and those that are in the way of a wanted one. */
  readonly read: (live: Live, context: ReadContext) => LiveResource[];
  /** It is no part of the documents of its namespace: every observation reads it, of all namespaces. */
  readonly isReadAlways?: true;
  /** Per attribute; one that is missing here takes a replacement. */
  readonly changes: Readonly<Record<string, ChangeClass>>;
  /** The class of a change where it depends on the values; undefined: what `changes` says. */
  readonly classOf?: (attribute: string, wanted: Resource, live: LiveResource) => ChangeClass | undefined;
  /** What must exist first, and takes this resource along when it goes. */
  readonly requires: (resource: Resource) => readonly string[];
  /** Of what it requires: what can go without taking it along. */
  readonly outlives?: (resource: Resource) => readonly string[];
  /** What must be done first, if it is done at all, without taking this resource along. */
  readonly after?: (resource: Resource) => readonly string[];
  /**
   * What must exist first, and may only go after this resource, which does not go along but has to be made anew for
   * another one.
   */
  readonly uses?: (resource: Resource) => readonly string[];
  readonly create: (resource: Resource) => readonly Command[];
  readonly update: (change: Change) => readonly Command[];
  readonly remove: (resource: LiveResource) => readonly Command[];
  /** Whether a wanted and a live value of an attribute are the same; equality by default. */
  readonly same?: (attribute: string, wanted: Value, live: Value | undefined) => boolean;
  /** Further live resources that the kernel drops when it removes this one. */
  readonly dropsWith?: (removed: LiveResource, live: readonly LiveResource[]) => readonly string[];
  /** Ids in other namespaces that it is on top of, so that it reaches out of its own. */
  readonly standsOn?: (resource: Resource) => readonly string[];
  /** Whether it stays when the named one goes, though it requires it: then it has a removal of its own. */
  readonly survives?: (resource: LiveResource, removed: string) => boolean;
  /** Attributes that the kernel resets when it removes another resource, by that one's id. */
  readonly loses?: (resource: LiveResource, removed: string) => readonly string[];
  /** Whether the kernel drops it when its link goes down. */
  readonly lostWhenDown?: (resource: LiveResource) => boolean;
  /** Attributes that are as they are wanted once its link was down and is up again. */
  readonly mendedByBounce?: (resource: LiveResource) => readonly string[];
  /** It is removed after everything else of its namespace and of the host. */
  readonly removedLast?: boolean;
  /** Its removal takes nothing along that is on it. */
  readonly staysBehind?: boolean;
  /** Whether the kernel drops it when its link gets another MAC address. */
  readonly lostWithMac?: (resource: LiveResource) => boolean;
  /** What it uses without being taken along: changed so that it does so no more, it comes before their removal. */
  readonly releases?: (resource: LiveResource) => readonly string[];
  /** Whether the kernel sets it down, and up again, along with a link that it is on top of. */
  readonly fallsWithLink?: (resource: LiveResource) => boolean;
  /** For kinds that are replaced as one per namespace: the commands for the whole, instead of those of each resource. */
  readonly whole?: (namespace: string, change: WholeChange) => readonly Command[];
  /** It is in place before an interface of its namespace comes up, and goes after those that go. */
  readonly isBeforeLinks?: boolean;
  /**
   * Its attributes as they may be shown, where there are secrets among them. `live`: of wanted ones, what there is, so that a
   * change is seen.
   */
  readonly conceal?: (attributes: Attributes, live?: Attributes) => Attributes;
  /** What creating, changing or removing it does to traffic; undefined: nothing. */
  readonly disrupts?: (
    change: Change | undefined,
    action: 'update' | 'replace' | 'delete',
  ) => string | undefined;
}

/** What a kind that is replaced as one is to become in a namespace. */
export interface WholeChange {
  readonly lab: string;
  readonly wanted: readonly Resource[];
  readonly live: readonly LiveResource[];
  /** The resources that differ, as they are wanted and as they are. */
  readonly differences: readonly {
    readonly wanted: Resource | undefined;
    readonly live: LiveResource | undefined;
  }[];
  /** The namespace is made in the same run. */
  readonly isNew: boolean;
}

export interface Change {
  readonly wanted: Resource;
  readonly live: LiveResource;
  /** Names of the attributes that differ. */
  readonly attributes: readonly string[];
  /** The strongest class among them. */
  readonly class: ChangeClass;
}

/** The comparison of a kind that has none of its own. */
export function sameValue(_attribute: string, wanted: Value, live: Value | undefined): boolean {
  if (!Array.isArray(wanted)) return wanted === live;
  return (
    Array.isArray(live) &&
    wanted.length === live.length &&
    wanted.every((value, index) => value === live[index])
  );
}

/** Whether those that are in both lists come in the same order: one that is missing or added is a step of its own. */
export function isSameOrder(wanted: readonly string[], live: readonly string[]): boolean {
  const [ours, theirs] = [new Set(wanted), new Set(live)];
  return sameValue(
    'order',
    wanted.filter((item) => theirs.has(item)),
    live.filter((item) => ours.has(item)),
  );
}
