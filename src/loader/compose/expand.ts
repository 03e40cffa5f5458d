import { type Binding, ExpressionError, evaluate, type Scope } from './expressions.ts';
import { readPlain } from './plain.ts';
import type { ReportCompose } from './problems.ts';
import { type Range, type RangedName, rangesOf } from './ranges.ts';
import type { Leaf, ListTree, MapTree, Origin, Tree } from './tree.ts';

/** So many entries may come from ranges, and so many values from all that is copied: then something is wrong. */
const MAX_ENTRIES = 100_000;
const MAX_VALUES = 2_000_000;

const none: Scope = new Map();

/**
 * Writes out the ranges: `h[1-50]` as the key of a map stands for fifty entries, as an item of a list for fifty items.
 * A link or a check with a range in it stands for one for each value. What is inside may say `<n>`.
 */
export class Expander {
  readonly #report: ReportCompose;
  #entries = 0;
  #values = 0;
  #isOver = false;

  constructor(report: ReportCompose) {
    this.#report = report;
  }

  /** A whole file. Definitions are left as they are. */
  file(root: MapTree): MapTree {
    const entries = new Map<string, Tree>();
    for (const [key, tree] of root.entries) {
      if (isDefinition(key)) entries.set(key, tree);
      else if ((key === 'links' || key === 'checks') && tree.kind === 'list')
        entries.set(key, this.#wholeItems(tree, key));
      else entries.set(key, this.tree(tree, none));
    }
    return { ...root, entries };
  }

  tree(tree: Tree, scope: Scope): Tree {
    this.#values += 1;
    if (this.#values > MAX_VALUES) this.#overflow(tree.origin, `${MAX_VALUES} values`);
    if (this.#isOver) return tree;
    if (tree.kind === 'leaf') return this.#leaf(tree, scope);
    return tree.kind === 'list' ? this.#list(tree, scope) : this.#map(tree, scope);
  }

  #map(map: MapTree, scope: Scope): MapTree {
    const entries = new Map<string, Tree>();
    for (const [written, child] of map.entries) {
      const key = this.#text(written, scope, { at: child.origin, part: 'key' });
      const ranged = rangesOf(key);
      if (ranged === undefined) this.#put(entries, key, this.#child(key, child, scope));
      else {
        for (const inner of this.#scopes(ranged.ranges, scope, child.origin)) {
          const name = this.#text(ranged.pattern, inner, { at: child.origin, part: 'key' });
          this.#put(entries, name, this.#child(name, child, inner));
        }
      }
    }
    return { ...map, entries };
  }

  /** A template is filled in later, with what the range stands for here. */
  #child(key: string, child: Tree, scope: Scope): Tree {
    // The words of a command are no names: [0-9] in one is meant for the program.
    const isWords = key === 'command' && child.kind === 'list';
    const tree = isWords
      ? { ...child, items: child.items.map((item) => this.tree(item, scope)) }
      : this.tree(child, scope);
    if (key !== 'template' || scope.size === 0) return tree;
    const withScope = (item: Tree): Tree => (item.kind === 'leaf' ? { ...item, scope } : item);
    return tree.kind === 'list' ? { ...tree, items: tree.items.map(withScope) } : withScope(tree);
  }

  #put(entries: Map<string, Tree>, key: string, tree: Tree): void {
    const earlier = entries.get(key);
    if (earlier === undefined) {
      entries.set(key, tree);
      return;
    }
    if (this.#isOver) return;
    this.#report({
      code: 'duplicate-key',
      message: `key '${key}' is already there`,
      at: tree.origin,
      part: 'key',
      help: 'a range must leave out what stands beside it: h[1-6,8-50]',
      related: { message: `'${key}' is first defined here`, at: earlier.origin },
    });
  }

  #list(list: ListTree, scope: Scope): ListTree {
    const items: Tree[] = [];
    for (const item of list.items) {
      const at = item.origin;
      const ranged = isText(item) ? rangesOf(this.#text(item.value, scope, { at })) : undefined;
      if (ranged === undefined || item.kind !== 'leaf') items.push(this.tree(item, scope));
      else
        for (const inner of this.#scopes(ranged.ranges, scope, at))
          items.push({ ...item, value: this.#text(ranged.pattern, inner, { at }) });
    }
    return { ...list, items };
  }

  /** Links and checks: the ranges of their endpoints stand for several of the whole. */
  #wholeItems(list: ListTree, section: 'links' | 'checks'): ListTree {
    const items = list.items.flatMap((item): Tree[] => {
      const found: RangedName[] = [];
      const pattern = section === 'links' ? linkPattern(item, found) : checkPattern(item, found);
      const ranges = found.flatMap((each) => each.ranges);
      if (ranges.length === 0) return [this.tree(item, none)];
      return this.#scopes(ranges, none, item.origin).map((scope) => this.tree(pattern, scope));
    });
    return { ...list, items };
  }

  /** Every combination of the values, the first range slowest. */
  #scopes(ranges: readonly Range[], outer: Scope, at: Origin): Scope[] {
    const names = ranges.map(({ name }) => name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) {
      const other = twice === 'n' ? 'm' : `${twice}2`;
      this.#report({
        code: 'range',
        message: `two ranges here are called '${twice}'`,
        at,
        part: 'key',
        help: `write <${twice}> where the first one is meant again, or give the second a name: [${other}=1-3]`,
      });
      return [];
    }
    this.#entries += ranges.reduce((product, { size }) => product * size, 1);
    if (this.#entries > MAX_ENTRIES) this.#overflow(at, `${MAX_ENTRIES} entries`);
    if (this.#isOver) return [];
    let scopes: Scope[] = [outer];
    for (const { name, values } of ranges) {
      const all = values();
      scopes = scopes.flatMap((scope) =>
        all.map((value) => new Map<string, Binding>([...scope, [name, value]])),
      );
    }
    return scopes;
  }

  #leaf(leaf: Leaf, scope: Scope): Leaf {
    const { value, origin } = leaf;
    if (scope.size === 0 || typeof value !== 'string' || !value.includes('<')) return leaf;
    const text = this.#text(value, scope, { at: origin });
    return text === value ? leaf : { ...leaf, value: readPlain(text), text };
  }

  #text(text: string, scope: Scope, place: { at: Origin; part?: 'key' }): string {
    if (scope.size === 0) return text;
    try {
      return evaluate(text, scope);
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      this.#report({ code: 'expression', message: error.message, ...place });
      return text;
    }
  }

  #overflow(at: Origin, limit: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#report({
      code: 'too-many',
      message: `the ranges up to here stand for more than ${limit}`,
      at,
      part: 'key',
    });
  }
}

/** What is meant for the loader alone. */
function isDefinition(key: string): boolean {
  return key === 'vars' || key === 'templates' || key === 'include';
}

function isText(tree: Tree): tree is Leaf & { readonly value: string } {
  return tree.kind === 'leaf' && typeof tree.value === 'string';
}

/** A link whose ranges are expressions: the map or the list of its endpoints has them. */
function linkPattern(link: Tree, found: RangedName[]): Tree {
  if (link.kind === 'list') return { ...link, items: link.items.map((item) => leafPattern(item, found)) };
  const endpoints = link.kind === 'map' ? link.entries.get('endpoints') : undefined;
  if (link.kind !== 'map' || endpoints === undefined || endpoints.kind === 'leaf') return link;
  if (endpoints.kind === 'list')
    return { ...link, entries: new Map([...link.entries, ['endpoints', linkPattern(endpoints, found)]]) };
  const entries = new Map(
    [...endpoints.entries].map(([key, tree]) => [patternOf(key, found), tree] as const),
  );
  return { ...link, entries: new Map([...link.entries, ['endpoints', { ...endpoints, entries }]]) };
}

/** A check: `from` and `to` of what it does. */
function checkPattern(check: Tree, found: RangedName[]): Tree {
  if (check.kind !== 'map') return check;
  const entries = [...check.entries].map(([key, tree]) => {
    const isEnd = key === 'from' || key === 'to';
    return [key, isEnd ? leafPattern(tree, found) : checkPattern(tree, found)] as const;
  });
  return { ...check, entries: new Map(entries) };
}

function leafPattern(tree: Tree, found: RangedName[]): Tree {
  return isText(tree) ? { ...tree, value: patternOf(tree.value, found) } : tree;
}

function patternOf(text: string, found: RangedName[]): string {
  const ranged = rangesOf(text);
  if (ranged === undefined) return text;
  found.push(ranged);
  return ranged.pattern;
}
