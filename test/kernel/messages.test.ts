import { afterAll, afterEach, expect, test } from 'vitest';
import { expectCode, sh, topoweave, workFolder } from '../support/host.ts';

// What a command says when there is nothing to do, or not what was asked for.
const folder = workFolder();
afterAll(() => folder.remove());
const file = folder.write(
  'said.yaml',
  'name: said\nnamespaces: [said-a, said-b]\nlinks: [[said-a:eth0, said-b:eth0]]\n',
);
afterEach(async () => {
  await topoweave('destroy', 'said');
});

test('a lab that is not there: nothing to destroy, and no such lab', async () => {
  const nothing = "Nothing to destroy: there is no lab 'said'.\n";
  expect((await expectCode(0, 'plan', '--destroy', file)).stdout).toBe(nothing);
  expect((await expectCode(0, 'destroy', '--dry-run', file)).stdout).toBe(nothing);
  for (const command of ['status', 'inspect', 'ports']) {
    const { stderr } = await expectCode(1, command, 'nosuch');
    expect(stderr).toContain("there is no lab 'nosuch' on this machine");
    expect(stderr).toContain("'topoweave status' lists the labs");
  }
  await expectCode(0, 'apply', file);
  for (const command of ['status', 'inspect', 'ports']) {
    expect((await expectCode(1, command, 'saod')).stderr).toContain("did you mean 'said'?");
  }
});

test('a lab whose file is gone: the file is named', async () => {
  const gone = folder.write('gone.yaml', 'name: said\nnamespaces: [said-a]\n');
  await expectCode(0, 'apply', gone);
  sh('rm', gone);
  const { stderr } = await expectCode(1, 'status', 'said');
  expect(stderr).toContain(`the file of lab 'said' was ${gone}, which is gone`);
});

test.each([
  ['plan', 1],
  ['status', 0],
] as const)('%s: what is in the way is no "No changes"', async (command, code) => {
  const only = folder.write('only.yaml', 'name: said\nnamespaces: [said-a]\n');
  sh('ip', 'netns', 'add', 'said-a');
  sh('ip', '-n', 'said-a', 'link', 'set', 'lo', 'up');
  try {
    const { stdout, stderr } = await expectCode(code, command, only);
    expect(stdout).not.toContain('No changes');
    expect(stdout).not.toContain('no drift');
    expect(stderr).toContain('error[in-the-way] namespace said-a is already there');
    if (command === 'plan')
      for (const option of ['--diff', '--commands'])
        expect((await expectCode(1, 'plan', option, only)).stderr).toContain('error[in-the-way]');
    else await expectCode(2, 'status', '--detailed-exitcode', only);
  } finally {
    sh('ip', 'netns', 'del', 'said-a');
  }
});

test('shell says its line only where there is a shell', async () => {
  const { stderr } = await expectCode(1, 'shell', 'nosuch');
  expect(stderr).not.toContain('shell in namespace');
});

test('impair: a link that there is not, and the one that was meant', async () => {
  await expectCode(0, 'apply', file);
  const { stderr } = await expectCode(1, 'impair', 'said-a:eht0', 'delay=10ms');
  expect(stderr).toContain('there is no link said-a:eht0');
  expect(stderr).toContain("did you mean 'said-a:eth0'?");
});
