import { existsSync, readlinkSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, expect, test } from 'vitest';

import { addNamespaces } from '../../src/engine/netlink/namespace-team.ts';
import { namespaces, sh, workFolder } from '../support/host.ts';

const folder = workFolder();
const readOwnNamespace = () => readlinkSync('/proc/thread-self/ns/net');
const names = Array.from({ length: 260 }, (_, index) => `team${index}`);
afterAll(() => folder.remove());
afterEach(() => {
  for (const name of namespaces()) sh('ip', 'netns', 'del', name);
});

test('the built program makes hundreds of namespaces with a second thread, and takes them away again', () => {
  // scripts/test.sh builds it before the tests.
  expect(existsSync('dist/namespace-worker.js')).toBe(true);
  const file = folder.write('team.yaml', `name: team\nnamespaces: [${names.join(', ')}]\n`);
  const run = (...args: string[]) => sh('node', 'dist/topoweave.js', ...args, '--engine', 'netlink', file);
  expect(run('apply')).toContain('520 added');
  expect(namespaces()).toEqual([...names].sort());
  expect(run('plan')).toContain('No changes');
  run('destroy');
  expect(namespaces()).toEqual([]);
});

test('a name that is taken ends the work, and says which it was', async () => {
  const before = readOwnNamespace();
  sh('mkdir', '-p', '/run/netns');
  writeFileSync('/run/netns/team7', '');
  const { failure } = await addNamespaces(names, async () => true);
  expect(failure?.index).toBe(7);
  expect(failure?.message).toMatch(/EEXIST/);
  expect(namespaces()).not.toContain('team259');
  expect(readOwnNamespace()).toBe(before);
});

test('an interruption ends the work', async () => {
  let turns = 0;
  const { failure, isStopped } = await addNamespaces(names, async () => {
    turns += 1;
    return turns < 5;
  });
  expect(failure).toBeUndefined();
  expect(isStopped).toBe(true);
  expect(namespaces().length).toBe(5);
});
