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
 * What a plain file has nowhere; in a comment it makes the file only slower to read. A variable, a key of the whole file
 * that begins a definition, the use of a template, and a bracket that follows a name or stands first in a text.
 */
const composing = /\$[{$]|^["']?(?:include|vars|templates)["']? *:|[\w.<>-]\[|["']\[[\w.=,-]+\]|\btemplate:/m;

/** Whether a text may be more than a plain file. */
export function mayCompose(text: string): boolean {
  return composing.test(text);
}

/** The same by the keys themselves, whichever way they are written. */
function hasDefinitions(data: TopologyFile): boolean {
  if ('include' in data || 'vars' in data || 'templates' in data) return true;
  return Object.values(data.namespaces ?? {}).some(
    (namespace) => typeof namespace === 'object' && namespace !== null && 'template' in namespace,
  );
}
