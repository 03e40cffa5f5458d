import type { Place } from '../../lib/diagnostic.ts';
import { kernelName } from '../../lib/interface-name.ts';
import type { FirewallChain, FirewallMatch, FirewallRule } from '../../topology/firewall.ts';
import { hostInterfaces } from '../../topology/host-interfaces.ts';
import { HOST, type Interface } from '../../topology/model.ts';
import { listNames } from '../normalize/names.ts';
import type { Report } from '../normalize/problem.ts';
import { suggest } from '../suggest.ts';
import { forwards } from './nat.ts';
import type { Subject } from './rules.ts';

/** nft takes any name for an interface, and a wrong one matches nothing; it may also be one that comes later. */
export function checkFirewallInterfaces({ topology, network }: Subject, report: Report): void {
  for (const { name, firewall } of topology.namespaces) {
    // What the machine itself has cannot be known here.
    if (name === HOST) continue;
    const names = [...network.interfacesOf(name).map((item) => item.name), 'lo'];
    const check = (text: string, place: Place) => {
      const stem = text.slice(0, -1);
      if (text.endsWith('*') ? names.some((each) => each.startsWith(stem)) : names.includes(text)) return;
      const nearest = suggest(text, names);
      report({
        severity: 'warning',
        code: 'firewall-interface',
        message: `'${text}' is not an interface of ${name}; it has ${listNames(names.slice(0, -1)) || 'none'}`,
        place,
        ...(nearest === undefined ? {} : { help: `did you mean '${nearest}'?` }),
      });
    };
    for (const { type, elements, place } of firewall.sets)
      if (type === 'interfaces') for (const text of elements) check(text, place);
    for (const { rules } of firewall.chains) {
      for (const rule of rules) {
        for (const [key, match] of [
          ['in', rule.in],
          ['out', rule.out],
        ] as const)
          for (const text of match?.values ?? [])
            check(text, { pointer: `${rule.place.pointer}/${key}`, part: 'value' });
      }
    }
  }
}

/** Behind a rule for all packets that decides, no rule is looked at. */
export function checkFirewallOrder({ topology }: Subject, report: Report): void {
  for (const { firewall } of topology.namespaces) {
    for (const { rules } of firewall.chains) {
      const seen = new Map<string, FirewallRule>();
      let all: FirewallRule | undefined;
      for (const rule of rules) {
        const key = contentOf(rule);
        const earlier = seen.get(key);
        seen.set(key, earlier ?? rule);
        const cause = all ?? (decides(rule) ? earlier : undefined);
        all ??= decides(rule) && matchesAll(rule) ? rule : undefined;
        if (cause === undefined) continue;
        report({
          severity: 'warning',
          code: 'firewall-unreachable',
          message: 'no packet gets as far as this rule',
          place: rule.place,
          help: 'put it further up, or leave it out',
          related: [
            {
              message: cause === earlier ? 'this one is the same' : 'this one decides on all of them',
              place: cause.place,
            },
          ],
        });
        // One message says it for all behind.
        if (all !== undefined) break;
      }
    }
  }
}

function contentOf({ place: _place, comment: _comment, ...content }: FirewallRule): string {
  return JSON.stringify(content);
}

function decides({ action, limit }: FirewallRule): boolean {
  return (action === 'accept' || action === 'drop' || action === 'reject') && limit === undefined;
}

function matchesAll(rule: FirewallRule): boolean {
  const matches: readonly (FirewallMatch | undefined)[] = [
    rule.in,
    rule.out,
    rule.from,
    rule.to,
    rule.port,
    rule.sourcePort,
    rule.icmpType,
    rule.fromMac,
    rule.toMac,
  ];
  return (
    matches.every((match) => match === undefined) &&
    rule.protocols.length === 0 &&
    rule.state.length === 0 &&
    [rule.family, rule.published, rule.mark, rule.ethertype, rule.vlan].every((value) => value === undefined)
  );
}

/** What a namespace does not forward, its forward rules never see. */
export function checkFirewallForwarding({ topology }: Subject, report: Report): void {
  for (const namespace of topology.namespaces) {
    const { name, firewall } = namespace;
    if (name === HOST || forwards(namespace, 4) || forwards(namespace, 6)) continue;
    const chain = firewall.chains.find(({ family, hook }) => family === 'inet' && hook === 'forward');
    if (chain === undefined || chain.rules.length === 0) continue;
    report({
      severity: 'warning',
      code: 'forwarding-off',
      message: `${name} does not forward packets, so its forward rules never see one`,
      place: chain.place,
      help: `add forwarding: true to ${name}; for what a bridge passes between its ports, write bridge: { forward: … }`,
    });
  }
}

/** A policy of the host is one for everything on the machine. */
export function checkHostPolicies({ topology }: Subject, report: Report): void {
  const host = topology.namespaces.find(({ name }) => name === HOST);
  for (const chain of host?.firewall.chains ?? []) {
    if (chain.policy !== 'drop') continue;
    report({
      severity: 'warning',
      code: 'firewall-host',
      message: `this policy drops what others on this machine ${verb(chain)} too, unless a rule here accepts it`,
      place: { pointer: `${chain.place.pointer}/policy`, part: 'value' },
      help: 'write policy: accept, and rules with action: drop for the interfaces of the lab',
    });
  }
}

/** The chain is the machine's own, and its rules are about the lab's interfaces there. */
export function checkIntegration({ topology }: Subject, report: Report): void {
  for (const namespace of topology.namespaces) {
    const { name, firewall, forwarding } = namespace;
    const place = firewall.integrate?.place;
    if (place === undefined) continue;
    const fail = (message: string, help: string) =>
      report({ code: 'firewall-integrate', message, place, help });
    if (name !== HOST) {
      fail(
        `integrate is for ${HOST}: the chain DOCKER-USER is in the filter of the machine itself, and ${name} has none`,
        `leave it out here; for interfaces of the lab in ${HOST}: namespaces: { ${HOST}: { firewall: { integrate: docker-user } } }`,
      );
      continue;
    }
    const interfaces = hostInterfaces(topology);
    if (interfaces.length === 0) {
      fail(
        `the lab makes no interface in ${HOST} by which the machine could forward, and adopts no bridge there; there is nothing to let through`,
        `leave it out; Docker's filter sees no packets between namespaces`,
      );
    } else if (forwarding?.ipv4 === false && forwarding.ipv6 === false && !interfaces.some(isBridge)) {
      fail(
        `${HOST} forwards nothing, so there is nothing to let through`,
        `leave it out, or forwarding: false`,
      );
    }
    for (const item of interfaces) checkIptablesName(item, place, report);
  }
}

function isBridge({ kind }: Interface): boolean {
  return kind === 'bridge' || kind === 'ovs-bridge' || kind === 'adopted';
}

/** iptables(8) takes a name that ends with it for the beginning of names. */
function checkIptablesName({ name, place }: Interface, integrate: Place, report: Report): void {
  if (!kernelName(name).endsWith('+')) return;
  report({
    code: 'firewall-integrate',
    message: `iptables takes '${name}' for every interface whose name begins with '${name.slice(0, -1)}'`,
    place,
    help: "give it a name without '+' at its end",
    related: [{ message: 'this needs rules of iptables', place: integrate }],
  });
}

function verb({ hook }: FirewallChain): string {
  if (hook === 'input' || hook === 'prerouting') return 'receive';
  return hook === 'forward' ? 'forward' : 'send';
}
