import { expect, test } from 'vitest';
import { nameProblem, textProblem } from '../../../src/lib/characters.ts';

test.each([
  ['ab\u202ec', 'U+202E is not seen as itself'],
  ['a\u200bb', 'U+200B is not seen as itself'],
  ['a\u00a0b', 'U+00A0 is not seen as itself'],
  ['a\ufe0fb', 'U+FE0F is not seen as itself'],
  ['a\u3164', 'U+3164 is not seen as itself'],
  ['a\u{e0041}', 'U+E0041 is not seen as itself'],
  ['\u0430bc', "U+0430 looks like 'a'"],
  ['\u0441\u043e\u0441\u043e', "U+0441 looks like 'c'"],
  ['h\u03bf1', "U+03BF looks like 'o'"],
  ['web\u0436', 'U+0436 is of another script than the Latin letters beside it'],
  ['l\u0131nk', "U+0131 looks like 'i'"],
  ['\uff41bc', "U+FF41 is another form of 'a'"],
  ['e\u0301', 'U+0301 is a mark apart from its letter'],
  ['\ufb01n', "U+FB01 is another form of 'fi'"],
])('%j is refused as a name', (name, message) => {
  const { codePoint, reason } = nameProblem(name) ?? {};
  expect(`${codePoint} ${reason}`).toBe(message);
});

test.each(['web', 'münchen', 'zürich-1', '東京', 'Αθήνα', 'москва', 'роутер', 'h1-ß'])(
  '%j is a name',
  (name) => {
    expect(nameProblem(name)).toBeUndefined();
  },
);

test('of a text only what is not seen counts', () => {
  expect(textProblem('the \u043aey \u2192 caf\u00e9 e\u0301')).toBeUndefined();
  expect(textProblem('a\u2066b')?.codePoint).toBe('U+2066');
});
