import { type Document, LineCounter, parseDocument } from 'yaml';
import type { Diagnostic } from '../lib/diagnostic.ts';
import { checkData } from './check-data.ts';
import { DocumentSource, resolveAliases } from './document-source.ts';
import type { ParsedFile } from './parse.ts';
import type { Source } from './source.ts';
import { aliasProblems, lowerFirst, yamlProblem, yamlProblems } from './yaml-problems.ts';

/** Stops aliases that multiply ("billion laughs"); thousands of namespaces may still share one anchor. */
const MAX_ALIAS_COUNT = 50_000;

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
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    merge: true,
    // Ours takes linear time: the package compares each key with all before it.
    uniqueKeys: false,
    logLevel: 'error',
  });
  const source = new DocumentSource({ path, text, document, lines });
  const warnings = document.warnings.map(({ message, pos }) =>
    yamlProblem(source.range(...pos), { message, severity: 'warning' }),
  );
  const broken = [...yamlProblems(document, source), ...aliasProblems(document, source)];
  if (broken.length > 0) return { source, data: undefined, diagnostics: [...broken, ...warnings] };
  const read = readData(document, source);
  return 'problem' in read
    ? { source, data: undefined, diagnostics: [read.problem, ...warnings] }
    : { source, data: read.data, diagnostics: warnings };
}

function readData(document: Document, source: DocumentSource): { data: object } | { problem: Diagnostic } {
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
