import type { Diagnostic } from '../lib/diagnostic.ts';
import type { LoadedFile } from './load.ts';

const HELP = 'what is in the file is not shown: the user behind sudo may not read it';

/**
 * Takes out of the messages what the user behind sudo may not see. Once such a file is part of a topology, any message
 * may quote it, wherever it points; so only places and codes are left of all of them.
 */
export function redactHidden<T extends LoadedFile>(loaded: T, hidden: ReadonlySet<string>): T {
  if (hidden.size === 0) return loaded;
  const texts = new Map([...loaded.texts].filter(([shown]) => !hidden.has(shown)));
  const redact = ({ severity, code, location, related }: Diagnostic): Diagnostic => ({
    severity,
    code,
    message: `there is ${severity === 'error' ? 'an error' : `a ${severity}`} of this kind here`,
    location,
    help: HELP,
    ...(related === undefined
      ? {}
      : { related: related.map((other) => ({ message: 'see also here', location: other.location })) }),
  });
  return {
    ...loaded,
    texts,
    diagnostics: loaded.diagnostics.map(redact),
    overrides: loaded.overrides.map(redact),
  };
}

/** Puts the name of a variable from outside of the files in place of its value. */
export function maskValues(
  diagnostics: readonly Diagnostic[],
  outside: ReadonlyMap<string, string> = new Map(),
): readonly Diagnostic[] {
  if (outside.size === 0) return diagnostics;
  const patterns = [...outside]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([name, value]): [RegExp, string] => {
      const escaped = value.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
      return [new RegExp(`(?<![A-Za-z0-9_])${escaped}(?![A-Za-z0-9_])`, 'giu'), `\${${name}}`];
    });
  const mask = (text: string) =>
    patterns.reduce((masked, [pattern, name]) => masked.replaceAll(pattern, () => name), text);
  return diagnostics.map((diagnostic) => ({
    ...diagnostic,
    message: mask(diagnostic.message),
    ...(diagnostic.help === undefined ? {} : { help: mask(diagnostic.help) }),
  }));
}
