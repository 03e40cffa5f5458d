import type { IpRule, LiveNamespace } from '../observe/live.ts';
import type { Command } from './resource.ts';

/** Of a namespace that has all of them, which is nearly every one: the very same list each time. */
export const noRules: readonly string[] = [];

interface OwnRule {
  readonly family: 4 | 6;
  readonly priority: number;
  /** undefined: `l3mdev`, the table of the VRF that a packet belongs to. */
  readonly table: string | undefined;
}

/** fib_default_rules_init in net/ipv4/fib_rules.c, fib6_rules_net_init in net/ipv6/fib6_rules.c. */
const ownRules: readonly OwnRule[] = [
  { family: 4, priority: 0, table: 'local' },
  { family: 4, priority: 32766, table: 'main' },
  { family: 4, priority: 32767, table: 'default' },
  { family: 6, priority: 0, table: 'local' },
  { family: 6, priority: 32766, table: 'main' },
];

/** FIB_RULE_PREF of the first VRF (vrf_add_fib_rules in drivers/net/vrf.c). */
const rulesOfVrf: readonly OwnRule[] = ([4, 6] as const).map((family) => ({
  family,
  priority: 1000,
  table: undefined,
}));

/**
 * The rules that the kernel makes with each namespace and never again, and that are not there, in the words of
 * ip-rule(8). An equal one that somebody made serves as well: the kernel takes no second one.
 */
export function missingRules(
  namespace: Pick<LiveNamespace, 'rules' | 'rulesOfV4Only' | 'netconf' | 'links'>,
): readonly string[] {
  const { rules, rulesOfV4Only, netconf, links } = namespace;
  if (rules === undefined) return noRules;
  const hasV6 = rulesOfV4Only !== true && netconf.some(({ family }) => family === 'inet6');
  const hasVrf = links.some(({ linkinfo }) => linkinfo?.info_kind === 'vrf');
  const there = new Set(rules.map(keyOf));
  let missing = noRules;
  for (const rule of hasVrf ? [...ownRules, ...rulesOfVrf] : ownRules) {
    if (rule.family === 6 && !hasV6) continue;
    // One of a VRF does its work at any priority, and some move it.
    if (!there.has(rule.table === undefined ? `${rule.family} l3mdev` : textOf(rule)))
      missing = [...missing, textOf(rule)];
  }
  return missing;
}

export function kernelRuleCommands(namespace: string, missing: readonly string[]): Command[] {
  return missing.map((text) => {
    const [priority = '', ...words] = text.split(' ');
    const isV6 = words.at(-1) === '(IPv6)';
    const target = isV6 ? words.slice(0, -1) : words;
    const args = ['rule', 'add', 'priority', priority, ...target, 'protocol', 'kernel'];
    return { tool: 'ip', namespace, args: isV6 ? ['-6', ...args] : args };
  });
}

function textOf({ family, priority, table }: OwnRule): string {
  return `${priority} ${table === undefined ? 'l3mdev' : `table ${table}`}${family === 6 ? ' (IPv6)' : ''}`;
}

function keyOf(rule: IpRule): string {
  const { family = 4, priority, table, l3mdev } = rule;
  if (l3mdev !== undefined) return `${family} l3mdev`;
  return isForAll(rule) ? textOf({ family, priority, table: table ?? '' }) : '';
}

/** Without any selector or limit. */
function isForAll(rule: IpRule): boolean {
  const { family, priority, src, table, protocol, ...others } = rule;
  const rest: object = others;
  return (src === 'all' || rule.srclen === 0) && Object.keys(rest).length === 0;
}
