import type { Diagnostic, Location } from '../lib/diagnostic.ts';
import { type Paint, painter } from './style.ts';

export interface FormatOptions {
  readonly color: boolean;
  readonly columns: number;
}

/** Every diagnostic as compilers print them: the place, the message, the marked lines, the help, the other places. */
export function formatDiagnostics(
  diagnostics: readonly Diagnostic[],
  sources: ReadonlyMap<string, string>,
  { color, columns }: FormatOptions,
): string {
  const paint = painter(color);
  const lines = new Map([...sources].map(([file, text]) => [file, text.split(/\r?\n/)]));
  return sortDiagnostics(diagnostics)
    .map((diagnostic) => formatOne(diagnostic, lines, paint, columns))
    .join('\n');
}

/** The same as data, in the shape of terraform's diagnostics. */
export function diagnosticsJson(diagnostics: readonly Diagnostic[]): object[] {
  return sortDiagnostics(diagnostics).map(({ severity, code, message, location, help, related = [] }) => ({
    severity,
    code,
    summary: message,
    ...(help === undefined ? {} : { help }),
    range: range(location),
    ...(related.length === 0
      ? {}
      : { related: related.map((other) => ({ message: other.message, range: range(other.location) })) }),
  }));
}

function sortDiagnostics(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const sorted = [...diagnostics].sort(
    ({ location: a, code: first }, { location: b, code: second }) =>
      (a.file < b.file ? -1 : a.file > b.file ? 1 : 0) ||
      a.line - b.line ||
      a.column - b.column ||
      (first < second ? -1 : 1),
  );
  const key = ({ location, message }: Diagnostic) =>
    `${location.file}:${location.line}:${location.column} ${message}`;
  return sorted.filter(
    (diagnostic, index) => index === 0 || key(diagnostic) !== key(sorted[index - 1] ?? diagnostic),
  );
}

function formatOne(
  { severity, code, message, location, help, related = [] }: Diagnostic,
  sources: ReadonlyMap<string, readonly string[]>,
  paint: Paint,
  columns: number,
): string {
  const style = severity === 'error' ? 'red' : 'yellow';
  let text = `${paint('bold', place(location))}: ${paint(style, `${severity}[${code}]`)} ${message}\n`;
  text += excerpt(location, sources, (mark) => paint(style, mark), columns);
  if (help !== undefined) text += `  ${paint('cyan', 'help:')} ${help}\n`;
  for (const other of related) {
    text += `${place(other.location)}: ${paint('cyan', 'note:')} ${other.message}\n`;
    text += excerpt(other.location, sources, (mark) => paint('cyan', mark), columns);
  }
  return text;
}

/** The marked line with its number, and carets under the marked part; of several lines, the first. */
function excerpt(
  location: Location,
  sources: ReadonlyMap<string, readonly string[]>,
  mark: (text: string) => string,
  columns: number,
): string {
  const source = sources.get(location.file)?.[location.line - 1];
  if (source === undefined) return '';
  const gutter = String(location.line).padStart(5);
  const room = Math.max(20, columns - gutter.length - 3);
  const start = location.column - 1;
  const end =
    location.endLine === location.line ? Math.max(location.endColumn - 1, start + 1) : source.length;
  // A long line is cut so that the marked part is seen.
  const from = start > room - 10 ? start - 10 : 0;
  const shown = source.slice(from, from + room);
  const carets = '^'.repeat(
    Math.max(1, Math.min(width(source.slice(start, end)), room - width(source.slice(from, start)))),
  );
  return `${gutter} | ${expand(shown)}\n${' '.repeat(gutter.length)} | ${' '.repeat(width(source.slice(from, start)))}${mark(carets)}\n`;
}

function place({ file, line, column }: Location): string {
  return `${file}:${line}:${column}`;
}

function range({ file, line, column, endLine, endColumn }: Location): object {
  return { filename: file, start: { line, column }, end: { line: endLine, column: endColumn } };
}

function expand(text: string): string {
  return text.replaceAll('\t', '    ');
}

/** Columns on the screen: a tab is shown as four blanks, East Asian wide characters take two. */
function width(text: string): number {
  let columns = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const isWide =
      (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xffdc) || code >= 0x1f300;
    columns += character === '\t' ? 4 : isWide ? 2 : 1;
  }
  return columns;
}
