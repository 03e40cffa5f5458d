import { familyOfAddress } from '../lib/ip.ts';
import {
  type FirewallFamily,
  type FirewallHook,
  type FirewallMatch,
  type FirewallRule,
  type FirewallSet,
  familiesOf,
} from '../topology/firewall.ts';
import { protocolValue } from '../topology/firewall-protocols.ts';
import type { FirewallChainName } from './firewall-chains.ts';

type Sets = ReadonlyMap<string, FirewallSet>;

/** The chain of nftables that a rule is in: some can only act at another place than the others of their list. */
export function chainOfRule({ action, setMark }: FirewallRule, hook: FirewallHook): FirewallChainName {
  if (action === 'notrack') return hook === 'output' ? 'raw-output' : 'raw-prerouting';
  // Only a chain of type route makes the kernel look for a route again.
  return setMark !== undefined && hook === 'output' ? 'mark-output' : hook;
}

/** What a set is called in nftables, by what is in it: one of nftables has one type. */
export function setNames({
  name,
  type,
  elements,
}: FirewallSet): { readonly name: string; readonly type: string }[] {
  if (type === 'ports') return [{ name: `${name}_ports`, type: 'inet_service' }];
  if (type === 'interfaces') return [{ name: `${name}_names`, type: 'ifname' }];
  const has = (family: 4 | 6) =>
    elements.length === 0 || elements.some((element) => familyOfAddress(element) === family);
  return [
    ...(has(4) ? [{ name: `${name}_4`, type: 'ipv4_addr' }] : []),
    ...(has(6) ? [{ name: `${name}_6`, type: 'ipv6_addr' }] : []),
  ];
}

export function counterName(name: string): string {
  return `${name}_counter`;
}

/** The rule in the words of nft: several where one cannot say it, as for addresses of both families. */
export function ruleTexts(rule: FirewallRule, family: FirewallFamily, sets: Sets): string[] {
  const effects = effectWords(rule);
  return familyVariants(rule, family, sets).flatMap((ip) =>
    nameVariants('iifname', rule.in).flatMap((into) =>
      nameVariants('oifname', rule.out).map((out) =>
        [into, out, ...linkWords(rule, family), ip, ...transportWords(rule), ...effects]
          .filter(Boolean)
          .join(' '),
      ),
    ),
  );
}

/** How plans call the rule. */
export function describeRule(rule: FirewallRule): string {
  const { protocols, state, published, mark, limit, setMark, mss, action } = rule;
  const does = [
    ...(setMark === undefined ? [] : [`set-mark ${markText(setMark)}`]),
    ...(mss === undefined ? [] : [`mss ${mss}`]),
    ...(action === 'continue' ? [] : [action]),
  ];
  if (does.length === 0) does.push(rule.log === undefined ? 'count' : 'log');
  return [
    does.join(', '),
    rule.family === undefined ? '' : `ipv${rule.family}`,
    protocols.join(','),
    describeMatch('type', rule.icmpType),
    describeMatch('port', rule.port),
    describeMatch('source-port', rule.sourcePort),
    describeMatch('from', rule.from),
    describeMatch('to', rule.to),
    describeMatch('in', rule.in),
    describeMatch('out', rule.out),
    describeMatch('from-mac', rule.fromMac),
    describeMatch('to-mac', rule.toMac),
    rule.ethertype ?? '',
    rule.vlan === undefined ? '' : `vlan ${rule.vlan}`,
    state.join(','),
    published === undefined ? '' : `${published ? '' : 'not '}published`,
    mark === undefined ? '' : `mark ${markText(mark)}`,
    limit === undefined ? '' : `${limit.over ? 'over ' : ''}${limit.packets}/${limit.per}`,
  ]
    .filter(Boolean)
    .join(' ');
}

function describeMatch(key: string, match: FirewallMatch | undefined): string {
  if (match === undefined) return '';
  const { not, set, values } = match;
  return `${key} ${not ? '!' : ''}${set === undefined ? values.join(',') : `@${set}`}`;
}

/** The words for the addresses and the family, once for each family that needs words of its own. */
function familyVariants(rule: FirewallRule, family: FirewallFamily, sets: Sets): string[] {
  const families = familiesOf(rule, sets);
  if (rule.from !== undefined || rule.to !== undefined) {
    return families.map((ip) => {
      const word = ip === 4 ? 'ip' : 'ip6';
      const from = addressWords(`${word} saddr`, rule.from, ip);
      return [from, addressWords(`${word} daddr`, rule.to, ip)].filter(Boolean).join(' ');
    });
  }
  const [only, other] = families;
  // A type of icmp messages says the family itself.
  if (only === undefined || other !== undefined || rule.icmpType !== undefined) return [''];
  if (family === 'inet') return [`meta nfproto ipv${only}`];
  return rule.ethertype === undefined ? [`meta protocol ${only === 4 ? 'ip' : 'ip6'}`] : [''];
}

function addressWords(selector: string, match: FirewallMatch | undefined, family: 4 | 6): string {
  if (match === undefined) return '';
  if (match.set !== undefined) return `${selector} ${match.not ? '!= ' : ''}@${match.set}_${family}`;
  return matchWords(selector, {
    ...match,
    values: match.values.filter((each) => familyOfAddress(each) === family),
  });
}

/** Names with a `*` cannot be in a list of nft, so each of them takes a rule of its own. */
function nameVariants(selector: 'iifname' | 'oifname', match: FirewallMatch | undefined): string[] {
  if (match === undefined) return [''];
  if (match.set !== undefined) return [`${selector} ${match.not ? '!= ' : ''}@${match.set}_names`];
  const isPattern = (name: string) => name.endsWith('*');
  const patterns = match.values.filter(isPattern);
  const plain = match.values.filter((name) => !isPattern(name));
  const words = [
    ...(plain.length === 0 ? [] : [matchWords(selector, { ...match, values: plain.map(quoted) })]),
    ...patterns.map((name) => `${selector} ${match.not ? '!= ' : ''}${quoted(name)}`),
  ];
  return match.not ? [words.join(' ')] : words;
}

function quoted(text: string): string {
  return `"${text}"`;
}

function matchWords(selector: string, { not, set, values }: FirewallMatch, suffix = ''): string {
  const sign = not ? '!= ' : '';
  if (set !== undefined) return `${selector} ${sign}@${set}${suffix}`;
  return `${selector} ${sign}${values.length === 1 ? values[0] : `{ ${values.join(', ')} }`}`;
}

function linkWords({ fromMac, toMac, ethertype, vlan }: FirewallRule, family: FirewallFamily): string[] {
  return [
    fromMac === undefined ? '' : matchWords('ether saddr', fromMac),
    toMac === undefined ? '' : matchWords('ether daddr', toMac),
    ethertype === undefined || family === 'inet' ? '' : `ether type ${ethertype}`,
    vlan === undefined ? '' : `vlan id ${vlan}`,
  ];
}

function transportWords(rule: FirewallRule): string[] {
  const { protocols, port, sourcePort, icmpType, state, published, mark } = rule;
  const [protocol] = protocols;
  const hasPorts = port !== undefined || sourcePort !== undefined;
  const header = protocols.length === 1 ? protocol : 'th';
  const numbers = protocols.map(protocolValue);
  const isImplied = protocols.length === 1 && (hasPorts || icmpType !== undefined);
  return [
    protocols.length === 0 || isImplied
      ? ''
      : `meta l4proto ${numbers.length === 1 ? numbers[0] : `{ ${numbers.join(', ')} }`}`,
    icmpType === undefined ? '' : matchWords(`${protocol} type`, icmpType),
    port === undefined ? '' : matchWords(`${header} dport`, port, '_ports'),
    sourcePort === undefined ? '' : matchWords(`${header} sport`, sourcePort, '_ports'),
    state.length === 0 ? '' : `ct state ${state.join(',')}`,
    published === undefined ? '' : `ct status ${published ? '' : '! '}dnat`,
    mark === undefined ? '' : markMatch(mark),
  ];
}

function markMatch({ value, mask }: NonNullable<FirewallRule['mark']>): string {
  return mask === 0xffffffff
    ? `meta mark ${hexadecimal(value)}`
    : `meta mark & ${hexadecimal(mask)} == ${hexadecimal(value)}`;
}

/** What the rule does, in the order in which nft does it. */
function effectWords(rule: FirewallRule): string[] {
  const { limit, counter, log, setMark, mss, action, rejectWith } = rule;
  // The size of segments is agreed on by the packets with SYN.
  const words = mss === undefined ? [] : ['tcp flags & (syn | rst) == syn'];
  if (limit !== undefined) {
    const over = limit.over ? 'over ' : '';
    words.push(`limit rate ${over}${limit.packets}/${limit.per} burst ${limit.burst} packets`);
  }
  if (counter !== false)
    words.push(counter === true ? 'counter' : `counter name ${quoted(counterName(counter))}`);
  if (log !== undefined) words.push(log === '' ? 'log' : `log prefix ${quoted(log)}`);
  if (setMark !== undefined) words.push(markSetting(setMark));
  if (mss !== undefined) words.push(`tcp option maxseg size set ${mss === 'clamp' ? 'rt mtu' : mss}`);
  if (action === 'reject')
    words.push(rejectWith === 'tcp-reset' ? 'reject with tcp reset' : `reject with icmpx ${rejectWith}`);
  else if (action !== 'continue') words.push(action);
  return words;
}

function markSetting({ value, mask }: NonNullable<FirewallRule['setMark']>): string {
  if (mask === 0xffffffff) return `meta mark set ${hexadecimal(value)}`;
  const others = ~mask >>> 0;
  return `meta mark set meta mark & ${hexadecimal(others)} | ${hexadecimal(value)}`;
}

function markText({ value, mask }: NonNullable<FirewallRule['mark']>): string {
  return mask === 0xffffffff ? hexadecimal(value) : `${hexadecimal(value)}/${hexadecimal(mask)}`;
}

function hexadecimal(number: number): string {
  return `0x${number.toString(16)}`;
}
