import * as crypto from 'node:crypto';
import { compareNames } from '../../lib/collections.ts';

/**
 * The choice of automatic addresses. What a name gets follows from the name: a hash of it says where in the pool it is, so
 * that it is the same on each machine, and does not move when others come and go. Names that end in numbers are counted on
 * from the hash of what is in front, so that h1, h2, h3… follow one another and never meet.
 *
 * Two names can want one place all the same, since a pool is smaller than all names. So each name has a list of choices,
 * and each place takes the name that has it highest on its list, of equal ones the name that sorts first: the stable
 * matching of Gale and Shapley, of which there is one, whatever the order of the names. A first choice is lost to nothing
 * but another first choice, and so a name that has one for itself never moves.
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

/** A name and the choice that it is at. */
interface Suitor {
  readonly choice: Choice;
  attempt: number;
}

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
  const free = places - BigInt([...taken].filter((place) => place < places).length);
  const sorted = choices.toSorted((a, b) => compareNames(a.name, b.name));
  const fitting = free < BigInt(sorted.length) ? sorted.slice(0, Number(free)) : sorted;
  const holders = new Map<bigint, Suitor>();
  for (const choice of fitting) {
    let waiting: Suitor = { choice, attempt: 0 };
    for (;;) {
      const place = placeOf(waiting, places);
      const holder = holders.get(place);
      if (!taken.has(place) && (holder === undefined || comesBefore(waiting, holder))) {
        holders.set(place, waiting);
        if (holder === undefined) break;
        waiting = holder;
      }
      waiting.attempt += 1;
    }
  }
  return new Map([...holders].map(([place, { choice }]) => [choice.name, place]));
}

function comesBefore(a: Suitor, b: Suitor): boolean {
  return a.attempt - b.attempt < 0 || (a.attempt === b.attempt && compareNames(a.choice.name, b.choice.name) < 0);
}

/** In the end every place is on the list of every name. */
function placeOf({ choice, attempt }: Suitor, places: bigint): bigint {
  const { name, isCounted } = choice;
  const [, stem = name, digits = '0'] = (isCounted ? /^(.*?)([0-9]{1,15})$/s.exec(name) : null) ?? [];
  const isHashed = attempt < HASHES;
  const text = isHashed && attempt > 0 ? `${stem}+${attempt}` : stem;
  const hash = crypto.createHash('sha256').update(text).digest().readBigUInt64BE();
  const step = isHashed ? 0 : attempt - HASHES + 1;
  return (hash + BigInt(digits) + BigInt(step)) % places;
}
