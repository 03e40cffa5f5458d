import { readdirSync, readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LineCounter, parseDocument, stringify, type ToStringOptions } from 'yaml';
import { pointer } from '../../../src/lib/pointer.ts';
import { DocumentSource, repeatedKeys } from '../../../src/loader/document-source.ts';
import { loadParsed, loadText } from '../../../src/loader/load.ts';
import { mayCompose } from '../../../src/loader/parse.ts';
import { parseDocumentFile } from '../../../src/loader/parse-document.ts';
import { QuickSource } from '../../../src/loader/quick-source.ts';
import { readQuickly } from '../../../src/loader/quick-yaml.ts';
import { stringifyYaml } from '../../../src/loader/stringify.ts';
import { renderedYaml } from './rendered-yaml.ts';
import { topologyFile } from './topology-file.ts';

const examples = readdirSync('topologies').filter((name) => name.endsWith('.yaml'));
const exampleTexts = examples.map((name) => readFileSync(`topologies/${name}`, 'utf8'));
const broken = readdirSync('test/golden/diagnostics').map((name) =>
  readFileSync(`test/golden/diagnostics/${name}/input.yaml`, 'utf8'),
);

/** Where the quick reader understands a text, it must be what the package makes of it. */
function isUnderstood(text: string): boolean {
  const quick = readQuickly(text);
  if (quick === undefined) return false;
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    merge: true,
    uniqueKeys: false,
    logLevel: 'error',
  });
  expect([...document.errors, ...document.warnings], text).toEqual([]);
  expect(repeatedKeys(document), text).toEqual([]);
  const data = document.toJS() as unknown;
  // Not toStrictEqual, which takes a key `constructor` for the one of a class.
  if (!isDeepStrictEqual(quick.data, data)) expect(quick.data, text).toEqual(data);
  expect(isDeepStrictEqual(quick.data, data), text).toBe(true);
  // And the keys in the same order.
  expect(JSON.stringify(quick.data), text).toBe(JSON.stringify(data));
  const source = new QuickSource('lab.yaml', text, quick);
  const reference = new DocumentSource({ path: 'lab.yaml', text, document, lines });
  // There are thousands, and `expect` takes its time.
  for (const path of pointersOf(data)) {
    for (const part of ['key', 'value'] as const) {
      const [found, wanted] = [source, reference].map((each) => each.locate({ pointer: path, part }));
      if (!isDeepStrictEqual(found, wanted)) expect(found, `${path} ${part} of\n${text}`).toEqual(wanted);
    }
  }
  return true;
}

function pointersOf(data: unknown, path = ''): string[] {
  if (typeof data !== 'object' || data === null) return [path, `${path}/none/0`];
  const inside = Object.entries(data).flatMap(([key, value]) => pointersOf(value, path + pointer(key)));
  return [path, ...inside, path + pointer('none'), path + pointer(0)];
}

/** What the package alone reads: anchors, aliases, merge keys, block scalars, tabs. */
const beyond = /^[^#]*(?:[&*]\w|<<:|[|>]-?$)|^\s*[^#\s][^#]*\t/m;

describe('files', () => {
  test.each(examples.filter((_name, index) => !beyond.test(exampleTexts[index] ?? '')))(
    '%s is understood',
    (name) => {
      expect(isUnderstood(readFileSync(`topologies/${name}`, 'utf8'))).toBe(true);
    },
  );

  test('nearly all of the examples are plain', () => {
    expect(exampleTexts.filter((text) => beyond.test(text)).length).toBeLessThan(examples.length / 10);
  });

  test('files with mistakes are read as the package reads them, or not at all', () => {
    expect(broken.filter(isUnderstood).length).toBeGreaterThan(broken.length / 2);
  });
});

describe('forms that are understood', () => {
  test.each([
    ['scalars', 'a: 1\nb: -0\nc: 0x1F\nd: 0o17\ne: 1.50\nf: -1e3\ng: .5\nh: 007\ni: +1\nj: 1.\nk: 12e03\n'],
    ['words', 'a: ~\nb: null\nc: NULL\nd: True\ne: FALSE\nf: yes\ng: nullx\nh: tRue\ni: "true"\nj: <<\n'],
    [
      'no numbers',
      'a: 10.0.0.1\nb: 1_000\nc: 0b1\nd: 0o8\ne: 0xg\nf: 1e\ng: 02:42:ac:11:00:02\nh: 2001:db8::1/64\n',
    ],
    ['keys that are no texts', '7: a\n16: b\ntrue: c\n1.5: d\n-1: e\n"8": f\n2: g\n'],
    ['keys that objects have', '__proto__: { a: 1 }\nconstructor: b\ntoString: { __proto__: 1 }\n'],
    ['quotes', "a: \"x # y: z\"\n'b': 'it''s'\n\"c d\": ''\ne: \"\" # no text\n"],
    ['lists', 'a:\n- b\n- c: 1\n  d:\n  - e\n  - - f\n    - g\nh:\n  -   i: 1\n      j: 2\n  - [k]\n'],
    ['flow', 'a: { b: 1, c: [d, "e", {}], }\nf: [\n  g, # one\n  h\n]\ni:\n  { j: , k:\n      l }\n'],
    [
      'comments',
      '# a\n\n---   # b\na: # c\n  # d\n  b: x#y # e\n    # f\n # g\n# h\nc:\n  # i\n\n  # j\n# k',
    ],
    ['blank lines', '\n  \na: 1\n   \n\nb:\n\n  c: 1\n  \n'],
    ['no end of line', 'a:\n  - b'],
  ])('%s', (_name, text) => {
    expect(isUnderstood(text)).toBe(true);
  });
});

describe('what is left to the package', () => {
  test.each([
    '',
    '# nothing\n',
    'text\n',
    '- a\n',
    '{ a: 1 }\n',
    ' a: 1\n',
    'a: &b 1\n',
    'a: *b\n',
    'a: !!str 1\n',
    'a: { <<: { b: 1 } }\n',
    'a: |\n  b\n',
    'a: b\n  c\n',
    'a: "b\n  c"\n',
    'a: "\\t"\n',
    'a:\tb\n',
    'a: b\r\n',
    '\ufeffa: b\n',
    'a: \u0000\n',
    '%YAML 1.2\n---\na: b\n',
    'a: 1\n---\nb: 1\n',
    'a: 1\n...\n',
    '? a\n: b\n',
    'a: 1\na: 2\n',
    '7: 1\n"7": 2\n',
    'a: { b: 1, b: 2 }\n',
    '~: 1\n',
    ': 1\n',
    'a: b: c\n',
    'a: [b: c]\n',
    'a: { b }\n',
    'a: [b c\n',
    'a: {b:c}}\n',
    'a: [b,, c]\n',
    'a: [\nb]\n',
    'a: b #c\n d\n',
    'a: "b"#c\n',
    'a: {#b\n}\n',
    'a:\n  b: 1\n c: 2\n',
    'a:\n  b: 1\n   c: 2\n',
    'a:\n  - b\n  c: 1\n',
    'a:\n  b\n',
    '- a: 1\n',
    'a:\n  -\n    b: 1\n',
    'a: .inf\n',
    'a: @b\n',
    `${'a'.repeat(1100)}: 1\n`,
    `a: ${'['.repeat(200)}${']'.repeat(200)}\n`,
  ])('%j', (text) => {
    expect(readQuickly(text)).toBeUndefined();
  });
});

/** More in the environment, for a longer search. */
const runs = Number(process.env['QUICK_YAML_RUNS'] ?? 500);

/** How many of the texts are understood, where each that is must be read right. */
function shareUnderstood(texts: fc.Arbitrary<string>, numRuns = runs): number {
  let understood = 0;
  const read = fc.property(texts, (text) => {
    if (isUnderstood(text)) understood += 1;
  });
  fc.assert(read, { numRuns });
  return understood / numRuns;
}

const styles: fc.Arbitrary<ToStringOptions> = fc.record({
  indent: fc.constantFrom(2, 4),
  indentSeq: fc.boolean(),
  collectionStyle: fc.constantFrom('any' as const, 'block' as const, 'flow' as const),
  lineWidth: fc.constantFrom(0, 30, 80),
  defaultKeyType: fc.constantFrom(null, 'PLAIN' as const, 'QUOTE_SINGLE' as const, 'QUOTE_DOUBLE' as const),
  defaultStringType: fc.constantFrom('PLAIN' as const, 'QUOTE_SINGLE' as const, 'QUOTE_DOUBLE' as const),
  nullStr: fc.constantFrom('null', '~', ''),
  flowCollectionPadding: fc.boolean(),
});

const { data } = fc.letrec((tie) => ({
  data: fc.dictionary(fc.oneof(fc.string({ maxLength: 6 }), fc.constantFrom('a', 'b', '7')), tie('value'), {
    maxKeys: 5,
    minKeys: 1,
  }),
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string({ maxLength: 8 }),
    fc.constantFrom(null, true, false, 'true', '7', '10.0.0.1/24', 'a:b', ''),
    fc.oneof(fc.integer(), fc.double()),
    fc.array(tie('value'), { maxLength: 4 }),
    tie('data'),
  ),
}));

interface Change {
  readonly form: number;
  readonly at: number;
  readonly insert: string;
}

const change: fc.Arbitrary<Change> = fc.record({
  form: fc.nat(5),
  at: fc.nat(),
  insert: fc.constantFrom(
    ...Array.from(' \n:-#{}[],\'"a0\t&*!|>%@?~.\\<\r'),
    ': ',
    ' #',
    '\n  ',
    '- ',
    '---\n',
  ),
});

/** Texts of the examples with some characters or lines taken out, put in, doubled or moved. */
const mutated = fc
  .tuple(fc.constantFrom(...exampleTexts, ...broken), fc.array(change, { minLength: 1, maxLength: 3 }))
  .map(([text, changes]) => changes.reduce(mutate, text));

function mutate(text: string, { form, at: anywhere, insert }: Change): string {
  const at = anywhere % (text.length + 1);
  const line = text.lastIndexOf('\n', at - 1) + 1;
  const next = text.indexOf('\n', at) + 1 || text.length;
  if (form === 0) return text.slice(0, at) + text.slice(at + 1);
  if (form === 1) return text.slice(0, at) + insert + text.slice(at);
  if (form === 2) return text.slice(0, next) + text.slice(line);
  if (form === 3) return text.slice(0, line) + text.slice(next);
  if (form === 4) return `${text.slice(0, line)} ${text.slice(line)}`;
  return `${text.slice(0, line)}${' '.repeat(anywhere % 7)}# note\n${text.slice(line)}`;
}

describe('random texts', () => {
  test('of our own renderer', () => {
    expect(shareUnderstood(renderedYaml)).toBeGreaterThan(0.15);
  });

  test('of the package', () => {
    const texts = fc.tuple(data, styles).map(([document, style]) => stringify(document, style));
    expect(shareUnderstood(texts)).toBeGreaterThan(0.03);
  });

  test('topologies, as we print them', () => {
    // Without the aliases by which the package prints a list that is there twice.
    const texts = topologyFile.map((document) => stringifyYaml(JSON.parse(JSON.stringify(document))));
    expect(shareUnderstood(texts, 50)).toBe(1);
  });

  test('examples with changes', () => {
    expect(shareUnderstood(mutated)).toBeGreaterThan(0.2);
  });

  test('lead to the same topologies and problems in both ways', async () => {
    await fc.assert(
      fc.asyncProperty(mutated, async (text) => {
        // Only plain files are read in two ways.
        fc.pre(!mayCompose(text) && !/include|vars|template/.test(text));
        const { source: _quick, ...found } = await loadText('lab.yaml', text);
        const { source: _document, ...wanted } = loadParsed(parseDocumentFile('lab.yaml', text));
        expect(found).toEqual(wanted);
      }),
      { numRuns: runs / 5 },
    );
  });
});
