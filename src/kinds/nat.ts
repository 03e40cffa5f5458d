import { append } from '../lib/collections.ts';
import type { Place } from '../lib/diagnostic.ts';
import type { LiveNamespace } from '../observe/live.ts';
import { HOST, type Namespace, type OutInterface, type Topology } from '../topology/model.ts';
import {
  type ChainName,
  chainFacts,
  chains,
  type NftRule,
  nftTable,
  ruleComment,
  tableScript,
} from './nft.ts';
import {
  isEntry,
  labelOf,
  lowerPublish,
  publishComment,
  publishSets,
  readPublish,
  readPublished,
  readPublishRules,
  toMapping,
} from './publish.ts';
import {
  type Command,
  isSameOrder,
  type Kind,
  type LiveResource,
  type Resource,
  sameValue,
  type Value,
  type WholeChange,
} from './resource.ts';

/**
 * NAT of a namespace: masquerade, source NAT and published ports, in one nftables table of the lab's own that is
 * replaced as a whole, in one transaction. A rule's identity is its content; that of a published port, where it is.
 */
export const natKind: Kind = {
  name: 'nat',
  changes: {
    to: 'in-place',
    content: 'in-place',
    chains: 'in-place',
    order: 'in-place',
    neighbors: 'in-place',
    loopback: 'in-place',
  },
  lower: ({ topology }) => topology.namespaces.flatMap((namespace) => lowerNat(topology, namespace)),
  read: (live, { lab, wanted }) => {
    const published = new Map<string, Resource[]>();
    wanted.forEach((resource) => {
      if (resource.kind === 'nat' && isEntry(resource)) append(published, resource.namespace, resource);
    });
    return [...live.namespaces.values()].flatMap((namespace) =>
      readNat(namespace, lab, published.get(namespace.name) ?? []),
    );
  },
  requires: ({ namespace }) => (namespace === HOST ? [] : [namespace]),
  same: isSame,
  create: () => [],
  update: () => [],
  remove: () => [],
  whole: replaceTable,
  disrupts: (change, action) => {
    if (action === 'delete') return 'connections that it translates break';
    return change?.attributes.includes('to') ? 'connections to the earlier target break' : undefined;
  },
};

/** How rules read is in the hash of their comments: nft prints them in other words. `entry` is what `to` says. */
const told: ReadonlySet<string> = new Set(['rules', 'entry']);

function isSame(attribute: string, wanted: Value, live: Value | undefined): boolean {
  if (told.has(attribute)) return true;
  if (attribute === 'order')
    return isSameOrder(wanted as readonly string[], (live ?? []) as readonly string[]);
  return sameValue(attribute, wanted, live);
}

function replaceTable(namespace: string, { lab, wanted, differences, isNew }: WholeChange): Command[] {
  const rules = wanted
    .filter((resource) => !isEntry(resource))
    .flatMap((resource) =>
      (resource.attributes['rules'] as readonly string[]).map((rule) => ({
        chain: rule.slice(0, rule.indexOf(' ')) as ChainName,
        text: rule.slice(rule.indexOf(' ') + 1),
        comment: String(resource.attributes['comment'] ?? publishComment(resource)),
      })),
    );
  const script = tableScript(lab, { sets: publishSets(wanted), rules });
  const replace: Command = { tool: 'nft', namespace, script };
  // A new namespace has no connections yet.
  const mappings = isNew ? [] : differences.flatMap((item) => toMapping(item.wanted, item.live) ?? []);
  return mappings.length === 0 ? [replace] : [replace, { tool: 'conntrack', namespace, mappings }];
}

/** What the lab's table in a namespace does, a line each. */
export function describeNat(namespace: LiveNamespace): string[] {
  const comments = namespace.nft.flatMap(({ rule }) =>
    rule === undefined ? [] : [String(rule['comment'] ?? '')],
  );
  const rules = [...new Set(comments)]
    .filter((comment) => readPublishRules(namespace.name, comment, []) === undefined)
    .map((comment) => comment.replace(/ \[[0-9a-f]{12}\]$/, ''));
  return [...readPublished(namespace).map(labelOf), ...rules];
}

function lowerNat(topology: Topology, namespace: Namespace): Resource[] {
  const { name, nat } = namespace;
  const rules: Resource[] = [];
  const known = new Set<string>();
  const add = (label: string, place: Place, parts: readonly NftRule[]) => {
    const comment = ruleComment(label, parts);
    // A network and the file itself may say the same, and no packet gets to the second of two rules.
    if (known.has(comment)) return;
    known.add(comment);
    rules.push({
      kind: 'nat',
      id: `${name}/nat/${comment}`,
      namespace: name,
      label,
      attributes: {
        comment,
        rules: parts.map(({ chain, text }) => `${chain} ${text}`),
        chains: parts.map(({ chain }) => chain).sort(),
      },
      place,
    });
  };
  for (const { from, out, to, place } of nat.snat) {
    const text = `${sourceMatch(from ?? familyPrefix(to))}${outMatch(out)}snat ${family(to)} to ${to}`;
    add(`snat ${from ?? 'any'}${outLabel(out)} to ${to}`, place, [{ chain: 'postrouting', text }]);
  }
  for (const { from, out, place } of nat.masquerade) {
    const text = `${sourceMatch(from)}${outMatch(out)}masquerade`;
    add(`masquerade ${from ?? 'any'}${outLabel(out)}`, place, [{ chain: 'postrouting', text }]);
  }
  return [...lowerPublish(topology, namespace), ...withOrder(rules)];
}

/** The first rule that matches a packet translates it, so their order counts. One of them knows it for all. */
function withOrder([first, ...rest]: readonly Resource[]): Resource[] {
  if (first === undefined) return [];
  if (rest.length === 0) return [first];
  const order = [first, ...rest].map(({ attributes }) => String(attributes['comment']));
  return [{ ...first, attributes: { ...first.attributes, order } }, ...rest];
}

function readNat(namespace: LiveNamespace, lab: string, wanted: readonly Resource[]): LiveResource[] {
  const facts = new Map<string, string>();
  const parts = new Map<string, string[]>();
  let isTable = false;
  for (const object of namespace.nft) {
    const { table, chain, rule } = object;
    if (table?.['name'] === nftTable(lab)) isTable = true;
    if (chain !== undefined)
      facts.set(String(chain['name']), ['type', 'hook', 'prio', 'policy'].map((key) => chain[key]).join(' '));
    if (rule === undefined) continue;
    const comment = String(rule['comment'] ?? `foreign rule, handle ${rule['handle']}`);
    append(parts, comment, String(rule['chain']));
  }
  if (!isTable) return [];
  // A chain that somebody added can drop packets as well as a changed one.
  const names = Object.keys(chains) as ChainName[];
  const isIntact = facts.size === names.length && names.every((name) => facts.get(name) === chainFacts[name]);
  const resource = (comment: string, list: readonly string[]): LiveResource => ({
    kind: 'nat',
    id: `${namespace.name}/nat/${comment}`,
    namespace: namespace.name,
    label: comment.replace(/ \[[0-9a-f]{12}\]$/, ''),
    attributes: { comment, chains: list, order: [...parts.keys()] },
    owner: 'ours',
  });
  const published = readPublish(namespace, wanted);
  // A table without rules is what remains when somebody flushed it.
  if (parts.size === 0 && published.length === 0) return [resource('empty table', [])];
  const rules = [...parts].map(([comment, list]) => {
    const found = isIntact ? [...list].sort() : ['the table is damaged'];
    return readPublishRules(namespace.name, comment, found) ?? resource(comment, found);
  });
  return [...published, ...rules];
}

function sourceMatch(from: string | undefined): string {
  return from === undefined ? '' : `${family(from)} saddr ${from} `;
}

function outMatch(out: OutInterface | undefined): string {
  return out === undefined ? '' : `oifname ${out.not ? '!= ' : ''}"${out.name}" `;
}

function outLabel(out: OutInterface | undefined): string {
  return out === undefined ? '' : ` out ${out.not ? '!' : ''}${out.name}`;
}

function family(address: string): 'ip' | 'ip6' {
  return address.includes(':') ? 'ip6' : 'ip';
}

function familyPrefix(address: string): string {
  return address.includes(':') ? '::/0' : '0.0.0.0/0';
}
