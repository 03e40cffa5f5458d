import { numberOf, protocolInEtc } from '../engine/netlink/names.ts';
import { canonicalAddress } from '../lib/ip.ts';
import { protocolNumber } from '../lib/ip-protocol.ts';
import type { IpRule } from '../observe/live.ts';
import type { LabRecord } from '../system/record.ts';
import { HOST, type PortRange, type Rule } from '../topology/model.ts';
import { OWN_PROTOCOL } from './marks.ts';
import { isOrphan } from './protocol-owner.ts';
import type { Attributes, Command, Kind, LiveResource, Owner, Resource, Value } from './resource.ts';

/**
 * A rule of the routing policy, IPv4 or IPv6. Ours carry the protocol number 116, as routes do; the kernel's own (0,
 * 32766 and 32767) and everybody else's are never touched. Priority and selectors are its identity.
 */
export const ruleKind: Kind = {
  name: 'rule',
  // The kernel takes two rules that differ in nothing but these for one (rule_exists in net/core/fib_rules.c).
  changes: { type: 'in-place', table: 'in-place', goto: 'replace', 'suppress-prefix-length': 'replace' },
  lower: ({ topology }) =>
    topology.namespaces.flatMap(({ name, rules }) => rules.map((rule) => lowerRule(name, rule))),
  read: (live, { lab, record, wanted }) => {
    const found: LiveResource[] = [];
    const recorded = recordedRules(record);
    for (const { name: namespace, mark, rules = [] } of live.namespaces.values()) {
      for (const rule of rules) {
        if (rule.protocol === 'kernel' || rule.l3mdev !== undefined) continue;
        const resource = readRule(namespace, rule);
        const isMarked = rule.protocol === String(OWN_PROTOCOL);
        const isRecorded = recorded.has(resource.id) || isOrphan(resource.id, { record, wanted });
        const isKnown = namespace === HOST ? isRecorded : mark?.lab === lab;
        // What somebody else made is in the way only where the kernel would not take ours beside it.
        const isInTheWay = isEqual(wanted.get(resource.id)?.attributes, resource.attributes);
        if (isMarked && isKnown) found.push({ ...resource, owner: 'ours' });
        else if (isInTheWay) found.push({ ...resource, owner: ownerOf(namespace, isKnown) });
      }
    }
    return found;
  },
  requires: ({ namespace }) => (namespace === HOST ? [] : [namespace]),
  create: (resource) => [ruleCommand('add', resource)],
  // Both are there for a moment, so that no packet goes without one.
  update: ({ wanted, live }) => [ruleCommand('add', wanted), ruleCommand('del', live)],
  remove: (resource) => [ruleCommand('del', resource)],
  disrupts: (_change, action) =>
    action === 'delete' ? 'packets that it matches are routed otherwise' : undefined,
};

/** The identities that the record has, a prefix of every address in them as no selector: that is what it became. */
function recordedRules({ hostObjects }: LabRecord): ReadonlySet<string> {
  const ids = hostObjects.filter((id) => id.startsWith(`${HOST}/rule/`));
  return new Set(
    ids.map((id) =>
      id
        .replace(/(?<=[/ ])from (?:0\.0\.0\.0|::)\/0(?= |$)/, 'from all')
        .replace(/ to (?:0\.0\.0\.0|::)\/0(?= |$)/, ''),
    ),
  );
}

function rulePrefix(namespace: string, family: Value | undefined, priority: Value | undefined): string {
  return `${namespace}/rule/${family === 6 ? 'inet6' : 'inet'}/${priority}/`;
}

/** In a namespace of ours an equal rule is as good as ours; on the host it is somebody's. */
function ownerOf(namespace: string, isOurs: boolean): Owner {
  return namespace !== HOST && isOurs ? 'ours' : 'foreign';
}

function isEqual(wanted: Attributes | undefined, live: Attributes): boolean {
  return wanted !== undefined && Object.entries(wanted).every(([name, value]) => live[name] === value);
}

function lowerRule(namespace: string, rule: Rule): Resource {
  const { family, priority, type, table, suppressPrefixLength, place } = rule;
  const { mark, tos, ipProto, sport, dport, uidRange } = rule;
  const selector = selectorOf(rule.not, {
    from: rule.from,
    to: rule.to,
    iif: rule.iif,
    oif: rule.oif,
    fwmark: mark && markText(mark.value, mark.mask),
    tos: tos === 0 ? undefined : hex(tos),
    uidrange: uidRange && rangeText(uidRange, true),
    ipproto: ipProto,
    sport: sport && rangeText(sport),
    dport: dport && rangeText(dport),
  });
  return ruleResource(
    namespace,
    { family, priority, selector },
    {
      type,
      table: table ?? '',
      goto: rule.goto ?? 0,
      'suppress-prefix-length': suppressPrefixLength ?? '',
    },
    place,
  );
}

function readRule(namespace: string, rule: IpRule): Resource {
  const { family = 4, priority, fwmark = '0', fwmask = '0xffffffff', table } = rule;
  const { tos = '0', uid_start: firstUser, uid_end: lastUser } = rule;
  const bits = family === 4 ? 32 : 128;
  const [mark, mask] = [Number(fwmark), Number(fwmask)];
  const selector = selectorOf(rule.not === null, {
    from: prefixText(rule.src, rule.srclen ?? bits),
    to: prefixText(rule.dst, rule.dstlen ?? bits),
    iif: rule.iif,
    oif: rule.oif,
    fwmark: rule.fwmark === undefined ? undefined : markText(mark, mask),
    tos: rule.tos === undefined ? undefined : hex(numberOf('rt_dsfield', tos) ?? 0),
    uidrange:
      firstUser === undefined || lastUser === undefined
        ? undefined
        : rangeText({ first: firstUser, last: lastUser }, true),
    ipproto:
      rule.ipproto === undefined
        ? undefined
        : (protocolNumber(rule.ipproto) ?? protocolInEtc(rule.ipproto) ?? rule.ipproto),
    sport: liveRange(rule.sport ?? rule.sport_start, rule.sport ?? rule.sport_end),
    dport: liveRange(rule.dport ?? rule.dport_start, rule.dport ?? rule.dport_end),
  });
  return ruleResource(
    namespace,
    { family, priority, selector },
    {
      type: rule.goto !== undefined ? 'goto' : rule.nop === null ? 'nop' : (rule.action ?? 'lookup'),
      table: table === undefined ? '' : canonicalTable(table),
      goto: rule.goto ?? 0,
      'suppress-prefix-length': rule.suppress_prefixlen ?? '',
    },
  );
}

/** In the one way that the file's prefixes are written; every address is no selector. */
function prefixText(address: string | undefined, length: number): string | undefined {
  if (address === undefined || address === 'all' || length === 0) return undefined;
  return `${canonicalAddress(address) ?? address}/${length}`;
}

interface RuleIdentity {
  readonly family: 4 | 6;
  readonly priority: number;
  readonly selector: string;
}

function ruleResource(
  namespace: string,
  { family, priority, selector }: RuleIdentity,
  content: Attributes,
  place?: Resource['place'],
): Resource {
  return {
    kind: 'rule',
    id: `${rulePrefix(namespace, family, priority)}${selector}`,
    namespace,
    label: `rule ${priority}${family === 6 ? ' (IPv6)' : ''} ${selector}`,
    attributes: { family, priority, selector, ...content },
    ...(place === undefined ? {} : { place }),
  };
}

/** In the words and the order of ip-rule(8), `not` in front. */
function selectorOf(not: boolean, rest: Readonly<Record<string, string | number | undefined>>): string {
  const words = Object.entries(rest).flatMap(([word, value]) => (value === undefined ? [] : [word, value]));
  return [...(not ? ['not'] : []), ...(rest['from'] === undefined ? ['from', 'all'] : []), ...words].join(
    ' ',
  );
}

function ruleCommand(verb: 'add' | 'del', { namespace, attributes }: Resource): Command {
  const { family, priority, selector, type, table, goto: target } = attributes;
  const args = ['rule', verb, ...String(selector).split(' '), 'priority', String(priority)];
  if (type === 'lookup') args.push('table', String(table));
  else if (type === 'goto') args.push('goto', String(target));
  else args.push(String(type));
  const length = attributes['suppress-prefix-length'];
  if (length !== '') args.push('suppress_prefixlength', String(length));
  args.push('protocol', String(OWN_PROTOCOL));
  return { tool: 'ip', namespace, args: family === 6 ? ['-6', ...args] : args };
}

/** A table by the name that rtnetlink reserves for it, or by its number: /etc/iproute2/rt_tables may name more. */
export function canonicalTable(table: string): string {
  if (table === 'main') return table;
  if (table === 'local' || table === 'default' || /^\d+$/.test(table)) return table;
  return String(numberOf('rt_tables', table) ?? table);
}

/** Of a mark 0 without a mask the kernel compares no bit (fib_nl2rule in net/core/fib_rules.c): it needs one. */
function markText(value: number, mask: number): string {
  return mask === 0xffffffff && value !== 0 ? hex(value) : `${hex(value)}/${hex(mask)}`;
}

function rangeText({ first, last }: PortRange, isLong = false): string {
  return first === last && !isLong ? String(first) : `${first}-${last}`;
}

function liveRange(first: number | undefined, last: number | undefined): string | undefined {
  return first === undefined || last === undefined ? undefined : rangeText({ first, last });
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
