import * as crypto from 'node:crypto';

/**
 * The choice of automatic addresses. What a name gets follows from the name: a hash of it says where in the pool it is, so
 * that it is the same on each machine, and does not move when others come and go. Names that end in numbers are counted on
 * from the hash of what is in front, so that h1, h2, h3… follow one another and never meet.
 *
 * Two names can want one place all the same, since a pool is smaller than all names. So each name has a list of choices,
 * and takes the first one that is free; who is first in the file is asked first. A name that is added behind the others
 * moves none of them, and one that is added elsewhere only those that it meets.
 */
export interface Choice {
  readonly name: string;
  /** Whether a number at the end of the name counts on. */
  readonly isCounted: boolean;
}

/** Hashes are taken so often, and then the places follow one by one: only a pool that is nearly full needs that. */
const HASHES = 32;

/** Of larger pools the first part is used: an address should be readable, and two names hardly meet. */
const MAX_PLACES = 1n << 32n;

/**
 * The place of each name among the places 0 to `size` - 1, without those that are taken. A name that is not in the result
 * has none: the pool is full.
 */
export function allocate(
  choices: readonly Choice[],
  size: bigint,
  taken: ReadonlySet<bigint>,
): Map<string, bigint> {
  const places = size < MAX_PLACES ? size : MAX_PLACES;
  const used = new Set([...taken].filter((place) => place >= 0n && place < places));
  const found = new Map<string, bigint>();
  for (const choice of choices) {
    if (BigInt(used.size) >= places) break;
    const place = firstFree(choice, places, used);
    used.add(place);
    found.set(choice.name, place);
  }
  return found;
}

/** At the latest the places behind the last hash, one by one, lead to a free one. */
function firstFree(choice: Choice, places: bigint, used: ReadonlySet<bigint>): bigint {
  for (let attempt = 0; attempt < HASHES; attempt += 1) {
    const place = placeOf(choice, attempt, places);
    if (!used.has(place)) return place;
  }
  let place = placeOf(choice, HASHES, places);
  while (used.has(place)) place = (place + 1n) % places;
  return place;
}

function placeOf({ name, isCounted }: Choice, attempt: number, places: bigint): bigint {
  const [, stem = name, digits = '0'] = (isCounted ? /^(.*?)([0-9]{1,15})$/s.exec(name) : null) ?? [];
  const text = attempt === 0 ? stem : `${stem}+${attempt}`;
  const hash = crypto.createHash('sha256').update(text).digest().readBigUInt64BE();
  return (hash + BigInt(digits)) % places;
}
