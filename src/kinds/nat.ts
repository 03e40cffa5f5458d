import { append, groupBy } from '../lib/collections.ts';
import type { Place } from '../lib/diagnostic.ts';
import { contains, parseCidr, parseIp } from '../lib/ip.ts';
import type { LiveNamespace } from '../observe/live.ts';
import {
  HOST,
  type Interface,
  type Namespace,
  type OutInterface,
  type Publish,
  type Topology,
} from '../topology/model.ts';
import {
  type ChainName,
  chainFacts,
  chains,
  type NftRule,
  nftTable,
  ruleComment,
  tableScript,
} from './nft.ts';
import { type Kind, type LiveResource, type Resource, sameValue } from './resource.ts';

/**
 * NAT of a namespace: masquerade, source NAT and published ports, in one nftables table of the lab's own that is
 * replaced as a whole, in one transaction. A rule's identity is its content.
 */
export const natKind: Kind = {
  name: 'nat',
  changes: {},
  lower: ({ topology }) => topology.namespaces.flatMap((namespace) => lowerNat(topology, namespace)),
  read: (live, { lab }) => [...live.namespaces.values()].flatMap((namespace) => readNat(namespace, lab)),
  requires: ({ namespace }) => (namespace === HOST ? [] : [namespace]),
  // How the rules read is in the hash of the comment: nft prints them in other words than they were given in.
  same: (attribute, wanted, live) => attribute === 'rules' || sameValue(attribute, wanted, live),
  create: () => [],
  update: () => [],
  remove: () => [],
  whole: (namespace, wanted, lab) => [
    {
      tool: 'nft',
      namespace,
      script: tableScript(
        lab,
        wanted.flatMap(({ attributes }) =>
          (attributes['rules'] as readonly string[]).map((rule) => ({
            chain: rule.slice(0, rule.indexOf(' ')) as ChainName,
            text: rule.slice(rule.indexOf(' ') + 1),
            comment: String(attributes['comment']),
          })),
        ),
      ),
    },
  ],
  disrupts: (_change, action) => (action === 'delete' ? 'connections that it translates break' : undefined),
};

/** The devices over which a namespace reaches its own published ports from 127.0.0.1, which needs route_localnet. */
export function localnetDevices(
  topology: Topology,
  namespace: Namespace,
): { device: string; place: Place }[] {
  const devices = new Map<string, Place>();
  for (const publish of namespace.nat.publish) {
    if (!reachesFromLoopback(publish)) continue;
    const via = subnetOf(topology, namespace.name, publish.to);
    if (via !== undefined && !devices.has(via.device)) devices.set(via.device, publish.place);
  }
  return [...devices].map(([device, place]) => ({ device, place }));
}

function lowerNat(topology: Topology, namespace: Namespace): Resource[] {
  const { name, nat } = namespace;
  const rules: Resource[] = [];
  const add = (label: string, place: Place, parts: readonly NftRule[]) => {
    const comment = ruleComment(label, parts);
    rules.push({
      kind: 'nat',
      id: `${name}/nat/${comment}`,
      namespace: name,
      label,
      attributes: {
        comment,
        rules: parts.map(({ chain, text }) => `${chain} ${text}`),
        chains: chainList(parts),
      },
      place,
    });
  };
  for (const publish of nat.publish)
    add(publishLabel(publish), publish.place, publishRules(topology, name, publish));
  for (const { from, out, to, place } of nat.snat) {
    const text = `${sourceMatch(from ?? familyPrefix(to))}${outMatch(out)}snat ${family(to)} to ${to}`;
    add(`snat ${from ?? 'any'}${outLabel(out)} to ${to}`, place, [{ chain: 'postrouting', text }]);
  }
  for (const { from, out, place } of nat.masquerade) {
    const text = `${sourceMatch(from)}${outMatch(out)}masquerade`;
    add(`masquerade ${from ?? 'any'}${outLabel(out)}`, place, [{ chain: 'postrouting', text }]);
  }
  return rules;
}

/**
 * The rules of one published port: for packets from outside (prerouting) and from the namespace itself (output), to
 * any of its addresses or to the one that is named; a masquerade for clients in the target's own subnet, whose answers
 * would otherwise go past the namespace, and for 127.0.0.1, with a guard, because route_localnet would else let the
 * neighbours reach the loopback addresses.
 */
function publishRules(topology: Topology, namespace: string, publish: Publish): NftRule[] {
  const { protocol, address, port, to, toPort } = publish;
  const ip = family(to);
  const nfproto = ip === 'ip' ? 'ipv4' : 'ipv6';
  const destination = address === undefined ? 'fib daddr type local' : `${ip} daddr ${address}`;
  const match = `meta nfproto ${nfproto} ${destination} ${protocol} dport ${range(port)}`;
  const text = `${match} ${dnat(publish, ip)}`;
  const rules: NftRule[] = [
    { chain: 'prerouting', text },
    { chain: 'output', text },
  ];
  const target = `${ip} daddr ${to} ${protocol} dport ${range(toPort)} ct status dnat masquerade`;
  const via = subnetOf(topology, namespace, to);
  if (via !== undefined) rules.push({ chain: 'postrouting', text: `${ip} saddr ${via.subnet} ${target}` });
  if (reachesFromLoopback(publish) && via !== undefined) {
    rules.push({ chain: 'postrouting', text: `ip saddr 127.0.0.0/8 ${target}` });
    rules.push({
      chain: 'guard',
      text: `iifname != "lo" ip daddr 127.0.0.0/8 ${protocol} dport ${range(port)} drop`,
    });
  }
  return rules;
}

function dnat({ protocol, port, to, toPort }: Publish, ip: 'ip' | 'ip6'): string {
  // The kernel keeps a port that is inside the range, so an equal range needs no ports.
  if (port.first === toPort.first && port.last === toPort.last) return `dnat ${ip} to ${to}`;
  const host = ip === 'ip6' ? `[${to}]` : to;
  if (port.first === port.last) return `dnat ${ip} to ${host}:${toPort.first}`;
  const pairs: string[] = [];
  for (let offset = 0; port.first + offset <= port.last; offset += 1) {
    pairs.push(`${port.first + offset} : ${to} . ${toPort.first + offset}`);
  }
  return `dnat ${ip} to ${protocol} dport map { ${pairs.join(', ')} }`;
}

function reachesFromLoopback({ address, to }: Publish): boolean {
  return family(to) === 'ip' && (address === undefined || address.startsWith('127.'));
}

/** The namespace's interface and subnet that the target is in. */
function subnetOf(
  topology: Topology,
  namespace: string,
  target: string,
): { device: string; subnet: string } | undefined {
  const host = parseIp(target);
  if (host === undefined) return undefined;
  for (const { name, addresses } of interfacesOf(topology, namespace)) {
    for (const { address, prefixLength } of addresses) {
      const subnet = parseCidr(`${address}/${prefixLength}`);
      if (subnet !== undefined && contains(subnet, host))
        return { device: name, subnet: `${address}/${prefixLength}` };
    }
  }
  return undefined;
}

const interfaceCache = new WeakMap<Topology, Map<string, Interface[]>>();

function interfacesOf(topology: Topology, namespace: string): readonly Interface[] {
  const byNamespace = interfaceCache.get(topology) ?? groupBy(topology.interfaces, (item) => item.namespace);
  interfaceCache.set(topology, byNamespace);
  return byNamespace.get(namespace) ?? [];
}

function readNat(namespace: LiveNamespace, lab: string): LiveResource[] {
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
  const isIntact = (Object.keys(chains) as ChainName[]).every((name) => facts.get(name) === chainFacts[name]);
  const resource = (comment: string, list: readonly string[]): LiveResource => ({
    kind: 'nat',
    id: `${namespace.name}/nat/${comment}`,
    namespace: namespace.name,
    label: comment.replace(/ \[[0-9a-f]{12}\]$/, ''),
    attributes: { comment, chains: isIntact ? [...list].sort() : ['the table is damaged'] },
    owner: 'ours',
  });
  // A table without rules is what remains when somebody flushed it.
  if (isTable && parts.size === 0) return [resource('empty table', [])];
  return [...parts].map(([comment, list]) => resource(comment, list));
}

function chainList(rules: readonly NftRule[]): string[] {
  return rules.map(({ chain }) => chain).sort();
}

function publishLabel({ protocol, address, port, to, toPort }: Publish): string {
  const from = address === undefined ? '' : `${address.includes(':') ? `[${address}]` : address}:`;
  return `publish ${from}${range(port)} -> ${to.includes(':') ? `[${to}]` : to}:${range(toPort)}/${protocol}`;
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

function range({ first, last }: { readonly first: number; readonly last: number }): string {
  return first === last ? String(first) : `${first}-${last}`;
}

function family(address: string): 'ip' | 'ip6' {
  return address.includes(':') ? 'ip6' : 'ip';
}

function familyPrefix(address: string): string {
  return address.includes(':') ? '::/0' : '0.0.0.0/0';
}
