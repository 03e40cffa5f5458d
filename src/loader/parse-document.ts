import { type Document, LineCounter, parseDocument } from 'yaml';
import type { Diagnostic } from '../lib/diagnostic.ts';
import { checkData } from './check-data.ts';
import { DocumentSource, resolveAliases } from './document-source.ts';
import type { ParsedFile } from './parse.ts';
import type { Source } from './source.ts';
import { contentProblems, depthMessage, tooDeep } from './yaml-content.ts';
import { dataOfDocument, TooManyAliases } from './yaml-data.ts';
import { aliasProblems, yamlProblem, yamlProblems } from './yaml-problems.ts';

/** The content of a file before the schema has seen it. */
export interface YamlFile {
  readonly source: Source;
  /** undefined where the YAML is broken, or is no map. */
  readonly data: object | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads any file, with the package `yaml`. */
export function parseDocumentFile(path: string, text: string): ParsedFile {
  const { source, data, diagnostics } = readDocument(path, text);
  return data === undefined ? { source, data, diagnostics } : checkData(data, source, diagnostics);
}

/** The same without the schema. */
export function readDocument(path: string, text: string): YamlFile & { readonly source: DocumentSource } {
  const lines = new LineCounter();
  const document = parseText(text, lines);
  if (document === undefined) {
    const source = new DocumentSource({ path, text, document: parseDocument(''), lines: countLines(text) });
    return { source, data: undefined, diagnostics: [tooDeep(source)] };
  }
  const source = new DocumentSource({ path, text, document, lines });
  // What a tag means is checked by ourselves, for those that the package knows as well.
  const warnings = document.warnings
    .filter(({ code }) => code !== 'TAG_RESOLVE_FAILED')
    .map(({ message, pos }) => yamlProblem(source.range(...pos), { message, severity: 'warning' }));
  const content = contentProblems(document, source);
  // What is too deep for us is too deep for every other walk.
  const isDeep = content.some(({ message }) => message === depthMessage);
  const broken = isDeep
    ? content
    : [...yamlProblems(document, source), ...content, ...aliasProblems(document, source)];
  if (broken.length > 0) return { source, data: undefined, diagnostics: [...broken, ...warnings] };
  const read = readData(document, source);
  return 'problem' in read
    ? { source, data: undefined, diagnostics: [read.problem, ...warnings] }
    : { source, data: read.data, diagnostics: warnings };
}

/** undefined: it is nested so deep that the stack is full. */
function parseText(text: string, lineCounter: LineCounter): Document | undefined {
  try {
    return parseDocument(text, {
      lineCounter,
      prettyErrors: false,
      merge: true,
      // Ours takes linear time: the package compares each key with all before it.
      uniqueKeys: false,
      logLevel: 'error',
    });
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function countLines(text: string): LineCounter {
  const lines = new LineCounter();
  lines.addNewLine(0);
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lines.addNewLine(at + 1);
  return lines;
}

function readData(document: Document, source: DocumentSource): { data: object } | { problem: Diagnostic } {
  const { line, column, ...rest } = source.locate({ pointer: '', part: 'value' });
  const start = { ...rest, line, column, endLine: line, endColumn: column };
  const fail = (code: string, message: string, help: string) => ({
    problem: { severity: 'error' as const, code, message, location: start, help },
  });
  let data: unknown;
  try {
    data = dataOfDocument(document, resolveAliases(document));
  } catch (error) {
    if (!(error instanceof TooManyAliases)) throw error;
    const [from, to] = error.alias.range ?? [0, 0];
    return { problem: yamlProblem(source.range(from, to), { message: error.message }) };
  }
  const example = "a topology begins with its name, for example 'name: lab'";
  if (data === null || data === undefined) return fail('empty', 'the file is empty', example);
  if (typeof data !== 'object' || Array.isArray(data)) {
    const found = Array.isArray(data) ? 'a list' : 'a single value';
    return fail('wrong-type', `a topology is a map of sections, not ${found}`, example);
  }
  return { data };
}
