import type { Place } from '../lib/diagnostic.ts';
import { familyOfAddress } from '../lib/ip.ts';

/** The packet filter of a namespace, in its long form. */
export interface Firewall {
  /** Sorted by name. */
  readonly sets: readonly FirewallSet[];
  /** Sorted. */
  readonly counters: readonly string[];
  /** Those that the file has; `inet` before `bridge`, and in the order in which a packet meets them. */
  readonly chains: readonly FirewallChain[];
  /** The file asks a filter of others to let the lab through; undefined: topoweave leaves them alone. */
  readonly integrate?: Integration;
}

/** What the file wants to have of a filter of others, in the machine's own namespace. */
export interface Integration {
  /** Docker's chain for the rules of the machine's administrator. */
  readonly with: 'docker-user';
  /** Those that have the chain: known when the machine is looked at; see withDockerUser. */
  readonly families: readonly (4 | 6)[];
  readonly place: Place;
}

/** Thousands of namespaces share it. */
export const noFirewall: Firewall = { sets: [], counters: [], chains: [] };

/** Whether a namespace has filter tables of the lab; chains of others are none. */
export function hasFirewall({ firewall }: { readonly firewall: Firewall }): boolean {
  const { sets, counters, chains } = firewall;
  return sets.length + counters.length + chains.length > 0;
}

export type FirewallSetType = 'addresses' | 'ports' | 'interfaces';

export interface FirewallSet {
  readonly name: string;
  readonly type: FirewallSetType;
  /**
   * In canonical form: an address, a prefix, `FIRST-LAST`, a port, an interface; sorted, IPv4 first, and none
   * overlaps another.
   */
  readonly elements: readonly string[];
  readonly place: Place;
}

export type FirewallFamily = 'inet' | 'bridge';

/** In the order in which a packet can meet them. */
export const firewallHooks = ['prerouting', 'input', 'forward', 'output', 'postrouting'] as const;
export type FirewallHook = (typeof firewallHooks)[number];

/** Of the bridge's own traffic, these are enough. */
export const bridgeHooks = ['input', 'forward', 'output'] as const satisfies readonly FirewallHook[];

export interface FirewallChain {
  readonly family: FirewallFamily;
  readonly hook: FirewallHook;
  readonly policy: 'accept' | 'drop';
  readonly rules: readonly FirewallRule[];
  readonly place: Place;
}

/** One of several values, or none of them; either a set or a list. */
export interface FirewallMatch {
  readonly not: boolean;
  readonly set: string | undefined;
  /** In canonical form; sorted, IPv4 first, but for names. */
  readonly values: readonly string[];
}

export type FirewallState = 'new' | 'established' | 'related' | 'invalid' | 'untracked';
export type FirewallAction = 'accept' | 'drop' | 'reject' | 'notrack' | 'continue';
export type FirewallRejection =
  | 'port-unreachable'
  | 'host-unreachable'
  | 'no-route'
  | 'admin-prohibited'
  | 'tcp-reset';

export interface FirewallMark {
  readonly value: number;
  readonly mask: number;
}

export interface FirewallLimit {
  readonly packets: number;
  readonly per: 'second' | 'minute' | 'hour' | 'day';
  readonly burst: number;
  readonly over: boolean;
}

export interface FirewallRule {
  readonly in: FirewallMatch | undefined;
  readonly out: FirewallMatch | undefined;
  readonly from: FirewallMatch | undefined;
  readonly to: FirewallMatch | undefined;
  /** What the file says; addresses and icmp say it by themselves. */
  readonly family: 4 | 6 | undefined;
  /** Names of those that have one, or numbers. */
  readonly protocols: readonly string[];
  readonly port: FirewallMatch | undefined;
  readonly sourcePort: FirewallMatch | undefined;
  /** Numbers as text. */
  readonly icmpType: FirewallMatch | undefined;
  readonly state: readonly FirewallState[];
  readonly published: boolean | undefined;
  readonly mark: FirewallMark | undefined;
  /** In a bridge: a name of nft, or a number such as 0x88cc. */
  readonly ethertype: string | undefined;
  readonly vlan: number | undefined;
  readonly fromMac: FirewallMatch | undefined;
  readonly toMac: FirewallMatch | undefined;
  readonly limit: FirewallLimit | undefined;
  /** A name, or one of the rule's own. */
  readonly counter: string | boolean;
  /** The text in front; undefined: not logged. */
  readonly log: string | undefined;
  readonly setMark: FirewallMark | undefined;
  /** Bytes. */
  readonly mss: number | 'clamp' | undefined;
  readonly action: FirewallAction;
  /** Of `reject`. */
  readonly rejectWith: FirewallRejection;
  readonly comment: string | undefined;
  readonly place: Place;
}

/** The families of the packets that a rule can match by its addresses and its protocol. */
export function familiesOf(rule: FirewallRule, sets: ReadonlyMap<string, FirewallSet>): readonly (4 | 6)[] {
  const told = [rule.from, rule.to].map((match) => matchFamilies(match, sets));
  const isIcmp = (name: string) => rule.protocols.length > 0 && rule.protocols.every((each) => each === name);
  return ([4, 6] as const).filter(
    (family) =>
      (rule.family ?? family) === family &&
      told.every((families) => families === undefined || families.has(family)) &&
      !(family === 6 && (isIcmp('icmp') || rule.ethertype === 'ip')) &&
      !(family === 4 && (isIcmp('icmpv6') || rule.ethertype === 'ip6')),
  );
}

/** undefined: no address says anything. */
export function matchFamilies(
  match: FirewallMatch | undefined,
  sets: ReadonlyMap<string, FirewallSet>,
): ReadonlySet<4 | 6> | undefined {
  if (match === undefined) return undefined;
  const values = match.set === undefined ? match.values : (sets.get(match.set)?.elements ?? []);
  const [first, last] = [values[0], values.at(-1)];
  // An empty set has no family yet: it stands for both.
  if (first === undefined || last === undefined) return undefined;
  return new Set([familyOfAddress(first), familyOfAddress(last)]);
}
