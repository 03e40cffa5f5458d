import { familyOfAddress } from '../lib/ip.ts';
import type { LiveNamespace, NftObject } from '../observe/live.ts';
import type { FirewallFamily } from '../topology/firewall.ts';
import { chainFacts, firewallTable, sealChain } from './firewall-chains.ts';
import type { LiveResource, Value } from './resource.ts';

interface Reading {
  readonly lab: string;
  readonly family: FirewallFamily;
  readonly kind: string;
}

type NftItem = Readonly<Record<string, unknown>>;

/** The objects of one table, by what they are. */
interface Parts {
  readonly chains: readonly NftItem[];
  readonly rules: readonly NftItem[];
  readonly sets: readonly NftItem[];
  readonly counters: readonly NftItem[];
  readonly isThere: boolean;
}

/** What is in the lab's table of a family, whoever put it there. */
export function readFirewall(namespace: LiveNamespace, reading: Reading): LiveResource[] {
  if (namespace.firewall === undefined || namespace.firewall.length === 0) return [];
  const parts = sortObjects(namespace.firewall, reading);
  if (!parts.isThere) return [];
  const seal = parts.rules.find(({ chain }) => chain === sealChain);
  const sealedAt = seal === undefined ? Number.NEGATIVE_INFINITY : Number(seal['handle']);
  const isOurs = ({ handle }: NftItem) => Number(handle) <= sealedAt;
  const make = (id: string, label: string, attributes: Record<string, Value>): LiveResource => ({
    kind: reading.kind,
    id: `${namespace.name}/${reading.kind}/${id}`,
    namespace: namespace.name,
    label,
    attributes: seal === undefined ? { ...attributes, damaged: true } : attributes,
    owner: 'ours',
  });
  const rules = readRules(parts, isOurs);
  const found = [
    ...parts.counters.map((counter) => readCounter(counter, make)),
    ...readSets(parts.sets, make),
    ...parts.chains
      .filter(({ name }) => name !== sealChain)
      .map((chain) => {
        const name = String(chain['name']);
        return make(name, name, readChain(chain, { rules, reading, isSealed: seal !== undefined }));
      }),
    ...rules.map(({ chain, comment, label, count }) =>
      make(`${chain}/${comment}`, `${chain}: ${label}`, {
        part: 'rule',
        name: chain,
        comment,
        chains: Array.from({ length: count }, () => chain),
      }),
    ),
  ];
  // An empty table is what remains when somebody deleted all of it.
  return found.length === 0 ? [make('table', 'empty table', { part: 'table', damaged: true })] : found;
}

function sortObjects(objects: readonly NftObject[], { lab, family }: Reading): Parts {
  const own = firewallTable(lab);
  const of = (key: string) =>
    objects.flatMap((object) => {
      const item = object[key];
      const table = key === 'table' ? item?.['name'] : item?.['table'];
      return item !== undefined && table === own && item['family'] === family ? [item] : [];
    });
  return {
    isThere: of('table').length > 0,
    chains: of('chain'),
    rules: of('rule'),
    sets: of('set'),
    counters: of('counter'),
  };
}

interface FoundRule {
  readonly chain: string;
  readonly comment: string;
  readonly label: string;
  /** Several rules of nftables may be one of the file. */
  readonly count: number;
}

/** In their order; those with one comment, of which a rule of the file may be made, are one. */
function readRules({ rules }: Parts, isOurs: (item: NftItem) => boolean): FoundRule[] {
  const found = new Map<string, FoundRule>();
  for (const rule of rules) {
    const chain = String(rule['chain']);
    if (chain === sealChain) continue;
    const comment = rule['comment'] === undefined ? '' : String(rule['comment']);
    const isKnown = comment !== '' && isOurs(rule);
    const name = isKnown ? comment : `somebody else's rule, handle ${rule['handle']}`;
    const label = isKnown ? comment.replace(/ \[[0-9a-f]{12}\]$/, '') : foreignLabel(rule, comment);
    const key = `${chain} ${name}`;
    found.set(key, { chain, comment: name, label, count: (found.get(key)?.count ?? 0) + 1 });
  }
  return [...found.values()];
}

function foreignLabel({ handle }: NftItem, comment: string): string {
  const text = comment.replace(/ \[[0-9a-f]{12}\]$/, '');
  return text === ''
    ? `somebody else's rule, handle ${handle}`
    : `somebody's change of: ${text} (handle ${handle})`;
}

interface ChainContext {
  readonly rules: readonly FoundRule[];
  readonly reading: Reading;
  readonly isSealed: boolean;
}

function readChain(chain: NftItem, { rules, reading, isSealed }: ChainContext): Record<string, Value> {
  const name = String(chain['name']);
  const hook = ['type', 'hook', 'prio'].map((key) => chain[key]).join(' ');
  const isRight = isSealed && hook === chainFacts(reading.family, name);
  return {
    part: 'chain',
    name,
    objects: [name],
    policy: String(chain['policy'] ?? 'none'),
    hook: isSealed ? hook : 'the table is damaged',
    order: rules.filter((rule) => rule.chain === name).map(({ comment }) => comment),
    // Of another kind the kernel does not make it the right one, so the table is made anew.
    ...(isRight || chainFacts(reading.family, name) === undefined ? {} : { damaged: true }),
  };
}

type Make = (id: string, label: string, attributes: Record<string, Value>) => LiveResource;

function readCounter({ name, packets, bytes }: NftItem, make: Make): LiveResource {
  const text = String(name);
  const own = text.replace(/_counter$/, '');
  const value = `packets ${packets} bytes ${bytes}`;
  return make(`counter ${own}`, `counter ${own}`, { part: 'counter', name: own, objects: [text], value });
}

const setKinds: Readonly<Record<string, { ending: string; type: string }>> = {
  ipv4_addr: { ending: '_4', type: 'addresses' },
  ipv6_addr: { ending: '_6', type: 'addresses' },
  inet_service: { ending: '_ports', type: 'ports' },
  ifname: { ending: '_names', type: 'interfaces' },
};

function readSets(sets: readonly NftItem[], make: Make): LiveResource[] {
  const groups = new Map<string, { type: string; objects: string[]; elements: string[] }>();
  const others: LiveResource[] = [];
  for (const { name, type, elem } of sets) {
    const text = String(name);
    const kind = setKinds[String(type)];
    const elements = Array.isArray(elem) ? elem.map(readElement) : [];
    if (kind === undefined || !text.endsWith(kind.ending)) {
      others.push(make(`set ${text}`, `set ${text}`, { part: 'set', objects: [text], elements: [] }));
      continue;
    }
    const own = text.slice(0, -kind.ending.length);
    const group = groups.get(`${own} ${kind.type}`) ?? { type: kind.type, objects: [], elements: [] };
    groups.set(`${own} ${kind.type}`, group);
    group.objects.push(text);
    for (const element of elements) group.elements.push(element);
  }
  return [
    ...others,
    ...[...groups].map(([key, { type, objects, elements }]) => {
      const own = key.slice(0, key.lastIndexOf(' '));
      const sorted =
        type === 'addresses' ? elements.sort((a, b) => familyOfAddress(a) - familyOfAddress(b)) : elements;
      return make(`@${own}`, `set ${own}`, { part: 'set', name: own, objects, type, elements: sorted });
    }),
  ];
}

/** As the file writes it: an address, a prefix, a range, a port or a name. */
function readElement(element: unknown): string {
  if (typeof element !== 'object' || element === null) return String(element);
  const { prefix, range, elem } = element as {
    prefix?: { addr: string; len: number };
    range?: readonly unknown[];
    elem?: { val: unknown };
  };
  if (prefix !== undefined) return `${prefix.addr}/${prefix.len}`;
  if (range !== undefined) return range.join('-');
  return elem === undefined ? JSON.stringify(element) : readElement(elem.val);
}
