import { describe, expect, test } from 'vitest';
import { LineCounter, parseDocument } from 'yaml';
import type { Location } from '../../../src/lib/diagnostic.ts';
import { pointer } from '../../../src/lib/pointer.ts';
import { DocumentSource, movedPath } from '../../../src/loader/document-source.ts';

function sourceOf(text: string, kept?: ReadonlyMap<string, readonly number[]>): DocumentSource {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true });
  return new DocumentSource({
    path: 'lab.yaml',
    text,
    document,
    lines,
    ...(kept === undefined ? {} : { kept }),
  });
}

/** The text that a location marks, when it is on one line. */
function marked(text: string, { line, column, endLine, endColumn }: Location): string {
  expect(endLine).toBe(line);
  return text.split('\n')[line - 1]?.slice(column - 1, endColumn - 1) ?? '';
}

function find(text: string, path: string, part: 'key' | 'value' = 'value'): string {
  return marked(text, sourceOf(text).locate({ pointer: path, part }));
}

describe('locate', () => {
  const text = [
    'name: lab',
    'x-port: &port { mtu: 1400 }',
    'bridges:',
    '  br0:',
    '    ports:',
    '      a:eth0: { <<: *port, state: up }',
    '      b/c~d: *port',
    '    members: [one, two]',
    '  7: { mtu: 1500 }',
    'links:',
    '',
  ].join('\n');

  test('finds keys and values', () => {
    expect(find(text, '/name')).toBe('lab');
    expect(find(text, '/name', 'key')).toBe('name');
    expect(find(text, '/bridges/br0/members/1')).toBe('two');
    expect(find(text, '/bridges/br0/members/1', 'key')).toBe('two');
  });

  test('takes the escapes of pointers', () => {
    const path = pointer('bridges', 'br0', 'ports', 'b/c~d');
    expect(path).toBe('/bridges/br0/ports/b~1c~0d');
    expect(find(text, path, 'key')).toBe('b/c~d');
  });

  test('finds keys that YAML reads as numbers', () => {
    expect(find(text, '/bridges/7/mtu')).toBe('1500');
  });

  test('points at where a merged or aliased value is written, and knows where it is used', () => {
    for (const path of ['/bridges/br0/ports/a:eth0/mtu', '/bridges/br0/ports/b~1c~0d/mtu']) {
      const { location, usedAt } = sourceOf(text).trace({ pointer: path, part: 'value' });
      expect(location.line).toBe(2);
      expect(marked(text, location)).toBe('1400');
      expect(usedAt === undefined ? '' : marked(text, usedAt)).toBe('*port');
    }
    expect(sourceOf(text).trace({ pointer: '/bridges/7/mtu', part: 'value' }).usedAt).toBeUndefined();
  });

  test('falls back to the nearest ancestor that exists', () => {
    expect(find(text, '/bridges/7/mtu/none/at/all')).toBe('1500');
    expect(find(text, '/bridges/7/none', 'key')).toBe('7');
    expect(sourceOf(text).locate({ pointer: '/none', part: 'value' }).line).toBe(1);
  });

  test('shows a value that is not written at its key', () => {
    expect(find(text, '/links')).toBe('links');
  });

  test('ends a block at its last character', () => {
    const location = sourceOf('a:\n  b: 1\n\n\nc: 2\n').locate({ pointer: '/a', part: 'value' });
    expect(location).toMatchObject({ line: 2, column: 3, endLine: 2, endColumn: 7 });
  });

  test('what a map says itself wins over what it merges, and the first merge wins', () => {
    const merged = 'a: &a { x: 1, y: 2 }\nb: &b { y: 3, z: 4 }\nc: { <<: [*a, *b], x: 5 }\n';
    const lines = ['/c/x', '/c/y', '/c/z'].map(
      (path) => sourceOf(merged).locate({ pointer: path, part: 'value' }).line,
    );
    expect(lines).toEqual([3, 1, 2]);
  });

  test('a quoted << is an ordinary key', () => {
    expect(find('a: { "<<": { b: 1 } }\n', '/a/<<', 'key')).toBe('"<<"');
  });

  test('keys such as __proto__ and constructor are ordinary', () => {
    expect(find('a: { __proto__: 1 }\n', '/a/__proto__')).toBe('1');
    expect(find('a: {}\nb: 1\n', '/a/constructor', 'key')).toBe('a');
  });

  test('survives a broken document', () => {
    for (const broken of ['', '- [', 'a: *a', 'a: &a *a', '\t'])
      expect(sourceOf(broken).locate({ pointer: '/a/b', part: 'value' }).line).toBe(1);
  });

  test('counts the items that were cut out of a list', () => {
    const list = 'l: [a, b, c, d]\n';
    const source = sourceOf(list, new Map([['/l', [0, 2, 3]]]));
    expect(marked(list, source.locate({ pointer: '/l/1', part: 'value' }))).toBe('c');
    expect(movedPath('/l/2/x', new Map([['/l', [0, 2, 3]]]))).toBe('/l/1/x');
  });
});

test('ten thousand look-ups in four thousand namespaces with aliases find their places', () => {
  const entries = Array.from({ length: 4000 }, (_, index) => `  n${index}: { <<: *base, sysctls: *sys }`);
  const text = `x-sys: &sys { a: 1 }\nx-base: &base { forwarding: true }\nnamespaces:\n${entries.join('\n')}\n`;
  const source = sourceOf(text);
  for (let index = 0; index < 4000; index += 1) {
    source.locate({ pointer: `/namespaces/n${index}`, part: 'key' });
    source.locate({ pointer: `/namespaces/n${index}/sysctls/a`, part: 'value' });
    source.locate({ pointer: `/namespaces/n${index}/forwarding`, part: 'value' });
  }
  expect(source.locate({ pointer: '/namespaces/n3999/sysctls/a', part: 'value' }).line).toBe(1);
});
