import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

// The seam of the attack, on a program of a few lines.
const folder = mkdtempSync(join(tmpdir(), 'topoweave-fault-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function runWith(
  fault: object,
  code: string,
): { status: number | null; signal: string | null; log: string[] } {
  const log = join(folder, 'log');
  rmSync(log, { force: true });
  const { status, signal } = spawnSync(
    process.execPath,
    ['--require', './test/attack/fault.cjs', '-e', code],
    {
      env: { ...process.env, TOPOWEAVE_FAULT: JSON.stringify({ ...fault, log }) },
      stdio: 'ignore',
    },
  );
  return { status, signal, log: readFileSync(log, 'utf8').trim().split('\n') };
}

const readTwice = `
const fs = require('node:fs');
for (const at of [1, 2]) {
  try { fs.readFileSync('/proc/self/stat'); } catch (error) { process.exit(error.code === 'EIO' ? 10 + at : 1); }
}`;

test('an injected error is that of the system, at the call that was named', () => {
  const fault = { do: 'error', errno: 'EIO', call: 'fs.readFileSync', at: 2 };
  const { status, log } = runWith(fault, readTwice);
  expect(status).toBe(12);
  expect(log).toContain(JSON.stringify({ fired: 'fs.readFileSync', number: 2 }));
});

test('what a wrapped call calls in turn is part of it', () => {
  const { status, log } = runWith({ do: 'count' }, readTwice);
  expect(status).toBe(0);
  expect(log.at(-1)).toBe(JSON.stringify({ exit: 0, total: 2, counts: { 'fs.readFileSync': 2 } }));
});

test('a signal arrives at the call', () => {
  const fault = { do: 'signal', signal: 'SIGKILL', at: 2 };
  expect(runWith(fault, readTwice).signal).toBe('SIGKILL');
});

test('a program that cannot be started says why, as with the kernel', () => {
  const code = `require('node:child_process').spawn('true').on('error', ({ code }) => process.exit(code === 'EAGAIN' ? 7 : 1));`;
  expect(runWith({ do: 'error', errno: 'EAGAIN', call: 'spawn', at: 1 }, code).status).toBe(7);
});

test('a call of the C library returns -1 and its errno', () => {
  const code = `
const koffi = require('koffi');
const socket = koffi.load(null).func('int socket(int domain, int type, int protocol)');
process.exit(socket(16, 3, 0) === -1 && koffi.errno() === 105 ? 9 : 1);`;
  expect(runWith({ do: 'error', errno: 'ENOBUFS', call: 'koffi.socket', at: 1 }, code).status).toBe(9);
});
