import type { Diagnostic } from '../../lib/diagnostic.ts';
import { exitCodes } from '../../lib/exit-codes.ts';
import { loadFile } from '../../loader/load.ts';
import type { RunCommand } from '../command.ts';
import { chosenFiles, filePath } from '../files.ts';

export const run: RunCommand = async ({ io, color }, { args, options }) => {
  const named = args[0] as readonly string[];
  const diagnostics: Diagnostic[] = [];
  const overrides: Diagnostic[] = [];
  const sources = new Map<string, string>();
  const summaries: string[] = [];
  // Without an argument, the files of -f are one.
  for (const argument of named.length === 0 ? [undefined] : named) {
    const { file, load } = chosenFiles(io, { args: [argument], options });
    const loaded = await loadFile(filePath(io, file), file, load);
    const { topology, diagnostics: found } = loaded;
    for (const [path, text] of loaded.texts) sources.set(path, text);
    diagnostics.push(...found);
    overrides.push(...loaded.overrides);
    if (topology === undefined) continue;
    const { name, namespaces, interfaces, checks } = topology;
    summaries.push(
      `${file}: lab '${name}' is valid: ${namespaces.length} namespaces, ${interfaces.length} interfaces, ${checks.length} checks`,
    );
  }
  const errors = diagnostics.filter(({ severity }) => severity === 'error').length;
  const warnings = diagnostics.length - errors;
  if (options['json']) {
    const { diagnosticsJson } = await import('../../report/diagnostics.ts');
    const document = {
      schemaVersion: 1,
      valid: errors === 0,
      errors,
      warnings,
      diagnostics: diagnosticsJson(diagnostics),
      ...(overrides.length === 0 ? {} : { overrides: diagnosticsJson(overrides) }),
    };
    io.stdout(`${JSON.stringify(document, null, 2)}\n`);
  } else {
    const shown = [...overrides, ...diagnostics];
    if (shown.length > 0) {
      const { formatDiagnostics } = await import('../../report/diagnostics.ts');
      io.stderr(formatDiagnostics(shown, sources, { color: color.stderr, columns: io.columns }));
    }
    for (const summary of summaries) io.stdout(`${summary}\n`);
    if (diagnostics.length > 0) io.stderr(`${count(errors, 'error')}, ${count(warnings, 'warning')}\n`);
  }
  return errors === 0 ? exitCodes.done : exitCodes.invalidFile;
};

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? '' : 's'}`;
}
