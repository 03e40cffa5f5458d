import { LineCounter, parseDocument, type YAMLError } from 'yaml';
import type { TopologyFile } from '../generated/topology-file.ts';
import validate from '../generated/validate-topology.js';
import type { Diagnostic } from '../lib/diagnostic.ts';
import { explainSchemaErrors } from './explain.ts';
import { prune } from './prune.ts';
import { Source } from './source.ts';

export interface ParsedFile {
  readonly source: Source;
  /** Valid by the schema: what is not was reported and cut out, so that the rest can still be checked. */
  readonly data: TopologyFile | undefined;
  readonly diagnostics: readonly Diagnostic[];
  /** JSON pointers of what the schema refused and was cut out; none where the file is valid or broken. */
  readonly refused?: readonly string[];
}

/** YAML and schema: every problem of both, with its place. */
export function parseTopologyFile(path: string, text: string): ParsedFile {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    merge: true,
    uniqueKeys: true,
  });
  const source = new Source(path, text, document, lines);
  if (document.errors.length > 0) {
    return {
      source,
      data: undefined,
      diagnostics: document.errors.map((error) => explainYaml(error, source)),
    };
  }
  let data: unknown;
  try {
    // The limit stops a file whose aliases multiply ("billion laughs").
    data = document.toJS({ maxAliasCount: 10_000 });
  } catch (error) {
    const message = error instanceof Error ? error.message.toLowerCase() : String(error);
    return {
      source,
      data: undefined,
      diagnostics: [problem(source, 'yaml', `the aliases cannot be resolved: ${message}`)],
    };
  }
  if (data === null || data === undefined) {
    return {
      source,
      data: undefined,
      diagnostics: [
        {
          ...problem(source, 'empty', 'the file is empty'),
          help: "a topology begins with its name, for example 'name: lab'",
        },
      ],
    };
  }
  if (typeof data !== 'object' || Array.isArray(data)) {
    const message = `a topology is a map of sections, not ${Array.isArray(data) ? 'a list' : 'a single value'}`;
    return {
      source,
      data: undefined,
      diagnostics: [
        {
          ...problem(source, 'wrong-type', message),
          help: "it begins with its name, for example 'name: lab'",
        },
      ],
    };
  }
  if (validate(data)) return { source, data: data as TopologyFile, diagnostics: [] };
  const errors = validate.errors ?? [];
  return {
    source,
    data: prune(data, errors),
    diagnostics: explainSchemaErrors(errors, data, source),
    refused: errors.map(({ instancePath }) => instancePath),
  };
}

function problem(source: Source, code: string, message: string): Diagnostic {
  return { severity: 'error', code, message, location: source.locate({ pointer: '', part: 'value' }) };
}

function explainYaml(error: YAMLError, source: Source): Diagnostic {
  const [start, end] = error.pos;
  const location = source.range(start, end);
  if (error.code === 'DUPLICATE_KEY') return explainDuplicate(source, start, location);
  if (error.code === 'TAB_AS_INDENT') {
    return {
      severity: 'error',
      code: 'yaml',
      message: 'a tab is used for indentation',
      location,
      help: 'YAML takes only spaces there',
    };
  }
  const message = error.message.split('\n')[0] ?? error.code;
  return {
    severity: 'error',
    code: 'yaml',
    message: `${message.charAt(0).toLowerCase()}${message.slice(1).replace(/\.$/, '')}`,
    location,
  };
}

function explainDuplicate(source: Source, start: number, location: Diagnostic['location']): Diagnostic {
  const line = source.text.slice(start).split('\n')[0] ?? '';
  const key = /^(?:"[^"]*"|'[^']*'|[^:\s{},[\]]+(?::[^\s:{},[\]]+)*)/.exec(line)?.[0] ?? '';
  const indent = location.column - 1;
  const before = source.text.slice(0, start).split('\n');
  // The same key with the same indent, searched upwards, is the first definition in block style.
  let first = -1;
  for (let index = before.length - 2; index >= 0; index -= 1) {
    const text = before[index] ?? '';
    const own = text.length - text.trimStart().length;
    if (text.trim() !== '' && own < indent) break;
    if (own === indent && text.trimStart().startsWith(`${key}:`)) first = index;
  }
  const offset = before.slice(0, Math.max(0, first)).reduce((sum, text) => sum + text.length + 1, 0) + indent;
  return {
    severity: 'error',
    code: 'duplicate-key',
    message: `key ${key.replace(/^["']|["']$/g, "'").replace(/^([^'].*[^'])$/, "'$1'")} is already there`,
    location: source.range(start, start + key.length),
    ...(first < 0
      ? {}
      : {
          related: [{ message: 'first defined here', location: source.range(offset, offset + key.length) }],
        }),
  };
}
