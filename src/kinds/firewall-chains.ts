import type { FirewallFamily, FirewallHook } from '../topology/firewall.ts';

/**
 * The chains of the firewall's tables: type, hook, priority.
 *
 * Those that decide come right before priority 0, where iptables, docker, ufw and (at 10) firewalld have theirs: what is
 * dropped here never gets there, our counters and logs see what others drop afterwards, and what is accepted here can
 * still be dropped by them. Destination NAT (-100) and connection tracking (-200) come before, source NAT (100) behind.
 */
export const inetChains = {
  'raw-prerouting': 'filter prerouting -300',
  'raw-output': 'filter output -300',
  prerouting: 'filter prerouting -150',
  'mark-output': 'route output -150',
  input: 'filter input -5',
  forward: 'filter forward -5',
  output: 'filter output -5',
  postrouting: 'filter postrouting -150',
} as const satisfies Readonly<Record<string, string>>;

/** In the family bridge, the priority `filter` is -200 (nft(8)). */
export const bridgeChains: Readonly<Partial<Record<FirewallChainName, string>>> = {
  input: 'filter input -205',
  forward: 'filter forward -205',
  output: 'filter output -205',
};

export type FirewallChainName = keyof typeof inetChains;

export const chainNames = Object.keys(inetChains) as FirewallChainName[];

export function chainFacts(family: FirewallFamily, name: string): string | undefined {
  const chains: Readonly<Record<string, string | undefined>> = family === 'inet' ? inetChains : bridgeChains;
  return Object.hasOwn(chains, name) ? chains[name] : undefined;
}

/** The section of the file that a chain is made from. */
export function hookOfChain(name: FirewallChainName): FirewallHook {
  return name.replace(/^(raw|mark)-/, '') as FirewallHook;
}

/** A lab's name has no underscore, so no other lab's NAT table is called so. */
export function firewallTable(lab: string): string {
  return `topoweave-${lab}_firewall`;
}

/**
 * The last chain, with one rule: the kernel numbers what is in a table as it comes, so what has a higher number than
 * this rule was put there, or put in the place of ours, by somebody else.
 */
export const sealChain = 'topoweave-seal';
