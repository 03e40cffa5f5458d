import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Module } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Script } from 'node:vm';
import { afterAll, expect, test } from 'vitest';
import { loadCompiled } from '../../../src/cli/load-compiled.ts';

const folder = mkdtempSync(join(tmpdir(), 'topoweave-'));
afterAll(() => rmSync(folder, { recursive: true }));

const text = `
exports.folder = __dirname;
exports.separator = require('node:path').sep;
exports.twice = (value) => 2 * value;
`;

interface Exported {
  readonly folder: string;
  readonly separator: string;
  readonly twice: (value: number) => number;
}

function write(name: string, bytecode?: Buffer): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  if (bytecode !== undefined) writeFileSync(`${file}.bytecode`, bytecode);
  return file;
}

test.each([
  { says: 'without bytecode', bytecode: undefined },
  { says: 'with the bytecode of another version, or what is none', bytecode: Buffer.from('something else') },
  { says: 'with its bytecode', bytecode: new Script(Module.wrap(text)).createCachedData() },
])('a file is loaded $says', ({ says, bytecode }) => {
  const file = write(`${says.replaceAll(' ', '-')}.js`, bytecode);
  const { twice, ...rest } = loadCompiled(file) as Exported;
  expect(rest).toEqual({ folder: dirname(file), separator: '/' });
  expect(twice(21)).toBe(42);
});

test('what the file throws is thrown', () => {
  const file = join(folder, 'failing.js');
  writeFileSync(file, "throw new Error('no');");
  expect(() => loadCompiled(file)).toThrow('no');
});
