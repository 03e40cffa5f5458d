import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { outputTo } from '../../../src/cli/output.ts';

/** A pipe whose writes go wrong later, as those of Node do. */
function pipe() {
  const written: string[] = [];
  let listener: (error: NodeJS.ErrnoException) => void = () => {};
  return {
    written,
    // No number of an open file: neither a file nor a terminal.
    fd: 987_654,
    write: (text: string) => written.push(text),
    on: (_event: 'error', listen: typeof listener) => {
      listener = listen;
    },
    fail: (code: string) => listener(Object.assign(new Error(code), { code })),
  };
}

test.for([
  ['EPIPE', false],
  ['ECONNRESET', false],
  ['ENOSPC', true],
  // Of no terminal: the device failed.
  ['EIO', true],
] as const)('after %s nothing more is written; a failure: %s', ([code, isFailure]) => {
  const stream = pipe();
  const output = outputTo(stream);
  output.write('one');
  expect(output.isOver()).toBe(false);
  stream.fail(code);
  output.write('two');
  expect(stream.written).toEqual(['one']);
  expect(output.isOver()).toBe(true);
  expect(output.failure() !== undefined).toBe(isFailure);
});

test('a stream that throws is over, and nothing is thrown', () => {
  const stream = pipe();
  const output = outputTo({
    ...stream,
    write: () => {
      throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    },
  });
  output.write('one');
  expect(output.failure()).toMatchObject({ code: 'ENOSPC' });
});

test('a full device is a failure, and a file gets all of it', () => {
  const full = openSync('/dev/full', 'w');
  const lost = outputTo({ ...pipe(), fd: full });
  lost.write('one');
  lost.write('two');
  closeSync(full);
  expect(lost.failure()).toMatchObject({ code: 'ENOSPC' });
  const folder = mkdtempSync(join(tmpdir(), 'topoweave-output-'));
  const path = join(folder, 'file');
  const fd = openSync(path, 'w');
  const kept = outputTo({ ...pipe(), fd });
  const text = 'é'.repeat(100_000);
  kept.write(text);
  closeSync(fd);
  expect(readFileSync(path, 'utf8')).toBe(text);
  expect(kept.failure()).toBeUndefined();
  rmSync(folder, { recursive: true });
});
