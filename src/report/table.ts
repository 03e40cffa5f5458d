import { stripVTControlCharacters } from 'node:util';
import { visibleCell } from './visible.ts';

/** Columns of left-aligned text, two spaces apart, without trailing blanks. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows.map((row) => row.map(visibleCell))];
  const widths = header.map((_, column) => Math.max(...all.map((row) => width(row[column] ?? ''))));
  const line = (row: readonly string[]) =>
    widths
      .map((columnWidth, column) => (row[column] ?? '') + ' '.repeat(columnWidth - width(row[column] ?? '')))
      .join('  ')
      .trimEnd();
  return all.map((row) => `${line(row)}\n`).join('');
}

function width(text: string): number {
  return stripVTControlCharacters(text).length;
}
