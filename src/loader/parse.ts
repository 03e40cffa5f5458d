import type { TopologyFile } from '../generated/topology-file.ts';
import validate from '../generated/validate-topology.js';
import type { Diagnostic } from '../lib/diagnostic.ts';
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
}

/**
 * YAML and schema: every problem of both, with its place. The package `yaml` is loaded only for what the quick reader
 * leaves to it and for files with mistakes.
 */
export async function parseTopologyFile(path: string, text: string): Promise<ParsedFile> {
  const quick = readQuickly(text);
  if (quick !== undefined && validate(quick.data))
    return { source: new QuickSource(path, text, quick), data: quick.data as TopologyFile, diagnostics: [] };
  const { parseDocumentFile } = await import('./parse-document.ts');
  return parseDocumentFile(path, text);
}
