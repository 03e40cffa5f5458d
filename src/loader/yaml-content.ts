import { type Document, isAlias, isCollection, isMap, isScalar, isSeq, type Node, type Scalar } from 'yaml';
import type { Diagnostic } from '../lib/diagnostic.ts';
import type { DocumentSource } from './document-source.ts';
import { yamlProblem } from './yaml-problems.ts';

/** A file as deep as this is no topology, and would fill the stack. */
export const MAX_DEPTH = 100;

/**
 * What would be read as something else than it looks like, or be lost on the way to plain maps, lists and values: tags
 * outside the core schema (YAML 1.2.2, 10.3), the rules of YAML 1.1, keys that are no text, numbers that a double
 * cannot hold, and nesting without an end.
 */
export function contentProblems(document: Document, source: DocumentSource): Diagnostic[] {
  const problems: Diagnostic[] = versionProblems(document, source);
  const report: Report = ([start, end], message, help) =>
    problems.push(
      yamlProblem(source.range(start, end), help === undefined ? { message } : { message, help }),
    );
  if (document.contents !== null) checkNode(document.contents, { depth: 1, source, report });
  return problems;
}

/** The first bracket that is too deep, of a text that is too deep to be read at all. */
export function tooDeep(source: DocumentSource): Diagnostic {
  let depth = 0;
  let at = 0;
  for (; at < source.text.length && depth <= MAX_DEPTH; at += 1) {
    const character = source.text[at];
    if (character === '[' || character === '{') depth += 1;
    else if (character === ']' || character === '}') depth -= 1;
  }
  const start = depth > MAX_DEPTH ? at - 1 : 0;
  return yamlProblem(source.range(start, start + 1), { message: depthMessage });
}

export const depthMessage = `maps and lists are nested deeper than ${MAX_DEPTH} levels`;

type Report = (offsets: readonly [number, number], message: string, help?: string) => void;

interface Walk {
  readonly depth: number;
  readonly source: DocumentSource;
  readonly report: Report;
}

/** The package reads the values by the rules of the version that the file asks for: `no` is false in YAML 1.1. */
function versionProblems({ directives }: Document, source: DocumentSource): Diagnostic[] {
  const version = directives?.yaml.version;
  if (directives?.yaml.explicit !== true || version === '1.2') return [];
  const start = Math.max(0, source.text.search(/^%YAML/m));
  const message = `version ${version} of YAML is not read here`;
  return [
    yamlProblem(source.range(start, lineEnd(source.text, start)), {
      message,
      help: "a topology is YAML 1.2: remove the line '%YAML'",
    }),
  ];
}

function lineEnd(text: string, start: number): number {
  const end = text.indexOf('\n', start);
  return end === -1 ? text.length : end;
}

function checkNode(node: unknown, walk: Walk): void {
  if (!isScalar(node) && !isCollection(node)) return;
  checkTag(node, walk);
  if (isScalar(node)) checkValue(node, walk);
  else if (walk.depth > MAX_DEPTH) {
    const [start] = offsetsOf(node);
    walk.report([start, start + 1], depthMessage);
  } else checkItems(node.items, { ...walk, depth: walk.depth + 1 });
}

function checkItems(items: readonly unknown[], walk: Walk): void {
  for (const item of items) {
    if (typeof item !== 'object' || item === null || !('key' in item)) checkNode(item, walk);
    else {
      const { key, value } = item as { readonly key: unknown; readonly value?: unknown };
      checkKey(key, walk);
      checkNode(value, walk);
    }
  }
}

/** `!` alone says that a value is what it looks like, or a text where it is a scalar. */
const coreTags: ReadonlyMap<string, (node: Node) => boolean> = new Map<string, (node: Node) => boolean>([
  ['!', () => true],
  ['tag:yaml.org,2002:map', isMap],
  ['tag:yaml.org,2002:seq', isSeq],
  ['tag:yaml.org,2002:str', (node) => isScalar(node) && typeof node.value === 'string'],
  ['tag:yaml.org,2002:int', (node) => isScalar(node) && Number.isInteger(node.value)],
  ['tag:yaml.org,2002:float', (node) => isScalar(node) && typeof node.value === 'number'],
  ['tag:yaml.org,2002:bool', (node) => isScalar(node) && typeof node.value === 'boolean'],
  ['tag:yaml.org,2002:null', (node) => isScalar(node) && node.value === null],
]);

function checkTag(node: Node, { source, report }: Walk): void {
  const [start] = offsetsOf(node);
  const tag = node.tag;
  if (tag === undefined) return;
  const fits = coreTags.get(tag);
  if (fits?.(node) === true) return;
  const offsets = tagBefore(source.text, start) ?? offsetsOf(node);
  const written = source.text.slice(...offsets);
  if (fits !== undefined) {
    report(offsets, `the tag ${written} does not fit the value behind it`, `remove ${written}`);
    return;
  }
  const name = tag.startsWith('tag:yaml.org,2002:') ? tag.slice('tag:yaml.org,2002:'.length) : '';
  const help = listTags.has(name)
    ? `remove ${written}: a topology has plain maps and lists, {a: …} and [a, b]`
    : `remove ${written}, and put a text in quotes`;
  report(offsets, `the tag ${written} has no meaning in a topology`, help);
}

const listTags: ReadonlySet<string> = new Set(['omap', 'pairs', 'set']);

/** Where the tag of a node is written; an anchor, comments and line ends may stand between the two. */
function tagBefore(text: string, start: number): readonly [number, number] | undefined {
  const least = Math.max(0, start - 2000);
  const found = /(?:^|[\s,[{:?-])(![^\s,[\]{}]*|!<[^>\s]*>)(?:\s|&[^\s,[\]{}]+|#[^\n]*)*$/.exec(
    text.slice(least, start),
  );
  const written = found?.[1];
  if (found === null || written === undefined) return undefined;
  const at = least + found.index + found[0].indexOf(written);
  return [at, at + written.length];
}

function checkKey(key: unknown, walk: Walk): void {
  if (isAlias(key)) {
    walk.report(offsetsOf(key), 'an alias cannot be a key', 'write the key itself');
    return;
  }
  if (isMap(key) || isSeq(key)) {
    const kind = isMap(key) ? 'a map' : 'a list';
    walk.report(offsetsOf(key), `a key is a text, not ${kind}`, 'put it in quotes if it is meant as a text');
    return;
  }
  if (!isScalar(key)) return;
  checkTag(key, walk);
  checkValue(key, walk);
  if (typeof key.value === 'symbol' || typeof key.value === 'string') return;
  const [start, end] = offsetsOf(key);
  const written = walk.source.text.slice(start, end);
  // What the key would be called: 010 is 10, and 0x10 is 16.
  if (key.value !== null && String(key.value) === written) return;
  const message =
    written === '' ? 'a key is missing here' : `the key ${written} would be read as ${String(key.value)}`;
  walk.report([start, end], message, written === '' ? undefined : `put it in quotes: "${written}"`);
}

function checkValue({ value, range }: Scalar, { source, report }: Walk): void {
  const [start, end] = range ?? [0, 0];
  const written = source.text.slice(start, end);
  if (typeof value === 'string' && value.includes('\0'))
    report(
      [start, end],
      'a text has a NUL character in it',
      'the kernel and programs would end the text there',
    );
  if (typeof value === 'bigint' || (typeof value === 'number' && isInexact(value, written)))
    report([start, end], `the number ${written} is too large to be read exactly`, 'put it in quotes');
}

/** An integer that a double holds only nearly; a float such as 1e20 says itself that it is not exact. */
export function isInexact(value: number, written: string): boolean {
  return Math.abs(value) > Number.MAX_SAFE_INTEGER && /^(?:[-+]?[0-9]+|0[ox][0-9a-fA-F]+)$/.test(written);
}

function offsetsOf({ range }: Node): readonly [number, number] {
  const [start, end] = range ?? [0, 0];
  return [start, end];
}
