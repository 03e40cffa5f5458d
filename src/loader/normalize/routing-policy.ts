import type { Rule as RawRule } from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { ipProtocols, protocolNumber } from '../../lib/ip-protocol.ts';
import type { PortRange, Rule } from '../../topology/model.ts';
import type { Context } from './context.ts';
import { expandPrefix } from './settings.ts';
import { resolveTable } from './tables.ts';

/** The priority of the first rule of a list without one of its own; behind the kernel's rule for VRFs (1000). */
const FIRST_PRIORITY = 10_000;
const WHOLE_MARK = 0xffffffff;

/** The kernel refuses others (fib4_rule_configure, fib_new_table in net/ipv4). */
export const tosProblem =
  'the type of service is a multiple of 4: the lowest two bits are for congestion (ECN), and no route looks at them';

interface RuleEntry {
  readonly namespace: string;
  readonly raw: RawRule;
  readonly base: string;
  readonly index: number;
}

const none: Rule[] = [];

/** The rules of one namespace, in the order of the file. */
export function normalizeRules(
  context: Context,
  namespace: string,
  base: string,
  raw: readonly RawRule[] = [],
): Rule[] {
  // As in nearly every namespace.
  if (raw.length === 0) return none;
  const rules = raw.flatMap(
    (entry, index) => expandRule(context, { namespace, raw: entry, base: `${base}/${index}`, index }) ?? [],
  );
  const seen = new Map<string, Rule>();
  for (const rule of rules) {
    const {
      place,
      table: _table,
      type: _type,
      goto: _goto,
      suppressPrefixLength: _length,
      ...identity
    } = rule;
    const key = JSON.stringify(identity);
    const earlier = seen.get(key);
    seen.set(key, earlier ?? rule);
    if (earlier === undefined) continue;
    context.report({
      code: 'rule-twice',
      message: `${namespace} has a rule for the same packets with priority ${rule.priority} already`,
      place,
      help: 'give one of them another priority',
      related: [{ message: 'the other one is here', place: earlier.place }],
    });
  }
  return rules;
}

function expandRule(context: Context, { namespace, raw, base, index }: RuleEntry): Rule | undefined {
  const place: Place = { pointer: base, part: 'value' };
  const fail = (message: string, key?: string, help?: string) => {
    const at: Place = key === undefined ? place : { pointer: `${base}/${key}`, part: 'value' };
    context.report({ code: 'rule', message, place: at, ...(help === undefined ? {} : { help }) });
  };
  const [from, to] = (['from', 'to'] as const).map((key) => {
    const text = raw[key];
    if (text === undefined || text === 'all' || text === 'default') return undefined;
    return expandPrefix(text, { pointer: `${base}/${key}`, part: 'value' }, context.report);
  });
  const told = from?.family ?? to?.family;
  const asked = raw.family === undefined ? undefined : raw.family === 'ipv6' ? 6 : 4;
  if (from !== undefined && to !== undefined && from.family !== to.family)
    fail(`from is IPv${from.family} and to is IPv${to.family}: no packet is both`);
  if (told !== undefined && asked !== undefined && told !== asked)
    fail(`the addresses of this rule are IPv${told}; leave family out`, 'family');
  const type = raw.goto === undefined ? (raw.type ?? 'lookup') : 'goto';
  const priority = raw.priority ?? FIRST_PRIORITY + index;
  if (raw.goto !== undefined && (raw.type !== undefined || raw.table !== undefined))
    fail("'goto' takes the place of 'table' and 'type'", 'goto');
  else if (type === 'lookup' && raw.table === undefined)
    fail('the rule leads nowhere; add table, or a type such as unreachable');
  else if (type !== 'lookup' && raw.table !== undefined)
    fail(`a rule of type ${type} looks nothing up; leave table out`, 'table');
  if (raw.goto !== undefined && raw.goto <= priority)
    fail(`a rule can only go forward, to a priority above its own, ${priority}`, 'goto');
  if (raw['suppress-prefix-length'] !== undefined && type !== 'lookup')
    fail('suppress-prefix-length is about the routes of a table', 'suppress-prefix-length');
  if (raw.priority !== undefined && [32766, 32767].includes(raw.priority))
    fail(`${raw.priority} is the priority of the kernel's own rule; choose another`, 'priority');
  if (((raw['type-of-service'] ?? 0) & 3) !== 0) fail(tosProblem, 'type-of-service');
  const ipProto = raw['ip-proto'] === undefined ? undefined : protocolNumber(String(raw['ip-proto']));
  // 0 stands for every protocol in the kernel (fib_rule_match in net/core/fib_rules.c).
  if (raw['ip-proto'] !== undefined && (ipProto ?? 0) === 0)
    fail(`'${raw['ip-proto']}' is not a known protocol; known are ${ipProtocols.join(', ')}`, 'ip-proto');
  const [sport, dport, uidRange] = [
    expandRange(raw.sport, 65535),
    expandRange(raw.dport, 65535),
    expandRange(raw.uidrange, WHOLE_MARK - 1),
  ];
  for (const [key, range] of Object.entries({ sport, dport, uidrange: uidRange }))
    if (range === 'bad')
      fail(`${raw[key as 'sport']} is not a range; the first number is the lower one`, key);
  // fib_rule_port_range_valid in include/net/fib_rules.h.
  for (const [key, range] of Object.entries({ sport, dport }))
    if (range !== undefined && range !== 'bad' && (range.first === 0 || range.last === 65535))
      fail(`${raw[key as 'sport']} is not a range of ports that the kernel takes: 1 to 65534`, key);
  if ((raw.sport ?? raw.dport) !== undefined && ![6, 17, 132].includes(ipProto ?? 0))
    fail('ports need a protocol that has them', undefined, 'add ip-proto: tcp or ip-proto: udp');
  return {
    family: told ?? asked ?? 4,
    not: raw.not ?? false,
    // A prefix of no length is every address, which the kernel shows as none.
    from: from?.prefix.endsWith('/0') ? undefined : from?.prefix,
    to: to?.prefix.endsWith('/0') ? undefined : to?.prefix,
    iif: raw.iif,
    oif: raw.oif,
    mark: expandMark(raw.mark, (message) => fail(message, 'mark')),
    tos: raw['type-of-service'] ?? 0,
    ipProto,
    sport: usable(sport),
    dport: usable(dport),
    uidRange: usable(uidRange),
    priority,
    type,
    table:
      raw.table === undefined
        ? undefined
        : resolveTable(context, raw.table, namespace, { pointer: `${base}/table`, part: 'value' }),
    suppressPrefixLength: raw['suppress-prefix-length'],
    goto: raw.goto,
    place,
  };
}

function usable(range: PortRange | 'bad' | undefined): PortRange | undefined {
  return range === 'bad' ? undefined : range;
}

function expandRange(raw: string | number | undefined, most: number): PortRange | 'bad' | undefined {
  if (raw === undefined) return undefined;
  const [first = 0, last = first] = String(raw).split('-').map(Number);
  return first > last || last > most ? 'bad' : { first, last };
}

function expandMark(raw: string | number | undefined, fail: (message: string) => void): Rule['mark'] {
  if (raw === undefined) return undefined;
  const [value = Number.NaN, mask = WHOLE_MARK, ...more] = String(raw)
    .split('/')
    .map((text) => (/^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text) ? Number(text) : Number.NaN));
  if (more.length > 0 || Number.isNaN(value) || Number.isNaN(mask) || value > WHOLE_MARK || mask > WHOLE_MARK)
    fail(`'${raw}' is not a mark; write a number or VALUE/MASK, such as 0x10/0xff`);
  else if ((value & ~mask) !== 0) fail(`the mark ${raw} has bits outside of its mask: no packet can match`);
  // A mask without bits is every mark, which the kernel shows as none.
  else if (mask !== 0) return { value, mask };
  return undefined;
}
