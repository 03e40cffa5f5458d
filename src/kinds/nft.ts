import { createHash } from 'node:crypto';

/** The chains of a lab's table, in the order in which they are written. */
export const chains = {
  guard: 'type filter hook prerouting priority raw; policy accept;',
  prerouting: 'type nat hook prerouting priority dstnat; policy accept;',
  output: 'type nat hook output priority -100; policy accept;',
  postrouting: 'type nat hook postrouting priority srcnat; policy accept;',
} as const;

export type ChainName = keyof typeof chains;

/** How `nft -j list` shows a chain, for the comparison: type, hook, priority, policy. */
export const chainFacts: Readonly<Record<ChainName, string>> = {
  guard: 'filter prerouting -300 accept',
  prerouting: 'nat prerouting -100 accept',
  output: 'nat output -100 accept',
  postrouting: 'nat postrouting 100 accept',
};

export interface NftRule {
  readonly chain: ChainName;
  /** The rule without its comment. */
  readonly text: string;
}

/** A set or a map: many entries that one rule looks up, in a time that does not grow with their number. */
export interface NftSet {
  readonly name: string;
  /** `map` with a value at each element. */
  readonly kind: 'set' | 'map';
  readonly type: string;
  /** Elements may be prefixes. */
  readonly isInterval?: boolean;
  readonly elements: readonly string[];
}

/** The content of a table. */
export interface NftTable {
  readonly sets: readonly NftSet[];
  readonly rules: readonly (NftRule & { readonly comment: string })[];
}

/** The lab's own table, of family inet: the same name in each namespace that needs one. */
export function nftTable(lab: string): string {
  return `topoweave-${lab}`;
}

/**
 * The comment that identifies a rule: what it is for, and a hash of its text, which survives the differences in how
 * versions of nft print rules.
 */
export function ruleComment(label: string, rules: readonly NftRule[]): string {
  return commentText(label, rulesHash(rules.map(({ chain, text }) => `${chain} ${text}`)));
}

/** nftables takes at most 127 bytes, of which the hash needs 15; what it could not print again is left out. */
export function commentText(label: string, hash: string): string {
  const characters = [...label.replace(/["\\\p{Cc}]/gu, '')];
  let bytes = 0;
  const fitting = characters.findIndex((character) => {
    bytes += Buffer.byteLength(character);
    return bytes > 100;
  });
  return `${characters.slice(0, fitting === -1 ? undefined : fitting).join('')} [${hash}]`;
}

/** Of rules, each with its chain in front. */
export function rulesHash(rules: readonly string[]): string {
  const hash = createHash('sha256');
  for (const rule of rules) hash.update(`${rule}\n`);
  return hash.digest('hex').slice(0, 12);
}

/** The script that puts the whole table in place in one transaction (nft(8), "atomic rule replacement"). */
export function tableScript(lab: string, { sets, rules }: NftTable): string {
  const name = nftTable(lab);
  const lines = [`add table inet ${name}`, `delete table inet ${name}`];
  if (rules.length === 0) return `${lines.join('\n')}\n`;
  lines.push(`table inet ${name} {`);
  for (const set of sets) lines.push(...setLines(set));
  for (const chain of Object.keys(chains) as ChainName[]) {
    lines.push(`  chain ${chain} {`, `    ${chains[chain]}`);
    for (const rule of rules) {
      if (rule.chain === chain) lines.push(`    ${rule.text} comment "${rule.comment}"`);
    }
    lines.push('  }');
  }
  lines.push('}');
  return `${lines.join('\n')}\n`;
}

function setLines({ name, kind, type, isInterval, elements }: NftSet): string[] {
  return [
    `  ${kind} ${name} {`,
    `    type ${type}`,
    ...(isInterval === true ? ['    flags interval'] : []),
    '    elements = {',
    ...elements.map((element) => `      ${element},`),
    '    }',
    '  }',
  ];
}
