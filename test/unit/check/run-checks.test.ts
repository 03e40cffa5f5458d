import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { startAgents } from '../../../src/check/agents.ts';
import { runChecks } from '../../../src/check/run-checks.ts';
import type { Check } from '../../../src/topology/model.ts';
import { checkOf, checkTopology } from '../../support/check-topology.ts';

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end()));
});

const local = (kind: 'tcp' | 'udp', port: number, more: Partial<Check> = {}): Check =>
  checkOf({ kind, from: 'host', address: '127.0.0.1', port, within: 300, ...more });
const runLocal = (...checks: Check[]) => runChecks(checkTopology({ addresses: { host: [] }, checks }));

test('listens by itself where nothing listens, in the order of the file', async () => {
  const checks = [local('udp', await freePort()), local('tcp', await freePort())];
  const results = await runLocal(...checks);
  expect(results.map(({ ok, attempts }) => ({ ok, attempts }))).toEqual([
    { ok: true, attempts: 1 },
    { ok: true, attempts: 1 },
  ]);
  expect(results.map(({ check }) => check)).toEqual(checks);
  expect(results[1]?.detail).toMatch(/^connected in [\d.]+ ms \(own listener\)$/);
});

test('takes a server that is there already', async () => {
  const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
  ends.push(() => new Promise((resolve) => server.close(() => resolve())));
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  expect((await runLocal(local('tcp', port)))[0]?.ok).toBe(true);
});

test('a service that keeps silent fails, with the time and the attempts', async () => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  ends.push(() => new Promise((resolve) => socket.close(() => resolve())));
  await new Promise((resolve) => socket.once('listening', resolve));
  const [result] = await runLocal(local('udp', socket.address().port));
  expect(result).toMatchObject({ ok: false, attempts: 1 });
  expect(result?.detail).toMatch(/^no answer in \d\.\ds \(1 attempt\)$/);
});

test('an answer fails what must be unreachable, at once', async () => {
  const [result] = await runLocal(local('tcp', await freePort(), { expect: 'unreachable' }));
  expect(result).toMatchObject({ ok: false, attempts: 1 });
  expect(result?.detail).toMatch(/^must be unreachable, but answered: connected/);
});

test('a namespace that is gone fails the check in both directions', async () => {
  const checks = [
    checkOf({ kind: 'tcp', from: 'no-such-namespace', address: '192.0.2.1', port: 80 }),
    checkOf({
      kind: 'tcp',
      from: 'no-such-namespace',
      address: '192.0.2.1',
      port: 80,
      expect: 'unreachable',
    }),
  ];
  const results = await runChecks(checkTopology({ addresses: {}, checks }));
  for (const { ok, detail } of results) {
    expect(ok).toBe(false);
    expect(detail).toContain('no-such-namespace');
  }
});

test('an abort ends it early', async () => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  ends.push(() => new Promise((resolve) => socket.close(() => resolve())));
  await new Promise((resolve) => socket.once('listening', resolve));
  const topology = checkTopology({
    addresses: { host: [] },
    checks: [local('udp', socket.address().port, { within: 60_000 })],
  });
  const start = performance.now();
  await expect(runChecks(topology, { signal: AbortSignal.timeout(100) })).rejects.toThrow();
  expect(performance.now() - start).toBeLessThan(5000);
});

test('agents are gone when they are ended, and their ports are free again', async () => {
  const agents = startAgents();
  const port = await freePort();
  const question = { action: 'listen', protocol: 'tcp', address: '127.0.0.1', port, timeout: 0 } as const;
  expect((await agents.ask('host', question)).answered).toBe(true);
  await agents.end();
  const server = createServer().listen(port, '127.0.0.1');
  await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject));
  await new Promise((resolve) => server.close(resolve));
  await expect(agents.ask('host', question)).rejects.toThrow('ended');
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}
