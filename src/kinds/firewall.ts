import { createHash } from 'node:crypto';
import { groupBy } from '../lib/collections.ts';
import type { Place } from '../lib/diagnostic.ts';
import { kernelName } from '../lib/interface-name.ts';
import type { FirewallFamily, FirewallRule, FirewallSet } from '../topology/firewall.ts';
import { HOST, type Namespace } from '../topology/model.ts';
import { chainFacts, chainNames, hookOfChain } from './firewall-chains.ts';
import { readFirewall } from './firewall-read.ts';
import { chainOfRule, counterName, describeRule, ruleTexts, setNames } from './firewall-rule.ts';
import { sameElements } from './firewall-sets.ts';
import { firewallScript } from './firewall-table.ts';
import { commentText } from './nft.ts';
import { type Attributes, isSameOrder, type Kind, type Resource, sameValue, type Value } from './resource.ts';

/**
 * The packet filter of a namespace: a table of the lab's own for IP packets and one for what bridges pass on, each of
 * which is replaced as a whole. A rule's identity is its chain and its content; a chain knows the order of its rules.
 */
export const firewallKind = defineFirewall('firewall', 'inet');
export const bridgeFirewallKind = defineFirewall('bridge-firewall', 'bridge');

function defineFirewall(name: string, family: FirewallFamily): Kind {
  return {
    name,
    changes: {
      policy: 'in-place',
      hook: 'in-place',
      order: 'in-place',
      elements: 'in-place',
      seal: 'in-place',
    },
    lower: ({ topology }) =>
      topology.namespaces.flatMap((namespace) => lowerFirewall(namespace, family, name)),
    read: (live, { lab }) =>
      [...live.namespaces.values()].flatMap((namespace) =>
        readFirewall(namespace, { lab, family, kind: name }),
      ),
    requires: ({ namespace }) => (namespace === HOST ? [] : [namespace]),
    same: isSame,
    create: () => [],
    update: () => [],
    remove: () => [],
    isBeforeLinks: true,
    whole: (namespace, { wanted, lab, live }) => [
      { tool: 'nft', namespace, script: firewallScript({ family, lab, wanted, live }) },
    ],
  };
}

/** What is for the script alone is in the hash of a rule's comment: nft prints it in other words. */
const scriptOnly: ReadonlySet<string> = new Set(['rules', 'part', 'name', 'objects', 'types', 'comment']);

function isSame(attribute: string, wanted: Value, live: Value | undefined): boolean {
  if (scriptOnly.has(attribute)) return true;
  if (attribute === 'order') return isSameOrder(wanted as readonly string[], live as readonly string[]);
  if (attribute === 'elements') return sameElements(wanted as readonly string[], live as readonly string[]);
  return sameValue(attribute, wanted, live);
}

interface Lowering {
  readonly namespace: Namespace;
  readonly family: FirewallFamily;
  readonly kind: string;
}

function lowerFirewall(namespace: Namespace, family: FirewallFamily, kind: string): Resource[] {
  const { firewall } = namespace;
  const chains = firewall.chains.filter((chain) => chain.family === family);
  const used = usedBy(
    firewall.chains.filter((chain) => chain.family === family).flatMap(({ rules }) => rules),
  );
  const others = usedBy(
    firewall.chains.filter((chain) => chain.family !== family).flatMap(({ rules }) => rules),
  );
  // What nobody uses is in the table for IP packets.
  const isHere = (name: string) => used.has(name) || (family === 'inet' && !others.has(name));
  const lowering = { namespace, family, kind };
  const sets = new Map(firewall.sets.map((set) => [set.name, set]));
  return [
    ...firewall.counters.filter((name) => isHere(name)).map((name) => lowerCounter(lowering, name)),
    ...firewall.sets.filter(({ name }) => isHere(`@${name}`)).map((set) => lowerSet(lowering, set)),
    ...chains.flatMap(({ hook, policy, rules, place }) => {
      const lowered = lowerRules(lowering, hook, rules, sets);
      const byChain = groupBy(lowered, ({ attributes }) => String(attributes['name']));
      return chainNames
        .filter((name) => hookOfChain(name) === hook && (name === hook || byChain.has(name)))
        .flatMap((name) => {
          const own = byChain.get(name) ?? [];
          const order = own.map(({ attributes }) => String(attributes['comment']));
          return [
            resource(lowering, {
              id: name,
              label: name,
              place,
              attributes: {
                part: 'chain',
                name,
                objects: [name],
                policy: name === hook ? policy : 'accept',
                hook: chainFacts(family, name) ?? '',
                order,
              },
            }),
            ...own,
          ];
        });
    }),
  ];
}

/** Counters by their names, and sets with an `@` in front. */
function usedBy(rules: readonly FirewallRule[]): ReadonlySet<string> {
  const used = new Set<string>();
  for (const { counter, in: into, out, from, to, port, sourcePort } of rules) {
    if (typeof counter === 'string') used.add(counter);
    for (const match of [into, out, from, to, port, sourcePort]) {
      if (match?.set !== undefined) used.add(`@${match.set}`);
    }
  }
  return used;
}

interface Part {
  readonly id: string;
  readonly label: string;
  readonly attributes: Attributes;
  readonly place: Place;
}

function resource({ namespace: { name }, kind }: Lowering, { id, label, attributes, place }: Part): Resource {
  return { kind, id: firewallId(name, kind, id), namespace: name, label, attributes, place };
}

export function firewallId(namespace: string, kind: string, id: string): string {
  return `${namespace}/${kind}/${id}`;
}

function lowerCounter(lowering: Lowering, name: string): Resource {
  const { namespace } = lowering;
  const place: Place = { pointer: `${sectionOf(namespace)}/counters`, part: 'key' };
  const attributes = { part: 'counter', name, objects: [counterName(name)] };
  return resource(lowering, { id: `counter ${name}`, label: `counter ${name}`, attributes, place });
}

/** The pointer of the section, from the place of the namespace. */
function sectionOf({ place }: Namespace): string {
  return `${place.pointer}/firewall`;
}

function lowerSet(lowering: Lowering, set: FirewallSet): Resource {
  const names = setNames(set);
  const attributes = {
    part: 'set',
    name: set.name,
    objects: names.map(({ name }) => name),
    types: names.map(({ type }) => type),
    type: set.type,
    elements: set.type === 'interfaces' ? set.elements.map(kernelName) : set.elements,
  };
  return resource(lowering, { id: `@${set.name}`, label: `set ${set.name}`, attributes, place: set.place });
}

function lowerRules(
  lowering: Lowering,
  hook: Parameters<typeof chainOfRule>[1],
  rules: readonly FirewallRule[],
  sets: ReadonlyMap<string, FirewallSet>,
): Resource[] {
  const seen = new Map<string, number>();
  return rules.map((rule) => {
    const chain = chainOfRule(rule, hook);
    const texts = ruleTexts(rule, lowering.family, sets);
    const content = `${chain} ${texts.join('\n')}`;
    const count = (seen.get(content) ?? 0) + 1;
    seen.set(content, count);
    const label = rule.comment ?? describeRule(rule);
    const comment = firewallComment(label, `${content} ${rule.comment ?? ''} ${count}`);
    return resource(lowering, {
      id: `${chain}/${comment}`,
      label: `${chain}: ${label}`,
      place: rule.place,
      attributes: {
        part: 'rule',
        name: chain,
        comment,
        rules: texts.map((text) => `${chain} ${text}`),
        chains: texts.map(() => chain),
      },
    });
  });
}

function firewallComment(label: string, content: string): string {
  return commentText(label, createHash('sha256').update(content).digest('hex').slice(0, 12));
}
