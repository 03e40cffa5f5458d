import type { Firewall, FirewallRule } from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { formatNetwork, type Ip } from '../../lib/ip.ts';
import { pointer } from '../../lib/pointer.ts';
import { HOST } from '../../topology/model.ts';
import { makePortName } from '../normalize/port-name.ts';
import type { Report } from '../normalize/problem.ts';
import { suggest } from '../suggest.ts';
import { type Draft, namespaceOf } from './draft.ts';
import type { Member } from './members.ts';
import type { Net } from './read.ts';

interface Subject {
  readonly net: Net;
  readonly members: readonly Member[];
}

interface Placed {
  readonly rule: FirewallRule;
  readonly at: string;
}

/**
 * What keeps networks, and the members of one, apart: rules of the firewall behind those that the namespace has itself, so
 * that these can make an exception. Internal networks come first: nothing that others let pass leads out of them.
 */
export function addIsolation(
  draft: Draft,
  subjects: readonly Subject[],
  forwards: (namespace: string) => boolean,
  report: Report,
): void {
  const ordered = [
    ...subjects.filter(({ net }) => net.isInternal),
    ...subjects.filter(({ net }) => !net.isInternal),
  ];
  for (const subject of ordered) {
    const { namespace } = subject.net;
    const pairs = readPairs(subject, report);
    // Rules for what a namespace never forwards would only be in the way of who reads them.
    if (namespace === HOST || forwards(namespace))
      for (const placed of routedRules(subject.net, pairs)) addRule(draft, subject.net, 'forward', placed);
    for (const placed of bridgedRules(subject, pairs)) addRule(draft, subject.net, 'bridge', placed);
  }
}

/** What is routed into the bridge and out of it. */
function routedRules(net: Net, pairs: readonly Pair[] | undefined): Placed[] {
  const { bridge, raw, base, isInternal, isAttached, subnets } = net;
  const own = subnets.map(({ cidr }) => formatNetwork(cidr));
  // A bridge of its own has nothing else on it; one under `bridges` may have.
  const [from, to] = isAttached ? [{ from: own }, { to: own }] : [{}, {}];
  const place = (what: string, rule: FirewallRule): Placed => ({
    rule: { ...rule, comment: commentOf(net, what) },
    at: base,
  });
  if (isInternal) {
    return [
      place('no way out', { in: bridge, ...from, out: `!${bridge}`, action: 'drop' }),
      place('no way in', { in: `!${bridge}`, out: bridge, ...to, action: 'drop' }),
      ...(isIsolated(net)
        ? [place('not each other', { in: bridge, out: bridge, ...to, action: 'drop' })]
        : []),
    ];
  }
  const isClosed =
    raw.masquerade !== false && (raw.masquerade !== undefined || subnets.some(({ isRouted }) => isRouted));
  if (!isClosed && !isIsolated(net)) return [];
  // Without `in`, what comes from the bridge itself, too: nobody gets round the bridge by way of the router.
  const scope = {
    ...(isClosed && isIsolated(net) ? {} : { in: isClosed ? `!${bridge}` : bridge }),
    out: bridge,
    ...to,
  };
  return [
    place('answers', { ...scope, state: ['established', 'related'], action: 'accept' }),
    place('published ports', { ...scope, published: true, action: 'accept' }),
    // With br_netfilter on, what the bridge passes comes by here as well.
    ...(pairs ?? []).flatMap((pair) => routedPair(net, pair)),
    ...(pairs === undefined || !hasIpv6(net)
      ? []
      : [place('neighbour discovery', { in: bridge, out: bridge, ...discovery })]),
    place('nothing else', { ...scope, action: 'drop' }),
  ];
}

/** Neighbours must find each other: ARP is not IP, and its kin in IPv6 are these. */
const discovery: FirewallRule = {
  protocol: 'icmpv6',
  'icmp-type': ['neighbor-solicitation', 'neighbor-advertisement'],
  action: 'accept',
};

function hasIpv6({ subnets }: Net): boolean {
  return subnets.some(({ cidr }) => cidr.family === 6);
}

function isIsolated({ raw }: Net): boolean {
  return raw.isolation !== undefined && raw.isolation !== 'none';
}

/** What one member may send to another, of a connection that it opens. */
type Match = Pick<FirewallRule, 'protocol' | 'port' | 'icmp-type'>;

interface Pair {
  readonly sender: Member;
  readonly receiver: Member;
  /** undefined: everything, and both ways. */
  readonly matches: readonly Match[] | undefined;
  readonly at: string;
}

function routedPair(net: Net, { sender, receiver, matches, at }: Pair): Placed[] {
  const { bridge } = net;
  return net.subnets.flatMap((subnet) => {
    const [one, other] = [sender.ips.get(subnet), receiver.ips.get(subnet)];
    if (one === undefined || other === undefined) return [];
    const accept = (from: Ip, to: Ip, match: Match): Placed => {
      const ends = { in: bridge, out: bridge, from: from.address, to: to.address };
      return { rule: { ...ends, ...match, action: 'accept', comment: commentOf(net, 'pairs') }, at };
    };
    if (matches === undefined) return [accept(one, other, {}), accept(other, one, {})];
    const foreign = subnet.cidr.family === 4 ? 'icmpv6' : 'icmp';
    return matches.filter(({ protocol }) => protocol !== foreign).map((match) => accept(one, other, match));
  });
}

/**
 * What the bridge passes from one port to another: the port says who sends, so nobody can send in the name of another. It
 * does without connection tracking, which not every kernel has for bridges: answers are known by what they look like.
 */
function bridgedRules({ net, members }: Subject, pairs: readonly Pair[] | undefined): Placed[] {
  if (pairs === undefined || members.length < 2) return [];
  const ports = members.map((member) => portNameOf(member));
  const at = `${net.base}/isolation`;
  const common = (what: string, rule: FirewallRule): Placed => ({
    rule: { in: ports, out: ports, ...rule, comment: commentOf(net, what) },
    at,
  });
  return [
    ...pairs.flatMap((pair) => bridgedPair(pair, net)),
    ...(hasIpv6(net) ? [common('neighbour discovery', discovery)] : []),
    common('neighbour discovery', { ethertype: 'arp', action: 'accept' }),
    // Not only what says that it is IP: a frame with the VLAN 0 is taken as one without.
    common('not each other', { action: 'drop' }),
  ];
}

function bridgedPair({ sender, receiver, matches = [{}], at }: Pair, net: Net): Placed[] {
  const [one, other] = [portNameOf(sender), portNameOf(receiver)];
  return matches.flatMap((match) => [
    { rule: { in: one, out: other, ...match, action: 'accept', comment: commentOf(net, 'pairs') }, at },
    {
      rule: {
        in: other,
        out: one,
        ...answerTo(match),
        action: 'accept',
        comment: commentOf(net, match.protocol === undefined ? 'pairs' : 'answers in pairs'),
      },
      at,
    },
  ]);
}

function answerTo({ protocol, port }: Match): FirewallRule {
  if (port !== undefined) return { ...(protocol === undefined ? {} : { protocol }), 'source-port': port };
  if (protocol === undefined) return {};
  return { protocol, 'icmp-type': 'echo-reply' };
}

/** The pairs that the file lists; undefined where the network is not kept apart by pairs. */
function readPairs({ net, members }: Subject, report: Report): Pair[] | undefined {
  const { isolation } = net.raw;
  if (typeof isolation !== 'object') return undefined;
  const base = `${net.base}/isolation/allow`;
  const seen = new Set<string>();
  return isolation.allow.flatMap(({ from, to, ports }, index) => {
    const at = `${base}/${index}`;
    const senders = membersNamed(from, { net, members, at: `${at}/from` }, report);
    const receivers = membersNamed(to, { net, members, at: `${at}/to` }, report);
    const matches = ports === undefined ? undefined : readPorts(ports, { net, at: `${at}/ports` }, report);
    return senders.flatMap((sender) =>
      receivers.flatMap((receiver): Pair[] => {
        const key = JSON.stringify([sender.namespace, receiver.namespace, matches ?? null]);
        if (sender === receiver || seen.has(key)) return [];
        seen.add(key);
        return [{ sender, receiver, matches, at }];
      }),
    );
  });
}

/** Numbers and ranges by their protocol; `icmp` is a ping. */
function readPorts(
  ports: readonly (string | number)[],
  { net, at }: { readonly net: Net; readonly at: string },
  report: Report,
): Match[] {
  const byProtocol = new Map<string, Set<string>>();
  for (const [index, text] of ports.map(String).entries()) {
    const [, port, protocol = 'tcp'] = /^([0-9]+(?:-[0-9]+)?)(?:\/(tcp|udp|sctp))?$/.exec(text) ?? [];
    if (text === 'icmp') {
      for (const { cidr } of net.subnets) byProtocol.set(cidr.family === 4 ? 'icmp' : 'icmpv6', new Set());
    } else if (port !== undefined) {
      const known = byProtocol.get(protocol) ?? new Set();
      byProtocol.set(protocol, known.add(port));
    } else {
      report({
        code: 'network',
        message: `'${text}' is not a port; write 5432/tcp, 53/udp, 8000-8010 or icmp`,
        place: { pointer: `${at}/${index}`, part: 'value' },
      });
    }
  }
  return [...byProtocol].map(([protocol, known]) =>
    known.size === 0 ? { protocol, 'icmp-type': 'echo-request' } : { protocol, port: [...known] },
  );
}

function membersNamed(
  names: string | readonly string[],
  { net, members, at }: Subject & { readonly at: string },
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

/** What a rule is for, which plans, `explain` and `nft` show. */
function commentOf({ name }: Net, what: string): string {
  return `network ${name}: ${what}`;
}

/** As the bridge's port is called by default; see addPort, which is told it where the rules need it. */
export function portNameOf({ settings, namespace, name }: Member): string {
  return settings['port-name'] ?? makePortName({ namespace, name }, () => true);
}

function addRule(draft: Draft, { namespace }: Net, hook: 'forward' | 'bridge', { rule, at }: Placed): void {
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
