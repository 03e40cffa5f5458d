import { distance } from 'fastest-levenshtein';

/** More than these are not compared: the run must stay linear. */
const MAX_COMPARED = 500;

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

/** How far a word may be from a known one to be taken for a slip of the finger. */
function distanceLimit(word: string): number {
  return Math.max(1, Math.min(3, Math.floor(word.length / 3)));
}
