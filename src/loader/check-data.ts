import type { TopologyFile } from '../generated/topology-file.ts';
import validate from '../generated/validate-topology.js';
import type { Diagnostic } from '../lib/diagnostic.ts';
import { movedPath } from './document-source.ts';
import { explainSchemaErrors } from './explain.ts';
import type { ParsedFile } from './parse.ts';
import { cutPaths, prune } from './prune.ts';
import type { TraceSource } from './source.ts';

/** Data by the schema: what it refuses is explained and cut out. */
export function checkData(data: object, source: TraceSource, earlier: readonly Diagnostic[]): ParsedFile {
  if (validate(data)) return { source, data: data as TopologyFile, diagnostics: earlier };
  const errors = validate.errors ?? [];
  const diagnostics = [...explainSchemaErrors(errors, data, source), ...earlier];
  const pruned = prune(data);
  if (pruned === undefined) return { source, data: undefined, diagnostics };
  const { data: rest, kept } = pruned;
  const refused = [...new Set(errors.flatMap(cutPaths))].map((cut) => movedPath(cut, kept));
  return { source: source.withKept(kept), data: rest, diagnostics, refused };
}
