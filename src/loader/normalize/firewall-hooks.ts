import type { FirewallFamily, FirewallHook, FirewallRule } from '../../topology/firewall.ts';

interface Where {
  readonly family: FirewallFamily;
  readonly hook: FirewallHook;
}

type Problem = readonly [message: string, key?: string];

/** What a rule says that the place where it is looked at cannot know or do. */
export function hookProblems(rule: FirewallRule, { family, hook }: Where): Problem[] {
  return [
    ...directionProblems(rule, hook),
    ...(family === 'bridge' ? bridgeProblems(rule, hook) : inetProblems(rule, hook)),
    ...trackingProblems(rule),
  ];
}

function directionProblems({ in: into, out }: FirewallRule, hook: FirewallHook): Problem[] {
  const problems: Problem[] = [];
  if (into !== undefined && hook === 'output')
    problems.push(["the namespace's own packets came in by no interface; leave in out", 'in']);
  if (out !== undefined && hook === 'prerouting')
    problems.push(['a packet is not routed yet in prerouting: it has no out; use forward', 'out']);
  if (out !== undefined && hook === 'input')
    problems.push(['packets for the namespace itself leave by no interface; leave out out', 'out']);
  return problems;
}

function bridgeProblems({ action, mss }: FirewallRule, hook: FirewallHook): Problem[] {
  const problems: Problem[] = [];
  if (action === 'notrack')
    problems.push(['notrack is for prerouting and output outside of bridge', 'action']);
  // nft_reject_bridge_validate in net/bridge/netfilter/nft_reject_bridge.c
  if (action === 'reject' && hook !== 'input')
    problems.push([`a bridge cannot answer in ${hook}; use action: drop`, 'action']);
  if (mss !== undefined)
    problems.push(['mss is for forward, output and postrouting outside of bridge', 'mss']);
  return problems;
}

function inetProblems(rule: FirewallRule, hook: FirewallHook): Problem[] {
  const { action, mss, fromMac, toMac, ethertype, vlan } = rule;
  const problems: Problem[] = [];
  if (action === 'notrack' && hook !== 'prerouting' && hook !== 'output')
    problems.push([
      `in ${hook} the packet is tracked already; write notrack in prerouting or output`,
      'action',
    ]);
  // nft_reject_inet_validate in net/netfilter/nft_reject_inet.c
  if (action === 'reject' && hook === 'postrouting')
    problems.push(['in postrouting nothing can be answered any more; use forward or output', 'action']);
  // nft_rt_validate in net/netfilter/nft_rt.c
  if (mss !== undefined && (hook === 'prerouting' || hook === 'input'))
    problems.push([
      `mss needs the route, which is not known in ${hook}; use forward, output or postrouting`,
      'mss',
    ]);
  if (fromMac !== undefined && (hook === 'output' || hook === 'postrouting'))
    problems.push([`in ${hook} the source MAC address is not set yet`, 'from-mac']);
  if (toMac !== undefined) problems.push(['to-mac is for rules of bridge', 'to-mac']);
  if (ethertype !== undefined) problems.push(['ethertype is for rules of bridge; use family', 'ethertype']);
  if (vlan !== undefined)
    problems.push(['vlan is for rules of bridge; name the VLAN interface with in or out', 'vlan']);
  return problems;
}

function trackingProblems({ action, state, published }: FirewallRule): Problem[] {
  if (action !== 'notrack') return [];
  const key = state.length > 0 ? 'state' : published === undefined ? undefined : 'published';
  return key === undefined
    ? []
    : [['notrack comes before connection tracking: nothing is known of the packet yet', key]];
}
