import type { Firewall as RawFirewall } from '../../generated/topology-file.ts';
import { compareNames } from '../../lib/collections.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { pointer } from '../../lib/pointer.ts';
import {
  bridgeHooks,
  type Firewall,
  type FirewallChain,
  type FirewallFamily,
  type FirewallHook,
  type FirewallSet,
  type FirewallSetType,
  firewallHooks,
  noFirewall,
} from '../../topology/firewall.ts';
import type { Context } from './context.ts';
import { expandFirewallRule } from './firewall-rule.ts';
import {
  addressProblem,
  isInterfaceText,
  portProblem,
  readAddresses,
  readNumbers,
  type Span,
  sortSpans,
  typeOfElement,
} from './firewall-values.ts';
import { listNames } from './names.ts';
import type { Report } from './problem.ts';

type RawSet = NonNullable<RawFirewall['sets']>[string];
type RawChain = NonNullable<RawFirewall['input']>;

/** The names of sets and counters become parts of names in nftables. */
const goodName = /^[A-Za-z][A-Za-z0-9_-]{0,31}$/;

/** What the rules of one firewall may name. */
export interface FirewallNames {
  readonly sets: ReadonlyMap<string, FirewallSet>;
  readonly counters: ReadonlySet<string>;
  /** Names of sets that are wrong in themselves: a rule that uses one is no second error. */
  readonly refused: ReadonlySet<string>;
}

/** `base` is the pointer of the section. */
export function normalizeFirewall(context: Context, base: string, raw: RawFirewall | undefined): Firewall {
  if (raw === undefined) return noFirewall;
  const { report } = context;
  const refused = new Set<string>();
  const sets = new Map<string, FirewallSet>();
  for (const [name, set] of Object.entries(raw.sets ?? {})) {
    const expanded = expandSet(name, set, { base: `${base}/sets`, report });
    if (expanded === undefined) refused.add(name);
    else sets.set(name, expanded);
  }
  const counters = expandCounters(raw.counters ?? [], `${base}/counters`, report);
  const names: FirewallNames = { sets, counters: new Set(counters), refused };
  const chainOf = (family: FirewallFamily, hook: FirewallHook, chain: RawChain | undefined, at: string) =>
    chain === undefined ? [] : [expandChain({ family, hook, chain, at, names, report })];
  const ofBridge = raw.bridge ?? {};
  return {
    sets: [...sets.values()].sort((a, b) => compareNames(a.name, b.name)),
    counters: [...counters].sort(compareNames),
    chains: [
      ...firewallHooks.flatMap((hook) => chainOf('inet', hook, raw[hook], `${base}/${hook}`)),
      ...bridgeHooks.flatMap((hook) => chainOf('bridge', hook, ofBridge[hook], `${base}/bridge/${hook}`)),
    ],
    ...expandIntegration(raw.integrate, `${base}/integrate`),
  };
}

function expandIntegration(raw: RawFirewall['integrate'], at: string): Pick<Firewall, 'integrate'> {
  return raw === undefined
    ? {}
    : { integrate: { with: raw, families: [], place: { pointer: at, part: 'value' } } };
}

interface Where {
  /** The pointer of what it is in. */
  readonly base: string;
  readonly report: Report;
}

function expandSet(name: string, raw: RawSet, { base, report }: Where): FirewallSet | undefined {
  const at = `${base}${pointer(name)}`;
  const place: Place = { pointer: at, part: 'key' };
  if (!goodName.test(name)) {
    const message = `'${name}' is not a name for a set; begin with a letter, and use letters, digits, '-' and '_'`;
    report({ code: 'firewall-name', message, place });
    return undefined;
  }
  const isList = Array.isArray(raw);
  const elements = (isList ? raw : (raw.elements ?? [])).map(String);
  const [first] = elements;
  const type = isList ? (first === undefined ? undefined : typeOfElement(first)) : raw.type;
  if (type === undefined) {
    const help = `write ${name}: { type: addresses }`;
    report({
      code: 'firewall-set',
      message: `the empty set '${name}' does not say what is in it`,
      place,
      help,
    });
    return undefined;
  }
  const list = isList ? at : `${at}/elements`;
  const expanded = expandElements({ name, type, elements, list, report });
  return expanded && { name, type, elements: expanded, place };
}

interface Elements {
  readonly name: string;
  readonly type: FirewallSetType;
  readonly elements: readonly string[];
  readonly list: string;
  readonly report: Report;
}

function expandElements({ name, type, elements, list, report }: Elements): string[] | undefined {
  let isWrong = false;
  const fail = (message: string, place: Place) => {
    isWrong = true;
    report({ code: 'firewall-set', message, place });
  };
  const spans: Span[] = [];
  const names = new Set<string>();
  for (const [index, text] of elements.entries()) {
    const place: Place = { pointer: `${list}/${index}`, part: 'value' };
    if (type === 'interfaces') {
      if (!isInterfaceText(text)) fail(`'${text}' is not the name of an interface`, place);
      else if (names.has(text)) fail(`${text} is in the set '${name}' twice`, place);
      else names.add(text);
      continue;
    }
    const span = type === 'ports' ? readNumbers(text, 65535, place) : readAddresses(text, place);
    if (span !== undefined) spans.push(span);
    else fail(elementProblem(name, type, text), place);
  }
  if (isWrong) return undefined;
  return type === 'interfaces'
    ? [...names].sort(compareNames)
    : sortSpans(spans, `the set '${name}'`, report);
}

function elementProblem(name: string, type: FirewallSetType, text: string): string {
  const other = typeOfElement(text);
  if (other !== type) return `the set '${name}' has ${type}, and '${text}' is none`;
  return type === 'ports' ? portProblem(text) : addressProblem(text);
}

function expandCounters(raw: readonly string[], base: string, report: Report): string[] {
  const found = new Set<string>();
  for (const [index, name] of raw.entries()) {
    const place: Place = { pointer: `${base}/${index}`, part: 'value' };
    if (!goodName.test(name)) {
      const message = `'${name}' is not a name for a counter; begin with a letter, and use letters, digits, '-' and '_'`;
      report({ code: 'firewall-name', message, place });
    } else if (found.has(name)) {
      const message = `there is a counter '${name}' already; there are ${listNames([...found])}`;
      report({ code: 'firewall-name', message, place });
    }
    found.add(name);
  }
  return [...found].filter((name) => goodName.test(name));
}

interface ChainEntry {
  readonly family: FirewallFamily;
  readonly hook: FirewallHook;
  readonly chain: RawChain;
  readonly at: string;
  readonly names: FirewallNames;
  readonly report: Report;
}

function expandChain({ family, hook, chain, at, names, report }: ChainEntry): FirewallChain {
  const rules = (chain.rules ?? []).flatMap(
    (raw, index) =>
      expandFirewallRule({ raw, family, hook, base: `${at}/rules/${index}`, names, report }) ?? [],
  );
  return { family, hook, policy: chain.policy ?? 'accept', rules, place: { pointer: at, part: 'key' } };
}
