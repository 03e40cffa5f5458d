import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readFrame, writeFrame } from '../../../src/engine/netlink/nft-frame.ts';

const folder = mkdtempSync(join(tmpdir(), 'topoweave-frame-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function readFrom(path: string): unknown[] {
  const fd = openSync(path, 'r');
  try {
    return [readFrame(fd), readFrame(fd)];
  } finally {
    closeSync(fd);
  }
}

test('a message is read as it was written, and behind the last one there is none', () => {
  const path = join(folder, 'whole');
  const fd = openSync(path, 'w');
  writeFrame(fd, { script: 'list tables ä', json: true });
  closeSync(fd);
  expect(readFrom(path)).toEqual([{ script: 'list tables ä', json: true }, undefined]);
});

test('who ended in the midst of a message is not waited for', () => {
  const path = join(folder, 'cut');
  writeFileSync(path, Buffer.from([200, 0, 0, 0, 0x7b]));
  expect(readFrom(path)).toEqual([undefined, undefined]);
  writeFileSync(path, Buffer.from([200, 0]));
  expect(readFrom(path)).toEqual([undefined, undefined]);
});
