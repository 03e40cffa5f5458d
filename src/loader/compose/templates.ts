import { suggest } from '../suggest.ts';
import type { Expander } from './expand.ts';
import { mergeMaps } from './merge.ts';
import type { ReportCompose } from './problems.ts';
import { type Leaf, leavesOf, type MapTree, type Tree } from './tree.ts';

interface TemplateOptions {
  readonly expander: Expander;
  readonly report: ReportCompose;
}

/** Fills in the templates of namespaces, below what each namespace says itself. */
export function fillTemplates(root: MapTree, options: TemplateOptions): MapTree {
  const templates = root.entries.get('templates');
  const namespaces = root.entries.get('namespaces');
  if (namespaces?.kind !== 'map') return root;
  const book = new TemplateBook(templates?.kind === 'map' ? templates.entries : new Map(), options);
  const entries = new Map([...namespaces.entries].map(([name, tree]) => [name, book.fill(tree)] as const));
  return { ...root, entries: new Map([...root.entries, ['namespaces', { ...namespaces, entries }]]) };
}

class TemplateBook {
  readonly #templates: ReadonlyMap<string, Tree>;
  readonly #options: TemplateOptions;
  /** With the templates that they use themselves. */
  readonly #whole = new Map<string, MapTree | undefined>();
  readonly #open: string[] = [];

  constructor(templates: ReadonlyMap<string, Tree>, options: TemplateOptions) {
    this.#templates = templates;
    this.#options = options;
  }

  /** A map with what its templates say, the later over the earlier, and its own keys over all. */
  fill(tree: Tree): Tree {
    const wanted = tree.kind === 'map' ? tree.entries.get('template') : undefined;
    const references = leavesOf(wanted);
    // What is no name of a template is left for the schema to refuse.
    const count = wanted?.kind === 'list' ? wanted.items.length : 1;
    if (tree.kind !== 'map' || wanted === undefined || references.length < count) return tree;
    const own = new Map(tree.entries);
    own.delete('template');
    let base: MapTree = { ...tree, entries: new Map() };
    for (const reference of references) {
      const template = this.#find(reference);
      if (template === undefined) continue;
      const filled = this.#options.expander.tree(template, reference.scope ?? new Map());
      if (filled.kind === 'map') base = mergeMaps(base, filled, { place: 'base' });
    }
    return mergeMaps(base, { ...tree, entries: own }, { place: 'over' });
  }

  #find(reference: Leaf): MapTree | undefined {
    const name = String(reference.value);
    if (this.#whole.has(name)) return this.#whole.get(name);
    const { report } = this.#options;
    const tree = this.#templates.get(name);
    if (tree === undefined) {
      const known = [...this.#templates.keys()].sort();
      const near = suggest(name, known);
      report({
        code: 'undeclared-template',
        message: `there is no template '${name}'${near === undefined ? '' : `; did you mean '${near}'?`}`,
        at: reference.origin,
        help:
          known.length === 0
            ? `declare it under templates: ${name}: {}`
            : `templates are ${known.join(', ')}`,
      });
      return undefined;
    }
    if (this.#open.includes(name)) {
      const circle = [...this.#open.slice(this.#open.indexOf(name)), name].join(' -> ');
      report({ code: 'circle', message: `template '${name}' uses itself: ${circle}`, at: reference.origin });
      return undefined;
    }
    if (tree.kind !== 'map') {
      if (tree.kind === 'list' || tree.value !== null)
        report({
          code: 'wrong-type',
          message: `template '${name}' must be a map of settings`,
          at: tree.origin,
        });
      return undefined;
    }
    this.#open.push(name);
    const whole = this.#withOwnTemplates(tree);
    this.#open.pop();
    this.#whole.set(name, whole);
    return whole;
  }

  /** As fill, but expressions stay: they are worked out where the template is used. */
  #withOwnTemplates(tree: MapTree): MapTree {
    const wanted = tree.entries.get('template');
    if (wanted === undefined) return tree;
    let base: MapTree = { ...tree, entries: new Map() };
    for (const reference of leavesOf(wanted)) {
      const template = this.#find(reference);
      if (template !== undefined) base = mergeMaps(base, template, { place: 'base' });
    }
    const own = new Map(tree.entries);
    own.delete('template');
    return mergeMaps(base, { ...tree, entries: own }, { place: 'over' });
  }
}
