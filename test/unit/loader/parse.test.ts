import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import validate from '../../../src/generated/validate-topology.js';
import { parseDocumentFile } from '../../../src/loader/parse-document.ts';

const parse = (text: string) => parseDocumentFile('lab.yaml', text);
const codes = (text: string) => parse(text).diagnostics.map(({ code }) => code);

describe('YAML', () => {
  test.each([
    ['name: lab\nnamespaces: [a, b', 'yaml'],
    ['name: lab\nnamespaces:\n\ta: {}\n', 'yaml'],
    ['name: "lab\n', 'yaml'],
    ['name: lab\nname: other\n', 'duplicate-key'],
    ['name: *lab\n', 'yaml'],
    ['name: a\n---\nname: b\n', 'yaml'],
    ['', 'empty'],
    ['# only a comment\n', 'empty'],
    ['- a\n', 'wrong-type'],
    ['lab\n', 'wrong-type'],
  ])('%j is %s, without data', (text, code) => {
    const { data, diagnostics } = parse(text);
    expect(data).toBeUndefined();
    expect(diagnostics.map((diagnostic) => diagnostic.code)).toContain(code);
    for (const { message, location } of diagnostics) {
      expect(message).toMatch(/^[^A-Z].*[^.]$/);
      expect(location).toMatchObject({ file: 'lab.yaml' });
    }
  });

  test('an anchor may be used by thousands, and an alias bomb is stopped soon', () => {
    const many = Array.from({ length: 4000 }, (_, index) => `  n${index}: *plain`);
    const text = `name: lab\nx-plain: &plain { forwarding: true }\nnamespaces:\n${many.join('\n')}\n`;
    expect(codes(text)).toEqual([]);
    const bomb = Array.from({ length: 30 }, (_, level) => {
      const inner = level === 0 ? 'x' : `*l${level - 1}`;
      return `x-${level}: &l${level} [${Array(10).fill(inner).join(', ')}]`;
    });
    const start = performance.now();
    expect(codes(`name: lab\n${bomb.join('\n')}\n`)).toEqual(['yaml']);
    expect(performance.now() - start).toBeLessThan(2000);
  });

  test('an anchor that contains itself is an error', () => {
    expect(codes('name: lab\nnamespaces: &n { a: *n }\n')).toEqual(['yaml']);
  });

  test('the places of both duplicates', () => {
    const [problem] = parse('name: lab\nnamespaces: { a: {}, b: {}, a: {} }\n').diagnostics;
    expect(problem).toMatchObject({
      code: 'duplicate-key',
      location: { line: 2, column: 29, endColumn: 30 },
    });
    expect(problem?.related?.[0]?.location).toMatchObject({ line: 2, column: 15 });
  });

  test('__proto__ is a key that nobody knows, and changes nothing', () => {
    expect(codes('name: lab\n__proto__: { polluted: true }\n')).toEqual(['unknown-key']);
    expect(codes('name: lab\nnamespaces: { a: { __proto__: { x: 1 } } }\n')).toEqual(['unknown-key']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('the rest of a file that the schema refuses', () => {
  const rest = (text: string) => parse(text).data;

  test('unknown keys and wrong leaves are dropped', () => {
    const text = 'name: lab\nfoo: 1\nnamespaces: { a: { forwarding: 7, sysctls: { net.x: 1 } } }\n';
    expect(rest(text)).toEqual({ name: 'lab', namespaces: { a: { sysctls: { 'net.x': 1 } } } });
  });

  test('what needs a wrong part goes with it', () => {
    const text = 'name: lab\nnamespaces: { a: { routes: [{ to: 5, via: 10.0.0.1 }, { to: default }] } }\n';
    expect(rest(text)).toEqual({ name: 'lab', namespaces: { a: { routes: [{ to: 'default' }] } } });
  });

  test('a missing or impossible name has a stand-in', () => {
    expect(rest('namespaces: [a]\n')).toEqual({ name: 'invalid', namespaces: ['a'] });
    expect(rest('name: Not This\nnamespaces: [a]\n')).toEqual({ name: 'invalid', namespaces: ['a'] });
    expect(rest('name: [a]\n')).toEqual({ name: 'invalid' });
  });

  test('what others refer to stays without its settings', () => {
    expect(rest('name: lab\nnamespaces: { a: 5, b: }\n')).toEqual({
      name: 'lab',
      namespaces: { a: {}, b: null },
    });
  });

  test('nothing is left to check when the namespaces are lost', () => {
    expect(rest('name: lab\nnamespace: [a]\nlinks: []\n')).toBeUndefined();
    expect(rest('name: lab\nnamespaces: 5\n')).toBeUndefined();
  });

  test('a check with a wrong action goes as a whole', () => {
    expect(rest('name: lab\nchecks: [{ name: x, pign: {} }, { name: y, ping: 5 }]\n')).toEqual({
      name: 'lab',
      checks: [],
    });
  });

  test('the places of later items stay right, and what was refused is named where it would be now', () => {
    const text = 'name: lab\nlinks:\n  - 5\n  - { endpoints: [a:x, b:x], mtu: x }\n  - 6\n  - [a:y, b:y]\n';
    const { data, source, refused } = parse(text);
    expect(data?.links).toEqual([{ endpoints: ['a:x', 'b:x'] }, ['a:y', 'b:y']]);
    expect(source.locate({ pointer: '/links/0', part: 'value' }).line).toBe(4);
    expect(source.locate({ pointer: '/links/1/1', part: 'value' })).toMatchObject({ line: 6, column: 11 });
    expect(refused).toContain('/links/0/mtu');
  });

  test('lists that aliases share lose each wrong item once', () => {
    const text =
      'name: lab\nx-r: &r [{ to: 5 }, { to: default }]\nnamespaces: { a: { routes: *r }, b: { routes: *r } }\n';
    const routes = [{ to: 'default' }];
    expect(rest(text)?.namespaces).toEqual({ a: { routes }, b: { routes } });
  });

  test('is always valid, whatever the file says', () => {
    const key = fc.constantFrom(
      'name',
      'namespaces',
      'links',
      'bridges',
      'checks',
      'endpoints',
      'a',
      'ping',
      'to',
      'routes',
      'ports',
      'a:e',
      '__proto__',
      'tunnels',
      'id',
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.constantFrom(null, true, 1, -7, 'x', 'a:b', 1.5),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.array(fc.tuple(key, tie('value')), { maxLength: 5 }).map((list) => Object.fromEntries(list)),
      ),
    }));
    fc.assert(
      fc.property(fc.array(fc.tuple(key, value), { maxLength: 6 }), (entries) => {
        const text = JSON.stringify(Object.fromEntries([['name', 'lab'], ...entries]));
        const { data, diagnostics } = parse(text);
        if (data !== undefined) expect(validate(data)).toBe(true);
        else expect(diagnostics.length).toBeGreaterThan(0);
        for (const { location } of diagnostics) expect(location.line).toBe(1);
      }),
      { numRuns: 500 },
    );
  });
});

test('four thousand mistakes are each explained and cut out', () => {
  const entries = Array.from({ length: 4000 }, (_, index) => `  n${index}: { forwardng: true, routes: [5] }`);
  const { diagnostics } = parse(`name: lab\nnamespaces:\n${entries.join('\n')}\n`);
  expect(diagnostics).toHaveLength(8000);
});
