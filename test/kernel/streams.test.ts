import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { engineName, expectCode, lockIsFree, namespaces, workFolder } from '../support/host.ts';

// A pipe that nobody reads, a disk that is full and a terminal that is closed stop no change, and are no success by
// themselves. The built program is used: the streams are those of a process.
const folder = workFolder();
afterAll(() => folder.remove());

const COUNT = 120;
const names = Array.from({ length: COUNT }, (_, index) => `n${index}`);
const links = names
  .slice(1)
  .map(
    (name, index) => `  - endpoints: { n${index}:e1: 10.9.${index}.1/24, ${name}:e0: 10.9.${index}.2/24 }\n`,
  )
  .join('');
// More than a hundred: the second thread makes namespaces, too.
const file = folder.write('many.yaml', `name: many\nnamespaces: [${names.join(', ')}]\nlinks:\n${links}`);
const program = `"${process.execPath}" dist/topoweave.js`;
const env = { ...process.env, TOPOWEAVE_ENGINE: engineName, CI: '' };

afterEach(async () => {
  await expect.poll(lockIsFree, { timeout: 60_000 }).toBe(true);
  await expectCode(0, 'destroy', 'many');
});

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A line of bash behind topoweave's own words; its exit code is topoweave's. */
function shell(words: string, behind: string): Ended {
  const line = `${program} ${words} ${behind}; exit "\${PIPESTATUS[0]}"`;
  const { status, stdout, stderr } = spawnSync('bash', ['-c', line], { encoding: 'utf8', env });
  return { code: status ?? -1, stdout, stderr };
}

test.for(['2>&1 | true', '2>&1 | head -1', '2>&1 | head -c 1'])(
  'whoever reads `%s` changes nothing about what is done, nor about the exit code',
  (behind) => {
    expect(shell(`plan --detailed-exitcode ${file}`, behind).code).toBe(2);
    expect(shell(`apply ${file}`, behind).code).toBe(0);
    expect(namespaces()).toHaveLength(COUNT);
    expect(shell(`plan --detailed-exitcode ${file}`, behind).code).toBe(0);
    expect(shell(`status --json --detailed-exitcode ${file}`, behind).code).toBe(0);
    for (const command of ['inspect', 'inspect many --json', 'doctor', `render ${file}`, `validate ${file}`])
      expect(shell(command, behind).code, command).toBe(0);
    expect(shell('inspect nobody', behind).code).toBe(1);
    expect(shell('destroy many', behind).code).toBe(0);
    expect(namespaces()).toEqual([]);
  },
);

test('a result that cannot be written is a failure that says so, and the change is done all the same', () => {
  const applied = shell(`apply ${file}`, '> /dev/full');
  expect(applied.code).toBe(1);
  expect(applied.stderr).toContain('error: cannot write the output: no space left');
  expect(applied.stderr).toContain('was performed to its end');
  expect(applied.stderr).not.toContain('bug');
  expect(namespaces()).toHaveLength(COUNT);
  for (const command of [`render ${file}`, 'inspect', `validate --json ${file}`, `plan ${file}`, '--help'])
    expect(shell(command, '> /dev/full').code, command).toBe(1);
  // What failed in its own way says so with its own code.
  const broken = folder.write('broken.yaml', 'name: broken\nnamespaces: 3\n');
  expect(shell(`validate --json ${broken}`, '> /dev/full').code).toBe(65);
  const destroyed = shell('destroy many', '> /dev/full 2> /dev/full');
  expect(destroyed).toEqual({ code: 1, stdout: '', stderr: '' });
  expect(namespaces()).toEqual([]);
});

test('progress that cannot be written is none of the result', () => {
  expect(shell(`apply ${file}`, '2> /dev/full')).toMatchObject({ code: 0 });
  expect(shell('destroy many', '2>&-')).toMatchObject({ code: 0 });
  expect(shell(`apply ${file}`, '>&- 2>&-')).toMatchObject({ code: 0 });
  expect(namespaces()).toHaveLength(COUNT);
});

/**
 * Runs a command on a terminal of its own, as its foreground job, and takes the terminal away when `isTime`. Gives back
 * the exit code.
 */
async function hungUp(words: string, isTime: () => boolean): Promise<number> {
  const result = join(folder.path, 'code');
  rmSync(result, { force: true });
  const line = `trap '' HUP; ${program} ${words}; echo $? > "${result}"`;
  const terminal = spawn('script', ['--quiet', '--command', line, '/dev/null'], {
    env: { ...env, SHELL: '/bin/bash' },
    stdio: ['ignore', 'ignore', 'ignore'],
  });
  const ended = new Promise((resolve) => terminal.on('exit', resolve));
  await expect.poll(isTime, { timeout: 60_000, interval: 2 }).toBe(true);
  terminal.kill('SIGKILL');
  await ended;
  await expect
    .poll(() => existsSync(result) && readFileSync(result, 'utf8'), { timeout: 60_000 })
    .toMatch(/\d/);
  return Number(readFileSync(result, 'utf8'));
}

test('a change goes on without its terminal, and ends with its own exit code', async () => {
  for (const share of [0, 0.3, 0.9]) {
    expect(await hungUp(`apply ${file}`, () => namespaces().length > share * COUNT)).toBe(0);
    expect(namespaces()).toHaveLength(COUNT);
    await expectCode(0, 'plan', '--detailed-exitcode', file);
    expect(await hungUp('destroy many', () => namespaces().length < (1 - share) * COUNT)).toBe(0);
    expect(namespaces()).toEqual([]);
  }
});

test('progress on a terminal leaves a redirected result alone', () => {
  const result = join(folder.path, 'result');
  const line = `${program} apply ${file} > "${result}"`;
  const { stdout } = spawnSync('script', ['--quiet', '--command', line, '/dev/null'], {
    env: { ...env, SHELL: '/bin/bash' },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  expect(stdout).toContain(`in ${COUNT} namespaces`);
  expect(readFileSync(result, 'utf8')).toMatch(/^Applied lab 'many': \d+ added, 0 changed, 0 destroyed\.\n$/);
});

test('a run that is stopped for a while goes on where it was', async () => {
  const child = spawn(process.execPath, ['dist/topoweave.js', 'apply', file], { stdio: 'ignore', env });
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
  await expect.poll(() => namespaces().length, { timeout: 60_000, interval: 2 }).toBeGreaterThan(0);
  child.kill('SIGSTOP');
  child.kill('SIGHUP');
  child.kill('SIGPIPE');
  child.kill('SIGCONT');
  expect(await ended).toBe(0);
  expect(namespaces()).toHaveLength(COUNT);
});

test('exec hands signals on, and gives back the exit code of whatever ended the command', async () => {
  await expectCode(0, 'apply', file);
  for (const [signal, code] of [
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    const words = ['dist/topoweave.js', 'exec', 'n0', '--', 'sh', '-c', 'echo up; exec sleep 600'];
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'ignore'], env });
    const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.kill(signal);
    expect(await ended).toBe(code);
  }
  expect(shell("exec n0 -- sh -c 'kill -SEGV $$'", '').code).toBe(139);
});
