import type { FirewallRule as RawRule } from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import {
  type FirewallFamily,
  type FirewallHook,
  type FirewallLimit,
  type FirewallMark,
  type FirewallMatch,
  type FirewallRule,
  type FirewallSetType,
  familiesOf,
} from '../../topology/firewall.ts';
import {
  canonicalProtocol,
  firewallProtocols,
  icmpTypes,
  portProtocols,
} from '../../topology/firewall-protocols.ts';
import { suggest } from '../suggest.ts';
import type { FirewallNames } from './firewall.ts';
import { hookProblems } from './firewall-hooks.ts';
import { expandMatch } from './firewall-match.ts';
import {
  addressProblem,
  isInterfaceText,
  portProblem,
  readAddresses,
  readNumbers,
} from './firewall-values.ts';
import { listNames } from './names.ts';
import type { Report } from './problem.ts';

export interface RuleEntry {
  readonly raw: RawRule;
  readonly family: FirewallFamily;
  readonly hook: FirewallHook;
  /** The pointer of the rule. */
  readonly base: string;
  readonly names: FirewallNames;
  readonly report: Report;
}

type Fail = (message: string, key?: string, help?: string) => void;

const WHOLE_MARK = 0xffffffff;

/** A rule in its long form. What is wrong is reported; undefined where so much is that nothing more can be said of it. */
export function expandFirewallRule(entry: RuleEntry): FirewallRule | undefined {
  const { raw, base, report } = entry;
  let isWrong = false;
  const counting: Report = (problem) => {
    if (problem.severity !== 'warning') isWrong = true;
    report(problem);
  };
  const place: Place = { pointer: base, part: 'value' };
  const fail: Fail = (message, key, help) => {
    const at: Place = key === undefined ? place : { pointer: `${base}/${key}`, part: 'value' };
    counting({ code: 'firewall-rule', message, place: at, ...(help === undefined ? {} : { help }) });
  };
  const match = matcher({ ...entry, report: counting });
  const protocols = expandProtocols(raw.protocol, fail);
  const rule: FirewallRule = {
    in: match('in', 'interfaces'),
    out: match('out', 'interfaces'),
    from: match('from', 'addresses'),
    to: match('to', 'addresses'),
    family: raw.family === undefined ? undefined : raw.family === 'ipv6' ? 6 : 4,
    protocols,
    port: match('port', 'ports'),
    sourcePort: match('source-port', 'ports'),
    icmpType: expandIcmpTypes({ ...entry, report: counting }, protocols, fail),
    state: raw.state === undefined ? [] : [...new Set([raw.state].flat())],
    published: raw.published,
    mark: expandMark(raw.mark, 'mark', fail),
    ethertype: expandEthertype(raw.ethertype, fail),
    vlan: raw.vlan,
    fromMac: match('from-mac', 'macs'),
    toMac: match('to-mac', 'macs'),
    limit: expandLimit(raw.limit, fail),
    counter: expandCounter(entry, fail),
    log: expandLog(raw.log, fail),
    setMark: expandMark(raw['set-mark'], 'set-mark', fail),
    mss: raw.mss,
    action: raw.action ?? 'continue',
    rejectWith: raw['reject-with'] ?? 'port-unreachable',
    comment: expandComment(raw.comment, fail),
    place,
  };
  if (isWrong) return undefined;
  checkProtocols(rule, fail);
  checkFamilies(rule, entry, fail);
  checkAction(rule, raw, fail);
  for (const [message, key] of hookProblems(rule, entry)) fail(message, key);
  return isWrong ? undefined : rule;
}

type MatchType = FirewallSetType | 'macs';

/** How each key is read. */
function matcher({ raw, base, names, report }: RuleEntry) {
  return (
    key: 'in' | 'out' | 'from' | 'to' | 'port' | 'source-port' | 'from-mac' | 'to-mac',
    type: MatchType,
  ): FirewallMatch | undefined => {
    const value = raw[key];
    if (value === undefined) return undefined;
    const at = `${base}/${key}`;
    const what = `the rule's ${key}`;
    const texts = [value].flat().map(String);
    const common = { texts, at, isList: Array.isArray(value), what, names, report };
    switch (type) {
      case 'addresses':
        return expandMatch({ ...common, type, read: readAddresses, problem: addressProblem });
      case 'ports':
        return expandMatch({
          ...common,
          type,
          read: (text, place) => readNumbers(text, 65535, place),
          problem: portProblem,
        });
      case 'interfaces':
        return expandMatch({ ...common, type, name: readInterface });
      case 'macs':
        return expandMatch({
          ...common,
          name: readMac,
        });
    }
  };
}

/** With a `*` at its end it stands for all that begin so. */
function readInterface(text: string, place: Place, report: Report): string | undefined {
  const stem = text.endsWith('*') ? text.slice(0, -1) : text;
  if (isInterfaceText(stem)) return text;
  const message =
    text === '*'
      ? "'*' is any interface; leave it out"
      : `'${text}' is not the name of an interface; a '*' may stand at its end`;
  report({ code: 'firewall-rule', message, place });
  return undefined;
}

/** Those of groups and the one of all are addresses of frames too. */
function readMac(text: string, place: Place, report: Report): string | undefined {
  const mac = text.toLowerCase();
  if (/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac)) return mac;
  const message = `'${text}' is not a MAC address; write six bytes such as 02:42:ac:11:00:02, in quotes`;
  report({ code: 'bad-mac', message, place });
  return undefined;
}

function expandProtocols(raw: RawRule['protocol'], fail: Fail): string[] {
  if (raw === undefined) return [];
  const found = new Set<string>();
  for (const text of [raw].flat().map(String)) {
    const name = canonicalProtocol(text);
    if (name !== undefined) found.add(name);
    else {
      const nearest = suggest(text, firewallProtocols);
      const known = `known are ${listNames(firewallProtocols)}, and numbers up to 255`;
      fail(`'${text}' is not a protocol; ${known}`, 'protocol', nearest && `did you mean '${nearest}'?`);
    }
  }
  return [...found].sort();
}

function expandIcmpTypes(
  { raw, base, names, report }: RuleEntry,
  protocols: readonly string[],
  fail: Fail,
): FirewallMatch | undefined {
  const value = raw['icmp-type'];
  if (value === undefined) return undefined;
  const [protocol] = protocols;
  if (protocols.length !== 1 || (protocol !== 'icmp' && protocol !== 'icmpv6')) {
    fail(
      'icmp-type is about messages of icmp or icmpv6',
      'icmp-type',
      'add protocol: icmp or protocol: icmpv6',
    );
    return undefined;
  }
  const known = icmpTypes[protocol];
  return expandMatch({
    texts: [value].flat().map(String),
    at: `${base}/icmp-type`,
    isList: Array.isArray(value),
    what: "the rule's icmp-type",
    names,
    report,
    read: (text, place) => readNumbers(String(known[text] ?? text), 255, place),
    problem: (text) => {
      const nearest = suggest(text, Object.keys(known));
      const meant = nearest === undefined ? 'write its number' : `did you mean '${nearest}'?`;
      return `'${text}' is not a type of ${protocol} messages; ${meant}`;
    },
  });
}

function expandMark(
  raw: string | number | undefined,
  key: 'mark' | 'set-mark',
  fail: Fail,
): FirewallMark | undefined {
  if (raw === undefined) return undefined;
  const [value = Number.NaN, mask = WHOLE_MARK, ...more] = String(raw)
    .split('/')
    .map((text) => (/^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text) ? Number(text) : Number.NaN));
  if (more.length > 0 || Number.isNaN(value) || Number.isNaN(mask) || value > WHOLE_MARK || mask > WHOLE_MARK)
    fail(`'${raw}' is not a mark; write a number or VALUE/MASK, such as 0x10/0xff`, key);
  else if ((value & ~mask) !== 0)
    fail(`the mark ${raw} has bits outside of its mask`, key, 'make the mask wider, or the value smaller');
  else return { value, mask };
  return undefined;
}

const ethertypes: Readonly<Record<string, string>> = { ipv4: 'ip', ipv6: 'ip6', arp: 'arp', vlan: 'vlan' };

function expandEthertype(raw: string | number | undefined, fail: Fail): string | undefined {
  if (raw === undefined) return undefined;
  const name = ethertypes[raw];
  if (name !== undefined) return name;
  const number = /^(0x[0-9a-f]{1,4}|\d{1,5})$/i.test(String(raw)) ? Number(raw) : Number.NaN;
  if (number >= 0x600 && number <= 0xffff) return `0x${number.toString(16).padStart(4, '0')}`;
  fail(
    `'${raw}' is not an ethertype; write ipv4, ipv6, arp, vlan, or a number from 0x600 to 0xffff`,
    'ethertype',
  );
  return undefined;
}

function expandLimit(raw: RawRule['limit'], fail: Fail): FirewallLimit | undefined {
  if (raw === undefined) return undefined;
  const { rate, burst = 5, over = false } = typeof raw === 'string' ? { rate: raw } : raw;
  const [, packets, per] = /^([1-9]\d{0,8})\/(second|minute|hour|day)$/.exec(rate) ?? [];
  if (packets === undefined) {
    const key = typeof raw === 'string' ? 'limit' : 'limit/rate';
    fail(
      `'${rate}' is not a rate of packets; write one such as 10/second, 5/minute, 100/hour or 1000/day`,
      key,
    );
    return undefined;
  }
  return { packets: Number(packets), per: per as FirewallLimit['per'], burst, over };
}

function expandCounter({ raw, names }: RuleEntry, fail: Fail): string | boolean {
  const { counter = false } = raw;
  if (typeof counter === 'boolean' || names.counters.has(counter)) return counter;
  const known = [...names.counters];
  const nearest = suggest(counter, known);
  fail(
    `there is no counter '${counter}'; ${known.length === 0 ? 'none is declared' : `declared are ${listNames(known)}`}`,
    'counter',
    nearest === undefined ? `declare it: counters: [${counter}]` : `did you mean '${nearest}'?`,
  );
  return false;
}

/** NF_LOG_PREFIXLEN is 128 with the closing zero byte (net/netfilter/nf_log.h). */
const LONGEST_PREFIX = 127;

function expandLog(raw: string | boolean | undefined, fail: Fail): string | undefined {
  if (raw === undefined || raw === false) return undefined;
  const text = raw === true ? '' : raw;
  if (Buffer.byteLength(text) > LONGEST_PREFIX)
    fail(
      `the text of a log has at most ${LONGEST_PREFIX} bytes; this one has ${Buffer.byteLength(text)}`,
      'log',
    );
  else if (!isPlainText(text))
    fail(`the text of a log is without quotes, backslashes and control characters`, 'log');
  return text;
}

function expandComment(raw: string | undefined, fail: Fail): string | undefined {
  if (raw !== undefined && !isPlainText(raw))
    fail('a comment is without quotes, backslashes and control characters', 'comment');
  return raw === '' ? undefined : raw;
}

/** nft has no escape for a quote inside of quotes. */
function isPlainText(text: string): boolean {
  return !/["\\\p{Cc}]/u.test(text);
}

function checkProtocols({ protocols, port, sourcePort, mss }: FirewallRule, fail: Fail): void {
  const withoutPorts = protocols.filter((name) => !portProtocols.has(name));
  for (const [key, match] of [
    ['port', port],
    ['source-port', sourcePort],
  ] as const) {
    if (match === undefined) continue;
    if (protocols.length === 0)
      fail('a port needs a protocol that has ports', key, 'add protocol: tcp or protocol: [tcp, udp]');
    else if (withoutPorts.length > 0) fail(`${withoutPorts.join(' and ')} has no ports`, key);
  }
  if (mss !== undefined && protocols.some((name) => name !== 'tcp'))
    fail('mss is about tcp connections alone; write protocol: tcp, or no protocol', 'mss');
}

function checkFamilies(rule: FirewallRule, { names }: RuleEntry, fail: Fail): void {
  const families = familiesOf(rule, names.sets);
  if (families.length === 0) {
    const told = [
      ...(rule.family === undefined ? [] : [`family is ipv${rule.family}`]),
      ...(['from', 'to'] as const).flatMap((key) => (rule[key] === undefined ? [] : [key])),
      ...rule.protocols.filter((name) => name.startsWith('icmp')),
      ...(rule.ethertype === undefined ? [] : ['ethertype']),
    ];
    fail(
      `no packet matches: ${listNames(told)} are of different families, IPv4 and IPv6`,
      rule.to === undefined ? undefined : 'to',
      'write one rule for each family',
    );
  } else if (rule.limit !== undefined && needsSeveral(rule, families)) {
    fail(
      'this rule becomes several in nftables, and each would have the limit for itself',
      'limit',
      'write one rule for each family and for each name with a *',
    );
  }
}

/** Whether one nftables rule cannot say it. */
function needsSeveral(rule: FirewallRule, families: readonly (4 | 6)[]): boolean {
  const hasAddress = rule.from !== undefined || rule.to !== undefined;
  const isSplit = (match: FirewallMatch | undefined) =>
    match !== undefined &&
    !match.not &&
    match.values.length > 1 &&
    match.values.some((name) => name.endsWith('*'));
  return (hasAddress && families.length > 1) || isSplit(rule.in) || isSplit(rule.out);
}

function checkAction(rule: FirewallRule, raw: RawRule, fail: Fail): void {
  const does =
    rule.setMark !== undefined || rule.mss !== undefined || rule.log !== undefined || rule.counter !== false;
  if (rule.action === 'continue' && !does)
    fail(
      'the rule does nothing',
      undefined,
      'add action: accept, drop or reject; or log, counter, set-mark or mss',
    );
  if (raw['reject-with'] !== undefined && rule.action !== 'reject')
    fail('reject-with is for action: reject', 'reject-with');
  if (rule.action === 'reject' && rule.rejectWith === 'tcp-reset' && rule.protocols.join() !== 'tcp')
    fail('only tcp can be reset', 'reject-with', 'add protocol: tcp, or choose another answer');
  if (rule.mss !== undefined && rule.action !== 'continue')
    fail(
      'mss is about the first packets of connections alone',
      'mss',
      `write action: ${rule.action} in a rule of its own`,
    );
}
