import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { bytecodeFile, compileUsed, loadCompiled } from '../../../src/cli/load-compiled.ts';

const folder = mkdtempSync(join(tmpdir(), 'topoweave-'));
const file = join(folder, 'program.js');
afterAll(() => rmSync(folder, { recursive: true }));

const text = (factor: number) => `
exports.folder = __dirname;
exports.separator = require('node:path').sep;
exports.times = (value) => ${factor} * value;
`;

interface Exported {
  readonly folder: string;
  readonly separator: string;
  readonly times: (value: number) => number;
}

let bytecode: Buffer = Buffer.alloc(0);
beforeEach(async () => {
  writeFileSync(file, text(2));
  bytecode = await compileUsed(file, async (exported) => {
    (exported as Exported).times(1);
  });
  writeFileSync(bytecodeFile(file), bytecode);
});

function expectTimes(factor: number): void {
  const { times, ...rest } = loadCompiled(file) as Exported;
  expect(rest).toEqual({ folder: dirname(file), separator: '/' });
  expect(times(21)).toBe(factor * 21);
}

test('a file is loaded with its bytecode', () => {
  expectTimes(2);
});

test('a file is loaded without bytecode', () => {
  rmSync(bytecodeFile(file));
  expectTimes(2);
});

test('bytecode of another source is not used, also where both are of one length', () => {
  writeFileSync(file, text(3));
  expectTimes(3);
});

test.each([
  ['its second half is zero', () => Buffer.from(bytecode).fill(0, bytecode.length / 2)],
  ['one byte of it is another', () => flipped(bytecode, bytecode.length - 100)],
  ['one byte of its digest is another', () => flipped(bytecode, 3)],
  ['it is cut short', () => bytecode.subarray(0, 1000)],
  ['it is empty', () => Buffer.alloc(0)],
])('bytecode is not used when %s', (_, damage) => {
  writeFileSync(bytecodeFile(file), damage());
  expectTimes(2);
});

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8((copy.readUInt8(at) + 1) % 256, at);
  return copy;
}

test('what a use throws is thrown, and what the file throws', async () => {
  const failing = () => compileUsed(file, () => Promise.reject(new Error('not now')));
  await expect(failing()).rejects.toThrow('not now');
  writeFileSync(file, "throw new Error('no');");
  expect(() => loadCompiled(file)).toThrow('no');
  expect(readFileSync(bytecodeFile(file))).toEqual(bytecode);
});
