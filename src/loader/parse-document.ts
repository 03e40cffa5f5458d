import { type Document, LineCounter, parseDocument } from 'yaml';
import type { TopologyFile } from '../generated/topology-file.ts';
import validate from '../generated/validate-topology.js';
import type { Diagnostic } from '../lib/diagnostic.ts';
import { DocumentSource, movedPath, resolveAliases, type SourceOptions } from './document-source.ts';
import { explainSchemaErrors } from './explain.ts';
import type { ParsedFile } from './parse.ts';
import { cutPaths, prune } from './prune.ts';
import { aliasProblems, lowerFirst, yamlProblem, yamlProblems } from './yaml-problems.ts';

/** Stops aliases that multiply ("billion laughs"); thousands of namespaces may still share one anchor. */
const MAX_ALIAS_COUNT = 50_000;

/** Reads any file, with the package `yaml`. */
export function parseDocumentFile(path: string, text: string): ParsedFile {
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
  const source = new DocumentSource(options);
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
  return { source: new DocumentSource({ ...options, kept }), data, diagnostics, refused };
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
