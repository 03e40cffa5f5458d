import { codePointOf } from '../lib/characters.ts';
import { compareNames } from '../lib/collections.ts';
import type { Diagnostic, Location } from '../lib/diagnostic.ts';
import { type Paint, painter, type Style } from './style.ts';

export interface FormatOptions {
  readonly color: boolean;
  readonly columns: number;
}

/** One mistake in a template may be one in each of a thousand namespaces: who reads the first ones knows it. */
const MOST_OF_A_KIND = 50;

/**
 * Diagnostics as compilers print them: the place, the message, the marked lines, the help, the other places. Of many
 * errors or warnings of one code the first ones, and how many more there are.
 */
export function formatDiagnostics(
  diagnostics: readonly Diagnostic[],
  sources: ReadonlyMap<string, string>,
  { color, columns }: FormatOptions,
): string {
  const lines = new Map([...sources].map(([file, text]) => [file, text.split(/\r?\n/)]));
  const page: Page = { lines, paint: painter(color), room: Math.max(20, columns - GUTTER - 3) };
  const counts = new Map<string, number>();
  const shown = sortDiagnostics(diagnostics).filter(({ severity, code }) => {
    if (severity === 'note') return true;
    const kind = `${severity}[${code}]`;
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    return count <= MOST_OF_A_KIND;
  });
  const more = [...counts].flatMap(([kind, count]) =>
    count > MOST_OF_A_KIND
      ? [`${kind}: ${count - MOST_OF_A_KIND} more of this kind; --json has them all\n`]
      : [],
  );
  return [...shown.map((diagnostic) => formatOne(diagnostic, page)), ...more].join('\n');
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

/** The width of the line numbers. */
const GUTTER = 5;

/** Of a range of many lines, so many are shown. */
const MAX_LINES = 3;

/** How much of a long line is shown before the mark. */
const LEAD = 10;

interface Page {
  readonly lines: ReadonlyMap<string, readonly string[]>;
  readonly paint: Paint;
  /** Columns for the text of a line. */
  readonly room: number;
}

function sortDiagnostics(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const unique = new Map<string, Diagnostic>();
  for (const diagnostic of diagnostics) {
    const { code, message, location } = diagnostic;
    const id = `${place(location)} ${code} ${message}`;
    if (!unique.has(id)) unique.set(id, diagnostic);
  }
  return [...unique.values()].sort(
    ({ location: a, code: first }, { location: b, code: second }) =>
      compareNames(a.file, b.file) || a.line - b.line || a.column - b.column || compareNames(first, second),
  );
}

function formatOne(
  { severity, code, message, location, help, related = [] }: Diagnostic,
  page: Page,
): string {
  const { paint } = page;
  const style = ({ error: 'red', warning: 'yellow', note: 'cyan' } as const)[severity];
  let text = `${paint('bold', printable(place(location)))}: ${paint(style, `${severity}[${code}]`)} ${printable(message)}\n`;
  text += excerpt(location, page, style);
  if (help !== undefined) text += `  ${paint('cyan', 'help:')} ${printable(help)}\n`;
  for (const other of related) {
    text += `${paint('bold', printable(place(other.location)))}: ${paint('cyan', 'note:')} ${printable(other.message)}\n`;
    text += excerpt(other.location, page, 'cyan');
  }
  return text;
}

/** The marked lines with their numbers, and carets under the marked part of each. */
function excerpt(location: Location, page: Page, style: Style): string {
  const source = page.lines.get(location.file) ?? [];
  const { line, endLine } = location;
  // The end of a range may be the beginning of the next line.
  const last = endLine > line && location.endColumn === 1 ? endLine - 1 : endLine;
  const shownLast = Math.min(last, line + MAX_LINES - 1, source.length);
  let text = '';
  for (let number = line; number <= shownLast; number += 1) {
    const content = source[number - 1] ?? '';
    const indent = content.length - content.trimStart().length;
    const start = number === line ? location.column - 1 : indent;
    const end = number === endLine ? location.endColumn - 1 : content.trimEnd().length;
    if (number === line || end > start) text += marked(content, { number, start, end, style }, page);
  }
  return shownLast < Math.min(last, source.length) ? `${text}${' '.repeat(GUTTER)} | ...\n` : text;
}

interface Mark {
  readonly number: number;
  /** In UTF-16 units from 0. */
  readonly start: number;
  readonly end: number;
  readonly style: Style;
}

function marked(content: string, { number, start, end, style }: Mark, page: Page): string {
  const cells = cellsOf(content);
  const before = cellsOf(content.slice(0, start)).length;
  const inside = cellsOf(content.slice(start, Math.max(start, end))).length;
  const lead = widthOf(cells.slice(0, before));
  const width = Math.max(1, widthOf(cells.slice(before, before + inside)));
  // A long line is cut so that the marked part is seen.
  const isFar = lead + Math.min(width, LEAD) > page.room;
  const from = isFar ? Math.max(0, before - LEAD) : 0;
  const offset = widthOf(cells.slice(from, before)) + (from > 0 ? 1 : 0);
  const carets = '^'.repeat(Math.max(1, Math.min(width, page.room - offset)));
  const under = `${' '.repeat(GUTTER)} | ${' '.repeat(offset)}${page.paint(style, carets)}\n`;
  return numbered(number, cut(cells, { from, page }), page) + under;
}

function numbered(number: number, text: string, { paint }: Page): string {
  return `${paint('dim', `${String(number).padStart(GUTTER)} |`)} ${text}`.trimEnd().concat('\n');
}

/** What one character of the file takes on the screen. */
interface Cell {
  readonly text: string;
  readonly width: number;
}

function cellsOf(text: string): Cell[] {
  return Array.from(text, (character) => {
    if (character === '\t') return { text: '    ', width: 4 };
    const text = printable(character);
    const width = text.startsWith('<U+') ? text.length : characterWidth(character.codePointAt(0) ?? 0);
    return { text, width };
  });
}

function widthOf(cells: readonly Cell[]): number {
  return cells.reduce((sum, { width }) => sum + width, 0);
}

function cut(cells: readonly Cell[], { from, page }: { from: number; page: Page }): string {
  let text = from > 0 ? '…' : '';
  let used = text.length;
  const rest = cells.slice(from);
  const fits = used + widthOf(rest) <= page.room;
  for (const cell of rest) {
    if (!fits && used + cell.width > page.room - 1) return `${text}…`;
    text += cell.text;
    used += cell.width;
  }
  return text;
}

/** Ranges of two columns: East Asian wide and full-width characters, pictures. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1faff],
  [0x20000, 0x3fffd],
];

function characterWidth(code: number): number {
  if (/\p{Mn}/u.test(String.fromCodePoint(code))) return 0;
  return WIDE.some(([first, last]) => code >= first && code <= last) ? 2 : 1;
}

/** A file may hold what steers a terminal, or turns and hides what stands beside it: it is shown as a picture or by its number. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code < 0xa0 ? '\ufffd' : `<${codePointOf(character)}>`;
  });
}

function place({ file, line, column }: Location): string {
  return `${file}:${line}:${column}`;
}

function range({ file, line, column, endLine, endColumn }: Location): object {
  return { filename: file, start: { line, column }, end: { line: endLine, column: endColumn } };
}
