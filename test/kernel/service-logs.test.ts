import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, expect, test } from 'vitest';
import { expectCode, sh, workFolder } from '../support/host.ts';

const folder = workFolder();
afterAll(() => folder.remove());
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
});

const lab = (services: string) =>
  folder.write('lab.yaml', `name: lab\nnamespaces:\n  a:\n    services: ${services}\n`);
const path = (name: string) => `/run/topoweave/lab.logs/a:${name}.log`;
const read = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8') : '');

/** What stands between services and their logs. */
function writers(): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('\0topoweave-log\0');
    } catch {
      return false;
    }
  });
}

test('a log stays below its limit, with its last lines, and its writer goes with the service', async () => {
  const script = 'yes 0123456789abcdef | head -c 20000000; echo the end; exec sleep 999';
  await expectCode(
    0,
    'apply',
    lab(`
      usual: { command: [sh, -c, "${script}"] }
      small: { command: [sh, -c, "${script}"], log-limit: 100kb }
      endless: { command: [sh, -c, "yes | head -c 3000000; exec sleep 999"], log-limit: none }`),
  );
  for (const [name, limit] of [
    ['usual', 1024 * 1024],
    ['small', 100 * 1024],
  ] as const) {
    await expect
      .poll(() => read(`${path(name)}.1`) + read(path(name)), { timeout: 60_000 })
      .toMatch(/the end\n$/);
    const size = statSync(path(name)).size + statSync(`${path(name)}.1`).size;
    expect(size).toBeLessThanOrEqual(limit);
    expect(size).toBeGreaterThan(limit / 4);
    const { stdout } = await expectCode(0, 'logs', `a/${name}`);
    // Where one piece ends and the next one begins, nothing is lost.
    expect(stdout.length).toBe(size);
    expect(new Set(stdout.split('\n').slice(1, -3))).toEqual(new Set(['0123456789abcdef']));
    expect((await expectCode(0, 'logs', `a/${name}`, '-n', '1')).stdout).toMatch(/the end\n$/);
  }
  await expect.poll(() => statSync(path('endless')).size, { timeout: 60_000 }).toBe(3_000_000);
  expect(writers()).toHaveLength(2);
  await expectCode(0, 'plan', '--detailed-exitcode', folder.path.concat('/lab.yaml'));
  await expectCode(0, 'destroy', 'lab');
  expect(writers()).toEqual([]);
  expect(readdirSync('/run/topoweave').filter((name) => name.startsWith('lab'))).toEqual([]);
});

test('a line is in the log at once, and logs -f goes on from piece to piece', async () => {
  mkdirSync(folder.path, { recursive: true });
  const more = `${folder.path}/more`;
  const script = `i=0; while read -r n; do while [ $i -lt $n ]; do i=$((i + 1)); echo line $i; done; done <${more}; exec sleep 999`;
  sh('rm', '-f', more);
  sh('mkfifo', more);
  await expectCode(0, 'apply', lab(`{ one: { command: [sh, -c, '${script}'], log-limit: 64kb } }`));
  const child = spawn(process.execPath, ['dist/topoweave.js', 'logs', '-f', 'a/one']);
  let printed = '';
  child.stdout.on('data', (chunk) => {
    printed += String(chunk);
  });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const input = spawn('sh', ['-c', 'exec cat >"$1"', 'sh', more], { stdio: ['pipe', 'ignore', 'ignore'] });
  for (const count of [1, 2000, 4000, 6000, 6001]) {
    input.stdin.write(`${count}\n`);
    await expect.poll(() => printed.endsWith(`line ${count}\n`), { timeout: 60_000 }).toBe(true);
  }
  input.stdin.end();
  expect(printed).toBe(Array.from({ length: 6001 }, (_, index) => `line ${index + 1}\n`).join(''));
  expect(existsSync(`${path('one')}.1`)).toBe(true);
  await expectCode(0, 'destroy', 'lab');
  expect(await ended).toBe(0);
});

test('pieces of the start before are kept as well, and go with the service', async () => {
  const file = (text: string) =>
    lab(`{ one: { command: [sh, -c, "yes ${text} | head -c 200000; exec sleep 999"], log-limit: 64kb } }`);
  const all = async (...more: string[]) => (await expectCode(0, 'logs', 'a/one', ...more)).stdout;
  await expectCode(0, 'apply', file('first'));
  await expect.poll(() => existsSync(`${path('one')}.1`), { timeout: 30_000 }).toBe(true);
  await expectCode(0, 'apply', file('second'));
  await expect.poll(() => existsSync(`${path('one')}.1`), { timeout: 30_000 }).toBe(true);
  expect(await all('--previous')).toMatch(/first\nfirst\n/);
  expect(await all()).toMatch(/second\nsecond\n/);
  expect(await all('--previous')).not.toContain('second');
});

test('a log of the user has a limit where the file says so', async () => {
  const own = '/var/log/topoweave-test.log';
  sh('rm', '-f', own, `${own}.1`);
  writeFileSync(own, 'before\n');
  try {
    const noisy = `{ one: { command: [sh, -c, "yes | head -c 1000000; exec sleep 999"], log: ${own}`;
    await expectCode(0, 'apply', lab(`${noisy} } }`));
    await expect.poll(() => statSync(own).size, { timeout: 30_000 }).toBe(1_000_007);
    await expectCode(0, 'apply', lab(`${noisy}, log-limit: 128kb } }`));
    await expect.poll(() => statSync(own).size, { timeout: 30_000 }).toBeLessThanOrEqual(65536);
    await expectCode(0, 'destroy', 'lab');
    expect(existsSync(own)).toBe(true);
  } finally {
    sh('rm', '-f', own, `${own}.1`);
  }
});

test('no link that another user could have put there leads to a log', async () => {
  sh(
    'rm',
    '-rf',
    `${folder.path}/real`,
    `${folder.path}/open`,
    `${folder.path}/safe`,
    `${folder.path}/other`,
  );
  const real = `${folder.path}/real`;
  mkdirSync(real, { recursive: true });
  sh('mkdir', '-m', '777', `${folder.path}/open`);
  sh('ln', '-s', real, `${folder.path}/open/link`);
  sh('ln', '-s', real, `${folder.path}/safe`);
  writeFileSync(`${real}/hard`, '');
  sh('ln', `${real}/hard`, `${folder.path}/other`);
  const at = (log: string, more = '') => lab(`{ one: { command: sleep 999, log: ${log}${more} } }`);
  const refused = async (log: string, why: RegExp, more = '') => {
    const { stderr } = await expectCode(1, 'apply', at(log, more));
    expect(stderr).toMatch(why);
    // Nothing was made, and the next plan would make all of it.
    expect((await expectCode(0, 'status')).stdout).toContain('No labs');
  };
  await refused(`${folder.path}/open/link/x.log`, /open\/link is a symbolic link/);
  await refused(`${real}/hard`, /hard links/);
  await refused(`${folder.path}/nowhere/x.log`, /there is no folder .*\/nowhere/);
  await refused(`${real}/hard/x.log`, /is not a folder/);
  await refused(real, /is not a file/);
  await refused(`${folder.path}/open/x.log`, /cannot have a log-limit/, ', log-limit: 1mb');
  await expectCode(0, 'apply', at('/dev/null', ', log-limit: 1mb'));
  await expectCode(0, 'apply', at(`${folder.path}/safe/x.log`));
  expect(existsSync(`${real}/x.log`)).toBe(true);
});
