import {
  type Firewall,
  type FirewallChain,
  type FirewallLimit,
  type FirewallMark,
  type FirewallMatch,
  type FirewallRule,
  hasFirewall,
} from '../../topology/firewall.ts';

export function longFirewall(firewall: Firewall): object {
  const { sets, counters, chains, integrate } = firewall;
  if (!hasFirewall({ firewall }) && integrate === undefined) return {};
  const of = (family: FirewallChain['family']) =>
    Object.fromEntries(
      chains.filter((chain) => chain.family === family).map((chain) => [chain.hook, longChain(chain)]),
    );
  const bridge = of('bridge');
  return {
    firewall: {
      ...(sets.length === 0
        ? {}
        : {
            sets: Object.fromEntries(
              sets.map(({ name, type, elements }) => [name, { type, elements: elements.map(longNumber) }]),
            ),
          }),
      ...(counters.length === 0 ? {} : { counters }),
      ...(integrate === undefined ? {} : { integrate: integrate.with }),
      ...of('inet'),
      ...(Object.keys(bridge).length === 0 ? {} : { bridge }),
    },
  };
}

function longChain({ policy, rules }: FirewallChain): object {
  return { policy, rules: rules.map(longRule) };
}

function longRule(rule: FirewallRule): object {
  const { protocols, state, action, rejectWith } = rule;
  return defined({
    in: longMatch(rule.in),
    out: longMatch(rule.out),
    from: longMatch(rule.from),
    to: longMatch(rule.to),
    family: rule.family === undefined ? undefined : `ipv${rule.family}`,
    protocol: protocols.length === 0 ? undefined : single(protocols.map(longNumber)),
    port: longMatch(rule.port, longNumber),
    'source-port': longMatch(rule.sourcePort, longNumber),
    'icmp-type': longMatch(rule.icmpType, longNumber),
    state: state.length === 0 ? undefined : state,
    published: rule.published,
    mark: longMark(rule.mark),
    ethertype: rule.ethertype && (longEthertypes[rule.ethertype] ?? rule.ethertype),
    vlan: rule.vlan,
    'from-mac': longMatch(rule.fromMac),
    'to-mac': longMatch(rule.toMac),
    limit: rule.limit && longLimit(rule.limit),
    counter: rule.counter === false ? undefined : rule.counter,
    log: rule.log === undefined ? undefined : rule.log === '' ? true : rule.log,
    'set-mark': longMark(rule.setMark),
    mss: rule.mss,
    action,
    'reject-with': action === 'reject' ? rejectWith : undefined,
    comment: rule.comment,
  });
}

const longEthertypes: Readonly<Record<string, string>> = { ip: 'ipv4', ip6: 'ipv6' };

function longMatch(
  match: FirewallMatch | undefined,
  longValue: (text: string) => string | number = (text) => text,
): unknown {
  if (match === undefined) return undefined;
  const { not, set, values } = match;
  if (set !== undefined) return `${not ? '!' : ''}@${set}`;
  return single(values.map((value) => (not ? `!${value}` : longValue(value))));
}

/** In YAML a number needs no quotes. */
function longNumber(text: string): string | number {
  return /^\d{1,9}$/.test(text) ? Number(text) : text;
}

function single<T>(values: readonly T[]): T | readonly T[] | undefined {
  return values.length === 1 ? values[0] : values;
}

function longMark(mark: FirewallMark | undefined): string | number | undefined {
  if (mark === undefined) return undefined;
  return mark.mask === 0xffffffff ? mark.value : `${mark.value}/${mark.mask}`;
}

function longLimit({ packets, per, burst, over }: FirewallLimit): object {
  return { rate: `${packets}/${per}`, burst, ...(over ? { over } : {}) };
}

function defined(document: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(document).filter(([, value]) => value !== undefined));
}
