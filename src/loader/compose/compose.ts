import validate from '../../generated/validate-topology.js';
import type { Diagnostic } from '../../lib/diagnostic.ts';
import { UsageError } from '../../lib/errors.ts';
import { pointerParts } from '../../lib/pointer.ts';
import { checkData } from '../check-data.ts';
import type { ParsedFile } from '../parse.ts';
import { ComposedSource } from './composed-source.ts';
import { Expander } from './expand.ts';
import { Includer, type InputFile } from './include.ts';
import { mergeMaps, type Override } from './merge.ts';
import { type ComposeProblem, composeDiagnostic, locationOf } from './problems.ts';
import { fillTemplates } from './templates.ts';
import { childOf, dataOf, leavesOf, type MapTree, type Tree } from './tree.ts';
import { type VariableOptions, Variables } from './variables.ts';

export interface ComposeOptions extends VariableOptions {
  /** Merged over the first file, in this order. */
  readonly overlays: readonly InputFile[];
}

/**
 * One topology from several files: reads what is included, puts in the variables, writes out the ranges, merges the
 * files in their order, and fills in the templates. The result is checked by the schema as a single file is.
 *
 * @throws UsageError for a variable of the command line that no file knows.
 */
export async function composeFiles(first: InputFile, options: ComposeOptions): Promise<ParsedFile> {
  const problems: ComposeProblem[] = [];
  const report = (problem: ComposeProblem) => problems.push(problem);
  const texts = new Map<string, string>();
  const hidden = new Set<string>();
  const diagnostics: Diagnostic[] = [];
  const variables = new Variables(options, report);
  const includer = new Includer({
    variables,
    report,
    onText: (shown, text) => texts.set(shown, text),
    onHidden: (shown) => hidden.add(shown),
    onDiagnostics: (found) => diagnostics.push(...found),
  });
  for (const file of [first, ...options.overlays]) await includer.read(file);
  const { parts } = includer;
  const isBroken = diagnostics.some(({ severity }) => severity === 'error') || parts.length === 0;
  const trees = isBroken ? [] : parts.map(({ tree }) => variables.substitute(tree) as MapTree);
  const expander = new Expander(report);
  const { tree, overrides } = mergeParts(trees.map((each) => expander.file(each)));
  if (!isBroken && hidden.size === 0) refuseUnknown(variables, first);
  const whole = problems.length > 0 ? tree : fillTemplates(tree, { expander, report });
  const main = { path: first.shown, text: texts.get(first.shown) ?? '' };
  const source = new ComposedSource(main, withoutDefinitions(whole));
  const found = [...diagnostics, ...problems.map(composeDiagnostic)];
  const composed = {
    texts,
    overrides: overrides.map(overrideNote),
    hidden,
    outside: variables.outside(),
    isComposed: true,
  } as const;
  if (found.some(({ severity }) => severity === 'error'))
    return { source, data: undefined, diagnostics: found, ...composed };
  return { ...checkData(readData(source.tree), source, found), ...composed };
}

/** The files one over the other. Without any, as where the YAML is broken, there is nothing. */
function mergeParts(trees: readonly MapTree[]): { tree: MapTree; overrides: readonly Override[] } {
  const overrides: Override[] = [];
  const onOverride = (override: Override) => overrides.push(override);
  let [tree = nothing, ...others] = trees;
  for (const other of others) tree = mergeMaps(tree, other, { place: 'base', onOverride });
  return { tree, overrides: overrides.filter(({ path }) => !definitions.has(path[0] ?? '')) };
}

const nothing: MapTree = {
  kind: 'map',
  entries: new Map(),
  origin: {
    source: {
      path: '',
      text: '',
      locate: () => ({ file: '', line: 1, column: 1, endLine: 1, endColumn: 1 }),
    },
    pointer: '',
  },
};

/** What only puts the topology together. In a wrong form it stays, for the schema to refuse. */
const definitions: ReadonlySet<string> = new Set(['include', 'vars', 'templates']);

function withoutDefinitions(tree: MapTree): MapTree {
  const entries = [...tree.entries].filter(([key, value]) => {
    if (!definitions.has(key)) return true;
    if (key !== 'include') return value.kind !== 'map';
    return leavesOf(value).length !== (value.kind === 'list' ? value.items.length : 1);
  });
  return { ...tree, entries: new Map(entries) };
}

function refuseUnknown(variables: Variables, { shown }: InputFile): void {
  const [name] = variables.unused();
  if (name === undefined) return;
  const known = variables.known();
  throw new UsageError(
    `${shown} has no variable '${name}'`,
    known.length === 0
      ? `a variable is used as \${NAME}, and has a default under vars`
      : `there is ${known.join(', ')}`,
  );
}

/**
 * The data; what a variable made, such as `5`, is a text where the schema takes nothing else. A file says itself with
 * quotes which one is meant, but a variable has none.
 */
function readData(tree: Tree): object {
  const data = dataOf(tree) as object;
  if (validate(data)) return data;
  for (const { keyword, instancePath, params } of validate.errors ?? []) {
    if (keyword !== 'type' || ![params['type']].flat().includes('string')) continue;
    const parts = pointerParts(instancePath);
    const parent = parts.slice(0, -1).reduce<unknown>(entryOf, data);
    const leaf = parts.reduce<Tree | undefined>(childOf, tree);
    if (leaf?.kind !== 'leaf' || leaf.text === undefined || typeof parent !== 'object' || parent === null)
      continue;
    (parent as Record<string, unknown>)[parts.at(-1) ?? ''] = leaf.text;
  }
  return data;
}

function entryOf(value: unknown, key: string): unknown {
  const isContainer = typeof value === 'object' && value !== null && Object.hasOwn(value, key);
  return isContainer ? (value as Record<string, unknown>)[key] : undefined;
}

/** Not wrong, but good to know: both places. */
function overrideNote({ path, earlier, later }: Override): Diagnostic {
  return {
    severity: 'note',
    code: 'override',
    message: `this is used for ${path.join('.')}`,
    location: locationOf(later),
    related: [{ message: 'instead of this', location: locationOf(earlier) }],
  };
}
