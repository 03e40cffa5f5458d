import type { Firewall, FirewallRule } from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { pointer } from '../../lib/pointer.ts';
import { makePortName } from '../normalize/port-name.ts';
import type { Report } from '../normalize/problem.ts';
import { suggest } from '../suggest.ts';
import { type Draft, namespaceOf } from './draft.ts';
import type { Member } from './members.ts';
import type { Net } from './read.ts';

interface Rules {
  readonly net: Net;
  readonly members: readonly Member[];
}

/**
 * What keeps networks, and the members of one, apart: rules of the firewall behind those that the namespace has itself, so
 * that these can make an exception.
 */
export function addIsolation(draft: Draft, { net, members }: Rules, report: Report): void {
  const add = (hook: 'forward' | 'bridge', rule: FirewallRule, at: string) => addRule(draft, net, { hook, rule, at });
  for (const rule of routedRules(net)) add('forward', rule, net.base);
  const { isolation = 'none' } = net.raw;
  if (typeof isolation === 'string') return;
  for (const { rule, at } of pairRules({ net, members, allow: isolation.allow }, report)) add('bridge', rule, at);
}

/** What is routed into the bridge and out of it. */
function routedRules({ bridge, raw, isInternal, name }: Net): FirewallRule[] {
  const elsewhere = `!${bridge}`;
  const comment = `network ${name}`;
  if (isInternal) {
    return [
      { in: bridge, out: elsewhere, action: 'drop', comment },
      { in: elsewhere, out: bridge, action: 'drop', comment },
    ];
  }
  const isClosed = raw.masquerade !== false;
  const isIsolated = raw.isolation !== undefined && raw.isolation !== 'none';
  if (!isClosed && !isIsolated) return [];
  // Without `in`, what comes from the bridge itself, too.
  const from = isClosed && isIsolated ? {} : { in: isClosed ? elsewhere : bridge };
  return [
    { ...from, out: bridge, state: ['established', 'related'], action: 'accept', comment },
    { ...from, out: bridge, published: true, action: 'accept', comment },
    { ...from, out: bridge, action: 'drop', comment },
  ];
}

type Pair = Extract<NonNullable<Net['raw']['isolation']>, object>['allow'][number];

interface Placed {
  readonly rule: FirewallRule;
  readonly at: string;
}

/** What the bridge passes from one port to another. */
function pairRules(
  { net, members, allow }: Rules & { readonly allow: readonly Pair[] },
  report: Report,
): Placed[] {
  const ports = members.map((member) => portNameOf(member));
  if (ports.length < 2) return [];
  const comment = `network ${net.name}`;
  const inside = { in: ports, out: ports };
  const at = `${net.base}/isolation`;
  const rules: Placed[] = [
    { rule: { ...inside, state: ['established', 'related'], action: 'accept', comment }, at },
  ];
  for (const [index, pair] of allow.entries()) {
    const place = `${at}/allow/${index}`;
    const from = membersNamed(pair.from, { net, members, at: `${place}/from` }, report);
    const to = membersNamed(pair.to, { net, members, at: `${place}/to` }, report);
    for (const sender of from)
      for (const receiver of to)
        if (sender !== receiver)
          rules.push(...pairOf(pair, { sender, receiver, place, comment }, report));
  }
  // Neighbours must find each other: ARP is not IP, and its kin in IPv6 are these.
  const discovery: FirewallRule = {
    ...inside,
    protocol: 'icmpv6',
    'icmp-type': ['nd-neighbor-solicit', 'nd-neighbor-advert'],
    action: 'accept',
    comment,
  };
  if (net.subnets.some(({ cidr }) => cidr.family === 6)) rules.push({ rule: discovery, at });
  for (const ethertype of ['ipv4', 'ipv6'])
    rules.push({ rule: { ...inside, ethertype, action: 'drop', comment }, at });
  return rules;
}

interface Ends {
  readonly sender: Member;
  readonly receiver: Member;
  readonly place: string;
  readonly comment: string;
}

/** The port says who sends, so that nobody can send in the name of another. */
function pairOf({ ports }: Pair, { sender, receiver, place, comment }: Ends, report: Report): Placed[] {
  const ends = { in: portNameOf(sender), out: portNameOf(receiver) };
  if (ports === undefined) return [{ rule: { ...ends, action: 'accept', comment }, at: place }];
  const byProtocol = new Map<string, string[]>();
  const rules: Placed[] = [];
  for (const [index, text] of ports.map(String).entries()) {
    const [, port, protocol = 'tcp'] = /^([0-9]+(?:-[0-9]+)?)(?:\/(tcp|udp|sctp))?$/.exec(text) ?? [];
    if (text === 'icmp') {
      const protocols = receiver.net.subnets.map(({ cidr }) => (cidr.family === 4 ? 'icmp' : 'icmpv6'));
      for (const each of protocols)
        rules.push({ rule: { ...ends, protocol: each, action: 'accept', comment }, at: place });
    } else if (port !== undefined) byProtocol.set(protocol, [...(byProtocol.get(protocol) ?? []), port]);
    else
      report({
        code: 'network',
        message: `'${text}' is not a port; write 5432/tcp, 53/udp, 8000-8010 or icmp`,
        place: { pointer: `${place}/ports/${index}`, part: 'value' },
      });
  }
  for (const [protocol, port] of byProtocol)
    rules.push({ rule: { ...ends, protocol, port, action: 'accept', comment }, at: place });
  return rules;
}

function membersNamed(
  names: string | readonly string[],
  { net, members, at }: Rules & { readonly at: string },
  report: Report,
): Member[] {
  const isOne = typeof names === 'string';
  return (isOne ? [names] : names).flatMap((name, index) => {
    const found = members.find(({ namespace }) => namespace === name);
    if (found !== undefined) return [found];
    const place: Place = { pointer: isOne ? at : `${at}/${index}`, part: 'value' };
    const known = members.map(({ namespace }) => namespace);
    const near = suggest(name, known);
    report({
      code: 'network',
      message: `'${name}' is not a member of ${net.name}${near === undefined ? '' : `; did you mean '${near}'?`}`,
      place,
      ...(near === undefined && known.length > 0 ? { help: `members are ${known.join(', ')}` } : {}),
    });
    return [];
  });
}

/** As the bridge's port is called by default; see addPort, which says it where the rules need it. */
export function portNameOf({ settings, namespace, name }: Member): string {
  return settings['port-name'] ?? makePortName({ namespace, name }, () => true);
}

function addRule(
  draft: Draft,
  { namespace }: Net,
  { hook, rule, at }: { readonly hook: 'forward' | 'bridge'; readonly rule: FirewallRule; readonly at: string },
): void {
  const target = namespaceOf(draft, namespace, at);
  if (target === undefined) return;
  const firewall: Firewall = target.firewall ?? {};
  const chain = hook === 'forward' ? firewall.forward : firewall.bridge?.forward;
  const rules = [...(chain?.rules ?? []), rule];
  const path = hook === 'forward' ? ['forward'] : ['bridge', 'forward'];
  draft.origins.set(pointer('namespaces', namespace, 'firewall', ...path, 'rules', rules.length - 1), at);
  const changed = { ...chain, rules };
  target.firewall =
    hook === 'forward'
      ? { ...firewall, forward: changed }
      : { ...firewall, bridge: { ...firewall.bridge, forward: changed } };
}
