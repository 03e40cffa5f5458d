import { expect, test } from 'vitest';
import { fuzz } from '../attack/fuzz/fuzz.ts';
import { readLives } from '../attack/fuzz/lives.ts';

// A short one, with a fixed seed; `npm run test:long` goes on with others. See docs/reliability.md.

const root = process.cwd();

test('no file leads to an exception, and what render prints means the same', async () => {
  const { counts, findings } = await fuzz({ root, seed: 1, inputs: 60, lives: readLives(root) });
  expect(findings).toEqual([]);
  expect(counts).toMatchObject({ grammar: 60, trees: 60, lines: 60, bytes: 60 });
}, 120_000);
