import { familyOfAddress } from '../lib/ip.ts';
import type { FirewallFamily } from '../topology/firewall.ts';
import { chainFacts, firewallTable, sealChain } from './firewall-chains.ts';
import { counterName } from './firewall-rule.ts';
import type { LiveResource, Resource } from './resource.ts';

interface TableRequest {
  readonly family: FirewallFamily;
  readonly lab: string;
  /** All that the table has, in the order of the file; nothing: the table goes. */
  readonly wanted: readonly Resource[];
  readonly live: readonly LiveResource[];
}

/**
 * The script that puts the whole table in place in one transaction. Where there is one already, only its rules and sets
 * are exchanged: the counters stay the same objects, so they go on counting and not one packet is missed.
 */
export function firewallScript(request: TableRequest): string {
  const { family, lab, wanted, live } = request;
  const table = `${family} ${firewallTable(lab)}`;
  if (wanted.length === 0) return `add table ${table}\ndelete table ${table}\n`;
  const isDamaged = live.some(({ attributes }) => attributes['damaged'] === true);
  const opening =
    live.length === 0 || isDamaged
      ? [`add table ${table}`, `delete table ${table}`]
      : exchangeLines(request, table);
  const lines = [...opening, `table ${table} {`, ...bodyLines(request, isDamaged), '}'];
  return `${lines.join('\n')}\n`;
}

/** Takes the rules and the sets out of the table, and the chains and counters that are not wanted any more. */
function exchangeLines({ wanted, live }: TableRequest, table: string): string[] {
  const names = (resources: readonly Resource[], part: string) =>
    resources
      .filter(({ attributes }) => attributes['part'] === part)
      .flatMap(({ attributes }) => attributes['objects'] as readonly string[]);
  const gone = (part: string) => {
    const still = new Set(names(wanted, part));
    return names(live, part).filter((name) => !still.has(name));
  };
  return [
    `flush table ${table}`,
    ...gone('chain').map((name) => `delete chain ${table} ${name}`),
    ...names(live, 'set').map((name) => `delete set ${table} ${name}`),
    ...gone('counter').map((name) => `delete counter ${table} ${name}`),
  ];
}

/** `isAnew`: the counters are made again, and begin with what they had when the table was read. */
function bodyLines({ family, wanted, live }: TableRequest, isAnew: boolean): string[] {
  const lines: string[] = [];
  const of = (part: string) => wanted.filter(({ attributes }) => attributes['part'] === part);
  const values = new Map(live.map(({ id, attributes }) => [id, attributes['value']]));
  for (const { id, attributes } of of('counter')) {
    const value = isAnew ? values.get(id) : undefined;
    lines.push(
      `  counter ${counterName(String(attributes['name']))} {${value === undefined ? '' : ` ${value} `}}`,
    );
  }
  for (const set of of('set')) lines.push(...setLines(set));
  const rules = of('rule').flatMap(({ attributes }) =>
    (attributes['rules'] as readonly string[]).map((text) => ({
      chain: text.slice(0, text.indexOf(' ')),
      line: `    ${text.slice(text.indexOf(' ') + 1)} comment "${attributes['comment']}"`,
    })),
  );
  for (const { attributes } of of('chain')) {
    const name = String(attributes['name']);
    const [type, hook, priority] = (chainFacts(family, name) ?? '').split(' ');
    lines.push(`  chain ${name} {`);
    lines.push(`    type ${type} hook ${hook} priority ${priority}; policy ${attributes['policy']};`);
    for (const { chain, line } of rules) if (chain === name) lines.push(line);
    lines.push('  }');
  }
  lines.push(`  chain ${sealChain} {`, '    return comment "what is above was loaded as one"', '  }');
  return lines;
}

function setLines({ attributes }: Resource): string[] {
  const elements = attributes['elements'] as readonly string[];
  const types = attributes['types'] as readonly string[];
  return (attributes['objects'] as readonly string[]).flatMap((name, index) => {
    const type = types[index] ?? '';
    const own = elements.filter((element) => belongs(element, type));
    const shown = type === 'ifname' ? own.map((element) => `"${element}"`) : own;
    return [
      `  set ${name} {`,
      `    type ${type};`,
      ...(type === 'ifname' ? [] : ['    flags interval;']),
      ...(own.length === 0 ? [] : [`    elements = { ${shown.join(', ')} }`]),
      '  }',
    ];
  });
}

function belongs(element: string, type: string): boolean {
  if (type !== 'ipv4_addr' && type !== 'ipv6_addr') return true;
  return (familyOfAddress(element) === 4) === (type === 'ipv4_addr');
}
