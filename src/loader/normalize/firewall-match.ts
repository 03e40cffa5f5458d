import type { Place } from '../../lib/diagnostic.ts';
import type { FirewallMatch, FirewallSetType } from '../../topology/firewall.ts';
import { suggest } from '../suggest.ts';
import type { FirewallNames } from './firewall.ts';
import { type Span, sortSpans } from './firewall-values.ts';
import { listNames } from './names.ts';
import type { Report } from './problem.ts';

interface MatchEntry {
  readonly texts: readonly string[];
  readonly at: string;
  readonly isList: boolean;
  /** How messages call it. */
  readonly what: string;
  readonly names: FirewallNames;
  readonly report: Report;
  /** The type of the sets that may stand here; undefined: none. */
  readonly type?: FirewallSetType;
  /** Values that can overlap. */
  readonly read?: (text: string, place: Place) => Span | undefined;
  /** What is wrong with one that cannot be read. */
  readonly problem?: (text: string) => string;
  /** Values that cannot: the canonical form, or undefined where it reported what is wrong. */
  readonly name?: (text: string, place: Place, report: Report) => string | undefined;
}

/** A value, a list, or a set, with or without `!`. */
export function expandMatch(entry: MatchEntry): FirewallMatch | undefined {
  const { texts, at, isList, what, report } = entry;
  const placeOf = (index: number): Place => ({ pointer: isList ? `${at}/${index}` : at, part: 'value' });
  const place: Place = { pointer: at, part: 'value' };
  const fail = (message: string, help?: string, where = place) =>
    report({ code: 'firewall-rule', message, place: where, ...(help === undefined ? {} : { help }) });
  if (texts.length === 0) {
    fail(`${what} is an empty list, which no packet matches`, 'leave it out for any');
    return undefined;
  }
  const not = texts.every((text) => text.startsWith('!'));
  if (!not && texts.some((text) => text.startsWith('!'))) {
    fail(
      `${what} has values with and without '!'`,
      "write '!' in front of each of them, or make it two rules",
    );
    return undefined;
  }
  const values = not ? texts.map((text) => text.slice(1)) : texts;
  const set = values.find((text) => text.startsWith('@'));
  if (set !== undefined) {
    if (values.length > 1) {
      fail(`${what} has a set and other values`, 'put them into a set of their own, or make it two rules');
      return undefined;
    }
    const name = set.slice(1);
    return checkSet(name, entry, placeOf(0)) ? { not, set: name, values: [] } : undefined;
  }
  const read =
    entry.read === undefined ? readNames(values, placeOf, entry) : readSpans(values, placeOf, entry);
  return read && { not, set: undefined, values: read };
}

function checkSet(name: string, { names, type, report, what }: MatchEntry, place: Place): boolean {
  if (names.refused.has(name)) return false;
  const found = names.sets.get(name);
  if (found === undefined) {
    const known = [...names.sets.values()].filter((each) => each.type === type).map((each) => each.name);
    const nearest = suggest(name, known);
    report({
      code: 'firewall-set',
      message: `there is no set '${name}'; ${known.length === 0 ? 'none is declared that fits' : `declared are ${listNames(known)}`}`,
      place,
      help: nearest === undefined ? `declare it under sets: ${name}: [...]` : `did you mean '@${nearest}'?`,
    });
    return false;
  }
  if (found.type === type) return true;
  report({
    code: 'firewall-set',
    message:
      type === undefined
        ? `${what} takes no set`
        : `${what} takes ${type}, and the set '${name}' has ${found.type}`,
    place,
    related: [{ message: `'${name}' is declared here`, place: found.place }],
  });
  return false;
}

function readSpans(
  values: readonly string[],
  placeOf: (index: number) => Place,
  { read, problem, what, report }: MatchEntry,
): string[] | undefined {
  const spans: Span[] = [];
  for (const [index, text] of values.entries()) {
    const place = placeOf(index);
    const span = read?.(text, place);
    if (span !== undefined) spans.push(span);
    else report({ code: 'firewall-rule', message: problem?.(text) ?? '', place });
  }
  return spans.length < values.length ? undefined : sortSpans(spans, what, report);
}

function readNames(
  values: readonly string[],
  placeOf: (index: number) => Place,
  { name, report }: MatchEntry,
): string[] | undefined {
  const found = new Set<string>();
  let isWrong = false;
  for (const [index, text] of values.entries()) {
    const canonical = name?.(text, placeOf(index), report);
    if (canonical === undefined) isWrong = true;
    else found.add(canonical);
  }
  return isWrong ? undefined : [...found];
}
