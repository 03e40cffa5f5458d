import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { dump, expectCode, namespaces, topoweave, workFolder } from '../support/host.ts';

// What `generate` prints is applied as it is: its own checks ping over the longest paths.
const folder = workFolder();
afterAll(() => folder.remove());

describe('a small one of each shape', () => {
  test.each([
    'linear --nodes 5',
    'star --nodes 3',
    'ring --nodes 5',
    'tree --depth 2 --fanout 3',
    'grid --rows 2 --columns 4',
    'torus --rows 3 --columns 4',
    'fat-tree --k 4',
    'leaf-spine --leaves 3 --spines 2 --hosts 2',
    'mesh --nodes 5',
    'linear --nodes 4 --switched',
    'star --nodes 5 --switched',
    'tree --depth 2 --fanout 3 --switched',
  ])('%s', async (words) => {
    const before = dump();
    const file = join(folder.path, `${words.replaceAll(' ', '')}.yaml`);
    await expectCode(0, 'generate', ...words.split(' '), '-o', file);
    await expectCode(0, 'apply', file);
    try {
      const { stdout } = await expectCode(0, 'check', file);
      expect(stdout).toMatch(/checks: \d+ passed/);
      await expectCode(0, 'plan', '--detailed-exitcode', file);
    } finally {
      await expectCode(0, 'destroy', file);
    }
    expect(namespaces()).toEqual([]);
    expect(dump()).toBe(before);
  });
});

test('a file that is there stays, unless --force', async () => {
  const file = folder.write('mine.yaml', 'name: mine\n');
  const refused = await topoweave('generate', 'ring', '-o', file);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('is there already; nothing was written');
  expect(readFileSync(file, 'utf8')).toBe('name: mine\n');
  await expectCode(0, 'generate', 'ring', '-o', file, '--force', '--name', 'round');
  expect(readFileSync(file, 'utf8')).toContain('\nname: round\n');
});
