import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import type { Diagnostic } from '../../../src/lib/diagnostic.ts';
import { diagnosticsJson, formatDiagnostics } from '../../../src/report/diagnostics.ts';

function at(line: number, column: number, endLine: number, endColumn: number): Diagnostic {
  const location = { file: 'lab.yaml', line, column, endLine, endColumn };
  return { severity: 'error', code: 'x', message: 'wrong', location };
}

function format(text: string, diagnostics: readonly Diagnostic[], columns = 100): string {
  const sources = new Map([['lab.yaml', text]]);
  const plain = formatDiagnostics(diagnostics, sources, { color: false, columns });
  const colored = formatDiagnostics(diagnostics, sources, { color: true, columns });
  expect(stripVTControlCharacters(colored)).toBe(plain);
  return plain;
}

test('carets stand under the range behind tabs and wide characters', () => {
  expect(format('\ta: 漢字 x\n', [at(1, 8, 1, 9)])).toBe(
    'lab.yaml:1:8: error[x] wrong\n    1 |     a: 漢字 x\n      |             ^\n',
  );
  expect(format('a: 漢字\n', [at(1, 4, 1, 6)])).toContain('|    ^^^^\n');
});

test('of many lines the first three are shown', () => {
  expect(format('a:\n  b: 1\n  c: 2\n  d: 3\n  e: 4\n', [at(2, 3, 5, 7)])).toBe(
    [
      'lab.yaml:2:3: error[x] wrong',
      '    2 |   b: 1',
      '      |   ^^^^',
      '    3 |   c: 2',
      '      |   ^^^^',
      '    4 |   d: 3',
      '      |   ^^^^',
      '      | ...',
      '',
    ].join('\n'),
  );
});

test('a long line is cut around the mark', () => {
  const text = `${'x'.repeat(200)}HERE${'y'.repeat(200)}\n`;
  const lines = format(text, [at(1, 201, 1, 205)], 60).split('\n');
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(60);
  const [, shown = '', carets = ''] = lines;
  expect(shown.slice(carets.indexOf('^'), carets.lastIndexOf('^') + 1)).toBe('HERE');
});

test('a place behind the end of the file has no excerpt', () => {
  expect(format('a\n', [at(9, 1, 9, 2)])).toBe('lab.yaml:9:1: error[x] wrong\n');
});

test('what steers a terminal is shown, not sent', () => {
  expect(format('a: "\u001b[31m"\n', [{ ...at(1, 4, 1, 5), message: 'no \u001b\n' }])).not.toMatch(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    /\u001b|\n\n/,
  );
});

test('sorted by place, each once, as text and as data', () => {
  const list = [at(2, 1, 2, 2), at(1, 5, 1, 6), at(1, 2, 1, 3), at(2, 1, 2, 2)];
  expect(diagnosticsJson(list)).toMatchObject([
    {
      severity: 'error',
      code: 'x',
      summary: 'wrong',
      range: { filename: 'lab.yaml', start: { line: 1, column: 2 } },
    },
    { range: { start: { line: 1, column: 5 }, end: { line: 1, column: 6 } } },
    { range: { start: { line: 2, column: 1 } } },
  ]);
  expect(format('abcdef\nb\n', list).match(/error/g)).toHaveLength(3);
  expect(format('', [])).toBe('');
});

test('of many of one code the first are shown, and how many more there are; notes and JSON have them all', () => {
  const many = Array.from({ length: 53 }, (_, index) => at(index + 1, 1, index + 1, 2));
  const text = format('a\n'.repeat(60), [...many, { ...at(60, 1, 60, 2), code: 'y' }]);
  expect(text.match(/^lab\.yaml:\d+/gm)?.slice(-2)).toEqual(['lab.yaml:50', 'lab.yaml:60']);
  expect(text.split('\n').slice(-2)).toEqual(['error[x]: 3 more of this kind; --json has them all', '']);
  const notes = many.map((diagnostic): Diagnostic => ({ ...diagnostic, severity: 'note' }));
  expect(format('a\n'.repeat(60), notes).match(/^lab\.yaml/gm)).toHaveLength(53);
  expect(diagnosticsJson(many)).toHaveLength(53);
});
