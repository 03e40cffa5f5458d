import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allocate } from '../../../src/loader/networks/allocate.ts';

// Few letters and small pools: many names meet.
const word = fc.string({ minLength: 1, maxLength: 8, unit: fc.constantFrom('a', 'b', 'c', '-', '1', '2') });
const words = fc.uniqueArray(word, { maxLength: 40 });
const sizes = fc.integer({ min: 1, max: 60 });
const places = fc.array(fc.nat(59));

function choose(names: readonly string[], size: number, taken: readonly number[] = []): Map<string, number> {
  const choices = names.map((name) => ({ name, isCounted: true }));
  const found = allocate(choices, BigInt(size), new Set(taken.map(BigInt)));
  return new Map([...found].map(([name, place]) => [name, Number(place)]));
}

const firstChoice = (name: string, size: number) => choose([name], size).get(name);

describe('automatic addresses', () => {
  test('each name has a place of its own, in the pool and not among those that are taken', () => {
    fc.assert(
      fc.property(words, sizes, places, (names, size, taken) => {
        const found = [...choose(names, size, taken).values()];
        expect(new Set(found).size).toBe(found.length);
        expect(found.every((place) => place >= 0 && place < size && !taken.includes(place))).toBe(true);
      }),
    );
  });

  test('a pool is used up to its last place', () => {
    fc.assert(
      fc.property(words, sizes, places, (names, size, taken) => {
        const free = size - new Set(taken.filter((place) => place < size)).size;
        expect(choose(names, size, taken).size).toBe(Math.min(free, names.length));
      }),
    );
  });

  test('a name that is added behind the others moves none of them', () => {
    fc.assert(
      fc.property(words, words, sizes, places, (names, others, size, taken) => {
        const more = others.filter((name) => !names.includes(name));
        const [before, after] = [choose(names, size, taken), choose([...names, ...more], size, taken)];
        for (const [name, place] of before) expect(after.get(name)).toBe(place);
      }),
    );
  });

  test('where all have their first choice, the order of the file says nothing', () => {
    fc.assert(
      fc.property(words, fc.infiniteStream(fc.nat()), sizes, (names, random, size) => {
        const mixed = names
          .map((name) => ({ name, at: random.next().value as number }))
          .sort((a, b) => a.at - b.at)
          .map(({ name }) => name);
        const [before, after] = [choose(names, size), choose(mixed, size)];
        const wanted = names.map((name) => firstChoice(name, size));
        // Where all have what they want, the order of the file says nothing.
        fc.pre(new Set(wanted).size === names.length);
        expect(sorted(after)).toEqual(sorted(before));
      }),
    );
  });

  test('numbers at the end of names count on, and so never meet', () => {
    const names = Array.from({ length: 200 }, (_, index) => `h${index + 1}`);
    const found = choose(names, 254);
    const start = found.get('h1') ?? 0;
    expect(names.map((name) => found.get(name))).toEqual(names.map((_, index) => (start + index) % 254));
  });

  test('the places are the same on each machine and at any time', () => {
    expect(sorted(choose(['web', 'db', 'cache', 'h7', 'h8'], 65_536))).toMatchInlineSnapshot(`
      [
        [
          "cache",
          49263,
        ],
        [
          "db",
          63876,
        ],
        [
          "h7",
          42022,
        ],
        [
          "h8",
          42023,
        ],
        [
          "web",
          17081,
        ],
      ]
    `);
  });

  test('a large pool is nearly full in a moment', () => {
    const names = Array.from({ length: 65_000 }, (_, index) => `${index}-node`);
    const found = choose(names, 65_536);
    expect(new Set(found.values()).size).toBe(65_000);
  });
});

function sorted(found: ReadonlyMap<string, number>): [string, number][] {
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1));
}
