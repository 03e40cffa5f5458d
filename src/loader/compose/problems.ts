import type { Diagnostic, Location } from '../../lib/diagnostic.ts';
import type { Origin } from './tree.ts';

/** A mistake in what puts a topology together: a variable, a range, an include, a template. */
export interface ComposeProblem {
  readonly code: string;
  readonly message: string;
  readonly at: Origin;
  /** `value` when left out. */
  readonly part?: 'key' | 'value';
  readonly help?: string;
  readonly related?: { readonly message: string; readonly at: Origin };
}

export type ReportCompose = (problem: ComposeProblem) => void;

export function composeDiagnostic({ at, part, related, ...rest }: ComposeProblem): Diagnostic {
  return {
    severity: 'error',
    ...rest,
    location: locationOf(at, part),
    ...(related === undefined
      ? {}
      : { related: [{ message: related.message, location: locationOf(related.at, 'key') }] }),
  };
}

export function locationOf({ source, pointer }: Origin, part: 'key' | 'value' = 'value'): Location {
  return source.locate({ pointer, part });
}

/** Of one mistake in what stands for many, so many are told. */
const TOLD = 3;

/** One line of the file may stand for fifty namespaces, and its mistake would be told fifty times. */
export function thinOut(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const counts = new Map<string, number>();
  const idOf = ({ code, location }: Diagnostic) =>
    `${code} ${location.file}:${location.line}:${location.column}`;
  const messages = new Set<string>();
  const told = diagnostics.filter((diagnostic) => {
    const id = idOf(diagnostic);
    const text = `${id} ${diagnostic.message}`;
    if (messages.has(text)) return false;
    messages.add(text);
    const count = (counts.get(id) ?? 0) + 1;
    counts.set(id, count);
    return count <= TOLD;
  });
  const seen = new Map<string, number>();
  return told.map((diagnostic) => {
    const id = idOf(diagnostic);
    const all = counts.get(id) ?? 0;
    seen.set(id, (seen.get(id) ?? 0) + 1);
    if (all <= TOLD || seen.get(id) !== TOLD) return diagnostic;
    return { ...diagnostic, message: `${diagnostic.message}; and ${all - TOLD} more like this` };
  });
}
