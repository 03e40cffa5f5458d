/** What is wrong with one character of a text. */
export interface CharacterProblem {
  /** `U+202E`. */
  readonly codePoint: string;
  /** In words, behind the code point: `is invisible`. */
  readonly reason: string;
}

const nonAscii = /[^\0-\x7f]/;

/**
 * What is not seen, or changes the order of what is: formats (bidirectional, zero-width), separators other than a blank,
 * letters without a shape, code points of nobody (Unicode 15, UTS #39 section 3.1).
 */
const hidden = /[\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}\p{Cn}\p{Me}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/u;

/** Latin letters that look like others, and are no compatibility form of them. */
const doubles = new Map([
  ['ı', 'i'],
  ['ɑ', 'a'],
  ['ɡ', 'g'],
  ['ǀ', 'l'],
]);

/** Letters of Cyrillic, Greek and Armenian that look like a Latin one (confusables.txt of UTS #39). */
const lookAlikes = new Map(
  [
    [
      'aаα',
      'bЬ',
      'cсϲ',
      'dԁ',
      'eеҽ',
      'gց',
      'hһհ',
      'iіɩι',
      'jјϳ',
      'kκк',
      'lӏ',
      'nոп',
      'oоοօ',
      'pрρ',
      'qԛգ',
      'sѕ',
      'uυս',
    ],
    [
      'vνѵ',
      'wԝա',
      'xхχ',
      'yуγү',
      'AАΑ',
      'BВΒ',
      'CСϹ',
      'EЕΕ',
      'HНΗ',
      'IІΙӀ',
      'JЈ',
      'KКΚ',
      'MМΜ',
      'NΝ',
      'OОΟ',
      'PРΡ',
    ],
    ['SЅՏ', 'TТΤ', 'UՍ', 'VѴ', 'WԜ', 'XХΧ', 'YҮΥ', 'ZΖ'],
  ]
    .flat()
    .flatMap(([latin = '', ...others]) => others.map((other): [string, string] => [other, latin])),
);

const latinLetter = /\p{Script=Latin}/u;
const otherLetter =
  /(?=\p{L})[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}\p{Script=Coptic}\p{Script=Lisu}]/u;
const letters = /\p{L}/gu;

/** The first character that makes a name look like another one, or like none; undefined for a name as people read it. */
export function nameProblem(name: string): CharacterProblem | undefined {
  if (!nonAscii.test(name)) return undefined;
  return textProblem(name) ?? formProblem(name) ?? lookAlikeProblem(name);
}

/** The first character of a text that is not seen, or that changes the order of the others. */
export function textProblem(text: string): CharacterProblem | undefined {
  if (!nonAscii.test(text)) return undefined;
  const [found] = hidden.exec(text) ?? [];
  return found === undefined ? undefined : { codePoint: codePointOf(found), reason: 'is not seen as itself' };
}

/** A full-width letter, a ligature, a mark on its own: two names that differ only in that read the same. */
function formProblem(name: string): CharacterProblem | undefined {
  if (name.normalize('NFKC') === name) return undefined;
  const whole = [...name].find((character) => character.normalize('NFKC') !== character);
  const mark = /\p{M}/u.exec(name)?.[0];
  const found = whole ?? mark ?? name;
  const plain = found.normalize('NFKC');
  return {
    codePoint: codePointOf(found),
    reason: whole === undefined ? 'is a mark apart from its letter' : `is another form of '${plain}'`,
  };
}

/** Letters of two scripts in one name, or a whole name of letters that all look like Latin ones. */
function lookAlikeProblem(name: string): CharacterProblem | undefined {
  const found = name.match(letters) ?? [];
  const double = found.find((letter) => doubles.has(letter));
  if (double !== undefined) return looksLike(double, doubles.get(double));
  const other = found.find((letter) => otherLetter.test(letter));
  if (other === undefined) return undefined;
  const disguised = found.find((letter) => lookAlikes.has(letter));
  if (found.some((letter) => latinLetter.test(letter))) {
    return disguised === undefined
      ? { codePoint: codePointOf(other), reason: 'is of another script than the Latin letters beside it' }
      : looksLike(disguised, lookAlikes.get(disguised));
  }
  const isWhole = disguised !== undefined && found.every((letter) => lookAlikes.has(letter));
  return isWhole ? looksLike(disguised, lookAlikes.get(disguised)) : undefined;
}

function looksLike(letter: string, latin = ''): CharacterProblem {
  return { codePoint: codePointOf(letter), reason: `looks like '${latin}'` };
}

/** `U+202E`. */
export function codePointOf(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}
