import type { TopologyFile } from '../generated/topology-file.ts';
import validate from '../generated/validate-topology.js';
import type { Diagnostic } from '../lib/diagnostic.ts';
import type { InputFile } from './compose/include.ts';
import { QuickSource } from './quick-source.ts';
import { readQuickly } from './quick-yaml.ts';
import type { Source } from './source.ts';

export interface ParsedFile {
  /** Finds the places of `data`, also where items were cut out of a list. */
  readonly source: Source;
  /** Valid by the schema: what is not was reported and cut out, so that the rest can still be checked. */
  readonly data: TopologyFile | undefined;
  readonly diagnostics: readonly Diagnostic[];
  /** JSON pointers, into `data`, of what the schema refused; none where the file is valid or broken. */
  readonly refused?: readonly string[];
  /** Of several files: the text of each, by its path as messages show it. */
  readonly texts?: ReadonlyMap<string, string>;
  /** Values that a later file sets again. */
  readonly overrides?: readonly Diagnostic[];
  /** Files, as messages show them, that the user behind sudo may not read. */
  readonly hidden?: ReadonlySet<string>;
  /** Variables from the command line and the environment, whose values messages do not repeat. */
  readonly outside?: ReadonlyMap<string, string>;
  /** It is not one plain file: one place may stand for many. */
  readonly isComposed?: boolean;
}

/** How a file is read that is not all by itself. */
export interface LoadOptions {
  /** Files that are merged over it, in this order. */
  readonly overlays?: readonly InputFile[];
  /** Variables of the command line. */
  readonly set?: ReadonlyMap<string, string>;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * YAML and schema: every problem of both, with its place. The package `yaml` is loaded only for what the quick reader
 * leaves to it and for files with mistakes, and what puts a topology together only for a file that is not plain.
 */
export async function parseTopologyFile(
  file: InputFile & { readonly text: string },
  options: LoadOptions = {},
): Promise<ParsedFile> {
  const { shown, text } = file;
  const { overlays = [], set = new Map(), env = {} } = options;
  const compose = async () => {
    const { composeFiles } = await import('./compose/compose.ts');
    return composeFiles(file, { overlays, set, env });
  };
  if (overlays.length + set.size > 0 || mayCompose(text)) return compose();
  const quick = readQuickly(text);
  if (quick !== undefined && validate(quick.data)) {
    const data = quick.data as TopologyFile;
    if (hasDefinitions(data)) return compose();
    return { source: new QuickSource(shown, text, quick), data, diagnostics: [] };
  }
  const { parseDocumentFile } = await import('./parse-document.ts');
  const parsed = parseDocumentFile(shown, text);
  return parsed.data !== undefined && hasDefinitions(parsed.data) ? compose() : parsed;
}

/**
 * Whether a text has what a plain file has nowhere: a variable, or a bracket that follows a name or stands first in a
 * quoted text. In a comment they only make the file slower to read. As one regular expression it took 2 ms for a
 * thousand routers.
 */
export function mayCompose(text: string): boolean {
  for (let at = text.indexOf('$'); at !== -1; at = text.indexOf('$', at + 1)) {
    const next = text[at + 1];
    if (next === '{' || next === '$') return true;
  }
  for (let at = text.indexOf('['); at !== -1; at = text.indexOf('[', at + 1)) {
    const before = text[at - 1] ?? '';
    if (/[\w.<>-]/.test(before)) return true;
    const isFirst = before === '"' || before === "'";
    if (isFirst && /^[\w.=,-]+$/.test(text.slice(at + 1, text.indexOf(']', at)))) return true;
  }
  return false;
}

/** Whether there are definitions or uses of them, which change what the rest means. */
function hasDefinitions(data: TopologyFile): boolean {
  if ('include' in data || 'vars' in data || 'templates' in data) return true;
  return Object.values(data.namespaces ?? {}).some(
    (namespace) => typeof namespace === 'object' && namespace !== null && 'template' in namespace,
  );
}
