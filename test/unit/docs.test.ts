import { execa } from 'execa';
import { expect, test } from 'vitest';

test('docs/language.md, docs/cli.md and the man page are up to date', async () => {
  const { exitCode, stderr } = await execa('node', ['scripts/docs.mjs', '--check'], { reject: false });
  expect(stderr).toBe('');
  expect(exitCode).toBe(0);
});
