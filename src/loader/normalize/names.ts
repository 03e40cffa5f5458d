import { distance } from 'fastest-levenshtein';
import { distanceLimit } from '../suggest.ts';

/** More than these are not compared or listed: the message must stay readable, and the run linear. */
const MAX_COMPARED = 500;
const MAX_LISTED = 8;

/** The name that was probably meant. */
export function suggest(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase();
  const limit = distanceLimit(name);
  let best: { name: string; distance: number } | undefined;
  for (const candidate of known.slice(0, MAX_COMPARED)) {
    const steps = stepsBetween(lower, candidate.toLowerCase());
    if (steps <= limit && (best === undefined || steps < best.distance))
      best = { name: candidate, distance: steps };
  }
  return best?.name;
}

/** Two neighbouring letters in the wrong order, `eht0`, are one slip of the fingers and not two. */
function stepsBetween(a: string, b: string): number {
  const steps = distance(a, b);
  if (steps !== 2 || a.length !== b.length) return steps;
  const index = [...a].findIndex((letter, at) => letter !== b[at]);
  return a[index] === b[index + 1] && a[index + 1] === b[index] ? 1 : steps;
}

/** `a, b, c and 5 more` */
export function listNames(names: readonly string[]): string {
  const listed = names.slice(0, MAX_LISTED).join(', ');
  return names.length <= MAX_LISTED ? listed : `${listed} and ${names.length - MAX_LISTED} more`;
}

/** Ordered by code units, the same on each machine. */
export function compareNames(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
