import { nameProblem, textProblem } from '../../lib/characters.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { pointer } from '../../lib/pointer.ts';
import type { Report } from '../normalize/problem.ts';

/** What is written for people, or for other programs, and names nothing. */
const freeTexts: ReadonlySet<string> = new Set([
  'alias',
  'comment',
  'command',
  'content',
  'files',
  'environment',
  'vars',
]);

/**
 * Refuses letters that make a name of the file read like another one, and warns of texts with characters that are not
 * seen. An escape (`"\u202e"`) puts such a character into a file of ASCII.
 */
export function checkCharacters(data: object, texts: Iterable<string>, report: Report): void {
  for (const text of texts) {
    if (!/[^\0-\x7f]|\\/.test(text)) continue;
    walk(data, { at: '', isFree: false }, report);
    return;
  }
}

interface Position {
  readonly at: string;
  readonly isFree: boolean;
}

function walk(value: unknown, { at, isFree }: Position, report: Report): void {
  if (typeof value === 'string') {
    checkText(value, { place: { pointer: at, part: 'value' }, isFree, report });
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) walk(item, { at: `${at}/${index}`, isFree }, report);
    return;
  }
  for (const [key, child] of Object.entries(value)) {
    if (at === '' && key.startsWith('x-')) continue;
    const inside = at + pointer(key);
    checkText(key, { place: { pointer: inside, part: 'key' }, isFree: false, report });
    const isCheckName = key === 'name' && /^\/checks\/\d+$/.test(at);
    walk(child, { at: inside, isFree: isFree || isCheckName || freeTexts.has(key) }, report);
  }
}

function checkText(
  text: string,
  { place, isFree, report }: { place: Place; isFree: boolean; report: Report },
): void {
  const problem = isFree ? textProblem(text) : nameProblem(text);
  if (problem === undefined) return;
  const { codePoint, reason } = problem;
  const what = place.part === 'key' ? 'this name' : 'this text';
  report({
    severity: isFree ? 'warning' : 'error',
    code: 'bad-character',
    message: `${what} contains ${codePoint}, which ${reason}`,
    place,
    help: isFree ? 'write it without, if nothing else is meant' : 'write it with the letters that are meant',
  });
}
