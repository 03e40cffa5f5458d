import { closest, distance } from 'fastest-levenshtein';

/** How far a word may be from a known one to be taken for a slip of the finger. */
export function distanceLimit(word: string): number {
  return Math.max(1, Math.min(3, Math.floor(word.length / 3)));
}

/** `; did you mean 'masquerade'?`, or nothing when no known word is near. */
export function suggestion(word: string, known: readonly string[]): string {
  if (known.length === 0) return '';
  const near = closest(
    word.toLowerCase(),
    known.map((name) => name.toLowerCase()),
  );
  const found = known.find((name) => name.toLowerCase() === near) ?? near;
  return distance(word.toLowerCase(), near) <= distanceLimit(word) ? `; did you mean '${found}'?` : '';
}
