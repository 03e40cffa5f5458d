import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseToolJson } from '../../../src/engine/ip/tool-json.ts';
import type { Inspection } from '../../../src/observe/inspect.ts';
import { formatInspection } from '../../../src/report/inspect.ts';
import { formatConflicts } from '../../../src/report/plan.ts';
import { painter } from '../../../src/report/style.ts';
import { formatTable } from '../../../src/report/table.ts';
import { visible, visibleIn, visibleOutput } from '../../../src/report/visible.ts';

/** Texts with many of the characters that a terminal does something at. */
const hostile = fc.string({
  unit: fc.oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    fc.constantFrom(
      ...['\u001b[31m', '\u001b]0;x\u0007', '\n', '\r', '\t', '\u0000', '\u007f', '\u009b', '\u202e'],
      ...['\u2066', '\u200b', '\u200d', '\ufeff', '\u2028', '\u{e0041}', '\ud800', '\u061c', 'ü', '"', '\\'],
    ),
  ),
});
const terminal = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
/** Without the ends of our own lines. */
const linesOf = (text: string) => text.replaceAll('\n', '');

test('nothing that moves, colours or hides is left in a text', () => {
  fc.assert(fc.property(hostile, (text) => !terminal.test(visible(text))));
  expect(visible('e\u001b[31mth0')).toBe('e\\u001b[31mth0');
  expect(visible('gr\u00fcn \u6771')).toBe('gr\u00fcn \u6771');
  expect(visible('\u{e0041}')).toBe('\\udb40\\udc41');
});

test('output keeps its lines and colours; as JSON it says the same', () => {
  const painted = painter(true)('red', 'x');
  expect(visibleOutput(`${painted}\ty\n`)).toBe(`${painted}\ty\n`);
  fc.assert(
    fc.property(hostile, (text) => {
      const json = visibleOutput(`${JSON.stringify({ text }, null, 2)}\n`);
      expect(linesOf(json)).not.toMatch(terminal);
      expect(JSON.parse(json)).toEqual({ text });
      // biome-ignore lint/suspicious/noControlCharactersInRegex: our own colours, which stay
      const shown = visibleOutput(text).replaceAll(/\u001b\[[0-9;]+m/g, '');
      expect(linesOf(shown).replaceAll('\t', '')).not.toMatch(terminal);
    }),
  );
});

test('every text of an inspection, a conflict and a table is made visible, and stays on its line', () => {
  const paint = painter(false);
  fc.assert(
    fc.property(hostile, (text) => {
      const inspection = inspectionOf(text);
      const shown = formatInspection(inspection, paint);
      expect(linesOf(shown).replaceAll('\t', '')).not.toMatch(terminal);
      expect(shown.split('\n')).toHaveLength(formatInspection(inspectionOf('x'), paint).split('\n').length);
      const conflict = { resource: 'r', namespace: 'n', label: 'l', lab: undefined, place: undefined };
      const said = formatConflicts([{ ...conflict, message: text, hint: text }], () => '', paint);
      expect(linesOf(said)).not.toMatch(terminal);
      expect(said.split('\n')).toHaveLength(3);
      expect(formatTable(['A'], [[text]]).split('\n')).toHaveLength(3);
    }),
  );
});

test('what needs no change is the same object', () => {
  const value = { a: ['x', { b: 'y' }], c: 1, d: null };
  expect(visibleIn(value)).toBe(value);
  expect(visibleIn({ a: ['x', { b: '\n' }], c: 1 })).toEqual({ a: ['x', { b: '\\u000a' }], c: 1 });
});

test('JSON of iproute2 with control characters in it says what the names are', () => {
  expect(parseToolJson('[{"ifname":"e\u001b[31mx","ifalias":"a\\nb\u0007"},\n{}]')).toEqual([
    { ifname: 'e\u001b[31mx', ifalias: 'a\nb\u0007' },
    {},
  ]);
  expect(() => parseToolJson('[{')).toThrow(SyntaxError);
});

function inspectionOf(text: string): Inspection {
  return {
    lab: null,
    stale: [text],
    notNamespaces: [{ name: text, what: 'a FIFO' }],
    namespaces: [
      {
        name: text,
        lab: text,
        notOurs: text,
        forwarding: { ipv4: true, ipv6: false },
        interfaces: [
          {
            name: text,
            ifindex: 1,
            kind: text,
            lab: text,
            state: 'up',
            carrier: true,
            mtu: 1500,
            macaddress: text,
            addresses: [text],
            master: text,
            peer: { namespace: text, interface: text },
            alias: text,
          },
        ],
        bridges: [{ name: text, ports: [text] }],
        routes: [
          { to: text, table: 'main', type: 'unicast', nexthops: [text], metric: 0, protocol: 'static' },
        ],
        nat: [text],
        services: [{ name: text, lab: text, state: 'running', pid: 1, command: [text], log: text }],
      },
    ],
  };
}
