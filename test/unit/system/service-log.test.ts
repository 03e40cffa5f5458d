import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { endOfLog, lastLines } from '../../../src/system/services/log.ts';

const folder = mkdtempSync(join(tmpdir(), 'topoweave-log-'));
afterAll(() => rmSync(folder, { recursive: true }));

function write(text: string): string {
  const path = join(folder, 'one.log');
  writeFileSync(path, text);
  return path;
}

test('the end of a log in a message steers no terminal and has an end itself', () => {
  expect(endOfLog(write(''))).toMatch(/its log \S+ is empty$/);
  expect(endOfLog(write('\u001b[31mred\u0007\tx\r\nlast'))).toMatch(
    /:\n {4}\| \ufffd\[31mred\ufffd\tx\ufffd\n {4}\| last$/,
  );
  expect(endOfLog(write('y'.repeat(1_000_000))).length).toBeLessThan(1000);
});

test('the last lines: all that are asked for, and no more than are looked through', () => {
  const path = write(`${Array.from({ length: 50_000 }, (_, index) => `line ${index}`).join('\n')}\n`);
  expect(lastLines(path, 2)).toEqual(['line 49998', 'line 49999']);
  expect(lastLines(path, 40_000)).toHaveLength(40_000);
  expect(lastLines(path, 0)).toEqual([]);
  expect(lastLines(path, 40_000, 17)).toEqual(['49998', 'line 49999']);
});

test('a link in the place of a log is not followed', () => {
  const path = join(folder, 'link.log');
  symlinkSync(write('secret\n'), path);
  expect(lastLines(path, 1)).toEqual([]);
});
