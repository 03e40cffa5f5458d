import type { ErrorObject } from 'ajv';
import { type Document, LineCounter, parseDocument, type YAMLError } from 'yaml';
import type { TopologyFile } from '../generated/topology-file.ts';
import validate from '../generated/validate-topology.js';
import type { Diagnostic, Location } from '../lib/diagnostic.ts';
import { pointer, pointerParts } from '../lib/pointer.ts';
import { explainSchemaErrors } from './explain.ts';
import {
  brokenMerges,
  movedPath,
  repeatedKeys,
  resolveAliases,
  Source,
  type SourceOptions,
} from './source.ts';
import { suggestion } from './suggest.ts';

export interface ParsedFile {
  /** Finds the places of `data`, also where items were cut out of a list. */
  readonly source: Source;
  /** Valid by the schema: what is not was reported and cut out, so that the rest can still be checked. */
  readonly data: TopologyFile | undefined;
  readonly diagnostics: readonly Diagnostic[];
  /** JSON pointers, into `data`, of what the schema refused; none where the file is valid or broken. */
  readonly refused?: readonly string[];
}

/** Stops aliases that multiply ("billion laughs"); thousands of namespaces may still share one anchor. */
const MAX_ALIAS_COUNT = 50_000;

/** YAML and schema: every problem of both, with its place. */
export function parseTopologyFile(path: string, text: string): ParsedFile {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    merge: true,
    // Ours takes linear time: the package compares each key with all before it.
    uniqueKeys: false,
    logLevel: 'error',
  });
  const options: SourceOptions = { path, text, document, lines };
  const source = new Source(options);
  const warnings = document.warnings.map(({ message, pos }) =>
    yamlProblem(source.range(...pos), { message, severity: 'warning' }),
  );
  const stop = (found: readonly Diagnostic[]): ParsedFile => ({
    source,
    data: undefined,
    diagnostics: [...found, ...warnings],
  });

  const broken = [...yamlProblems(document, source), ...aliasProblems(document, source)];
  if (broken.length > 0) return stop(broken);
  const read = readData(document, source);
  if ('problem' in read) return stop([read.problem]);
  if (validate(read.data)) return { source, data: read.data as TopologyFile, diagnostics: warnings };

  const errors = validate.errors ?? [];
  const diagnostics = [...explainSchemaErrors(errors, read.data, source), ...warnings];
  const pruned = prune(read.data);
  if (pruned === undefined) return { source, data: undefined, diagnostics };
  const { data, kept } = pruned;
  const refused = [...new Set(errors.flatMap(cutPaths))].map((cut) => movedPath(cut, kept));
  return { source: new Source({ ...options, kept }), data, diagnostics, refused };
}

/** An unknown key is cut out itself; of a value of a wrong type, all that could have been in it is missing. */
function cutPaths({ keyword, instancePath, params }: ErrorObject): string[] {
  if (keyword === 'additionalProperties') return [instancePath + pointer(params['additionalProperty'])];
  return keyword === 'type' ? [instancePath, `${instancePath}/-`] : [instancePath];
}

function readData(document: Document, source: Source): { data: object } | { problem: Diagnostic } {
  const { line, column, ...rest } = source.locate({ pointer: '', part: 'value' });
  const start = { ...rest, line, column, endLine: line, endColumn: column };
  const fail = (code: string, message: string, help: string) => ({
    problem: { severity: 'error' as const, code, message, location: start, help },
  });
  let data: unknown;
  try {
    data = document.toJS({ maxAliasCount: MAX_ALIAS_COUNT });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (!message.startsWith('Excessive alias count'))
      return fail('yaml', lowerFirst(message), 'check the anchors');
    // The last one multiplies all that come before.
    const last = [...resolveAliases(document).keys()].at(-1);
    const [from, to] = last?.range ?? [0, 0];
    const text = 'the aliases multiply to more than can be read';
    return { problem: yamlProblem(source.range(from, to), { message: text }) };
  }
  const example = "a topology begins with its name, for example 'name: lab'";
  if (data === null || data === undefined) return fail('empty', 'the file is empty', example);
  if (typeof data !== 'object' || Array.isArray(data)) {
    const found = Array.isArray(data) ? 'a list' : 'a single value';
    return fail('wrong-type', `a topology is a map of sections, not ${found}`, example);
  }
  return { data };
}

function yamlProblems(document: Document, source: Source): Diagnostic[] {
  const broken = document.errors.map(({ code, pos, message }) => {
    const [, bracket] = /must be sufficiently indented and end with a (\S)/.exec(message) ?? [];
    const text = bracket === undefined ? yamlTexts[code] : { message: `'${bracket}' is missing before this` };
    return yamlProblem(source.range(...pos), { message, ...text });
  });
  const repeated = repeatedKeys(document).map(({ name, first, again }): Diagnostic => {
    const related = [{ message: 'first defined here', location: source.range(...first) }];
    const message = `key '${name}' is already there`;
    return { severity: 'error', code: 'duplicate-key', message, location: source.range(...again), related };
  });
  return [...broken, ...repeated];
}

interface YamlText {
  readonly message?: string;
  readonly help?: string;
}

/** What the package's own words leave open. */
const yamlTexts: Partial<Record<YAMLError['code'], YamlText>> = {
  TAB_AS_INDENT: { message: 'a tab is used for indentation', help: 'YAML takes only spaces there' },
  BAD_INDENT: { help: 'the entries of one map or list begin in the same column' },
  BLOCK_AS_IMPLICIT_KEY: {
    message: 'a second key on the same line',
    help: "a value with ': ' in it needs quotes; the keys of a nested map begin on a line of their own",
  },
  BLOCK_IN_FLOW: { help: 'within {…} and […] all is written in that form, with commas' },
  MULTILINE_IMPLICIT_KEY: {
    message: 'a key goes on over several lines',
    help: "a ':' is missing behind the key, or the line is indented by mistake",
  },
  MULTIPLE_DOCS: {
    message: 'a second document begins here',
    help: "a topology file has one document: remove the '---'",
  },
  BAD_SCALAR_START: { help: 'put the value in quotes' },
};

function yamlProblem(
  location: Location,
  { message = '', help, severity = 'error' }: YamlText & { severity?: Diagnostic['severity'] },
): Diagnostic {
  const line = lowerFirst(message.split('\n')[0] ?? '').replace(/\.$/, '');
  return { severity, code: 'yaml', message: line, location, ...(help ? { help } : {}) };
}

function aliasProblems(document: Document, source: Source): Diagnostic[] {
  if (!source.text.includes('*') && !source.text.includes('<<')) return [];
  const aliases = resolveAliases(document);
  const wrong = [...aliases].flatMap(([alias, { target, isCircular }]) => {
    const [start, end] = alias.range ?? [0, 0];
    const name = `anchor '&${alias.source}'`;
    const message = target === undefined ? `no ${name} stands before this alias` : `${name} contains itself`;
    return target === undefined || isCircular ? [yamlProblem(source.range(start, end), { message })] : [];
  });
  if (wrong.length > 0) return wrong;
  const message = "'<<' takes a map or a list of maps";
  return brokenMerges(document, aliases).map((offsets) => yamlProblem(source.range(...offsets), { message }));
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

type Path = readonly string[];

/** More than the depth of a file: each round may take away one level. */
const MAX_ROUNDS = 20;

/**
 * A copy without what the schema refuses: the smallest part that is wrong goes, then the larger ones around it as far
 * as they need it, until the rest is valid.
 */
function prune(
  data: object,
): { data: TopologyFile; kept: ReadonlyMap<string, readonly number[]> } | undefined {
  const kept = new Map<string, readonly number[]>();
  const origins = new Map<unknown, number[]>();
  const root = copy(data) as Record<string, unknown>;
  if (typeof root['name'] !== 'string' || !/^[a-z][a-z0-9-]{0,31}$/.test(root['name']))
    root['name'] = 'invalid';
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    if (validate(root)) {
      collectKept(root, '', { origins, kept });
      return { data: root as unknown as TopologyFile, kept };
    }
    const paths = wrongPaths(validate.errors ?? []);
    for (const path of paths) remove(root, path, origins);
    // Without its namespaces, every other line of the file would seem wrong.
    const isLost = paths.some(([name = '', deeper]) => deeper === undefined && isNamespaces(name));
    if (isLost && !Object.hasOwn(root, 'namespaces')) return undefined;
  }
  return undefined;
}

/** What aliases share becomes separate, and `__proto__` stays an ordinary key. */
function copy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copy);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, copy(child)]));
}

/** The deepest places of the errors, in an order in which removing one does not move another. */
function wrongPaths(errors: readonly ErrorObject[]): Path[] {
  const paths = new Map<string, Path>();
  const ancestors = new Set<string>();
  for (const { keyword, instancePath, params } of errors) {
    const parts = pointerParts(instancePath);
    const path =
      keyword === 'additionalProperties' ? [...parts, String(params['additionalProperty'])] : parts;
    for (let depth = 0; depth < path.length; depth += 1) ancestors.add(pointer(...path.slice(0, depth)));
    // A check without its one action would be reported once more, as a check without an action.
    const whole = path[0] === 'checks' && path.length === 3 && path[2] !== 'name' ? path.slice(0, 2) : path;
    if (path.length > 0) paths.set(pointer(...path), whole);
  }
  const deepest = [...paths].filter(([path]) => !ancestors.has(path)).map(([, path]) => path);
  const unique = [...new Map(deepest.map((path) => [pointer(...path), path])).values()];
  const index = (path: Path) => (/^\d+$/.test(path.at(-1) ?? '') ? Number(path.at(-1)) : -1);
  return unique.sort((a, b) => b.length - a.length || index(b) - index(a));
}

function remove(root: object, path: Path, origins: Map<unknown, number[]>): void {
  let parent: unknown = root;
  for (const part of path.slice(0, -1)) parent = childOf(parent, part);
  const last = path.at(-1) ?? '';
  if (Array.isArray(parent)) {
    const indexes = origins.get(parent) ?? [...parent.keys()];
    origins.set(parent, indexes);
    indexes.splice(Number(last), 1);
    parent.splice(Number(last), 1);
  } else if (typeof parent === 'object' && parent !== null) {
    const standIn = standInFor(path);
    const entries = parent as Record<string, unknown>;
    if (standIn === undefined || JSON.stringify(childOf(parent, last)) === JSON.stringify(standIn))
      delete entries[last];
    else entries[last] = standIn;
  }
}

/** What is named elsewhere in the file stays there without its settings: else each mention would be an error too. */
function standInFor(path: Path): unknown {
  const named = ['namespaces', 'bridges', 'ports', 'endpoints', 'interfaces'];
  if (named.includes(path.at(-2) ?? '')) return {};
  return path.length === 3 && path[0] === 'tunnels' && path[2] === 'id' ? 16_777_215 : undefined;
}

function childOf(parent: unknown, key: string): unknown {
  const isContainer = typeof parent === 'object' && parent !== null && Object.hasOwn(parent, key);
  return isContainer ? (parent as Record<string, unknown>)[key] : undefined;
}

function isNamespaces(key: string): boolean {
  return key === 'namespaces' || suggestion(key, ['namespaces']) !== '';
}

function collectKept(
  value: unknown,
  path: string,
  found: { origins: ReadonlyMap<unknown, number[]>; kept: Map<string, readonly number[]> },
): void {
  if (typeof value !== 'object' || value === null || found.origins.size === 0) return;
  const indexes = found.origins.get(value);
  if (indexes !== undefined) found.kept.set(path, indexes);
  for (const [key, child] of Object.entries(value)) collectKept(child, path + pointer(key), found);
}
