import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, expect, test } from 'vitest';
import { addNamespace, makeNamespace } from '../../src/engine/netlink/namespace.ts';
import { dump, expectCode, lockIsFree, namespaces, sh, workFolder } from '../support/host.ts';

// A second thread makes namespaces in large labs only, and only in the built program: scripts/test.sh builds it before the
// tests.
const folder = workFolder();
const readOwnNamespace = () => readlinkSync('/proc/thread-self/ns/net');
afterAll(() => folder.remove());
afterEach(async () => {
  await expect.poll(lockIsFree, { timeout: 30_000 }).toBe(true);
  await expectCode(0, 'destroy', '--all');
  for (const name of namespaces()) sh('ip', 'netns', 'del', name);
});

const COUNT = 260;
const names = Array.from({ length: COUNT }, (_, index) => `team${index}`);

/** A row of routers, each with a parameter, so that all that is done for one is done for hundreds. */
function row(parameterOf: (index: number) => string = () => 'net.ipv4.conf.all.rp_filter: 2'): string {
  const own = names.map(
    (name, index) => `  ${name}: { forwarding: true, sysctls: { ${parameterOf(index)} } }`,
  );
  const links = names.slice(1).map((name, index) => {
    const subnet = `10.${Math.floor(index / 250)}.${index % 250}`;
    return `  - endpoints: { ${names[index]}:right: ${subnet}.1/24, ${name}:left: ${subnet}.2/24 }`;
  });
  return folder.write(
    'team.yaml',
    `name: team\nnamespaces:\n${own.join('\n')}\nlinks:\n${links.join('\n')}\n`,
  );
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(...args: string[]) {
  const child = spawn(process.execPath, ['dist/topoweave.js', ...args, '--engine', 'netlink'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (part: string) => {
      text[name] += part;
    });
  const ended = new Promise<Ended>((resolve) => child.on('close', (code) => resolve({ code, ...text })));
  return { child, ended };
}

const run = (...args: string[]): Promise<Ended> => start(...args).ended;

test('the namespaces of a lab of hundreds are made by two threads, as one thread would', async () => {
  const before = dump();
  const file = row();
  expect(existsSync('dist/namespace-worker.js')).toBe(true);
  expect((await run('apply', file)).code).toBe(0);
  expect(namespaces()).toEqual([...names].sort());
  for (const engine of ['netlink', 'ip']) {
    const { stdout } = await expectCode(0, 'plan', '--engine', engine, '--detailed-exitcode', file);
    expect(stdout).toContain('No changes');
  }
  expect((await run('plan', file)).stdout).toContain('No changes');
  expect((await run('destroy', file)).code).toBe(0);
  expect(dump()).toBe(before);
});

test('what differs is found and mended wherever it is', async () => {
  const file = row();
  await run('apply', file);
  const changed = [0, 17, 100, 101, 199, COUNT - 1].map((index) => names[index] ?? '');
  for (const name of changed) sh('ip', '-n', name, 'link', 'set', 'lo', 'down');
  const { stdout, code } = await run('plan', '--json', '--detailed-exitcode', file);
  expect(code).toBe(2);
  const { steps } = JSON.parse(stdout) as { steps: { namespace: string }[] };
  expect(steps.map(({ namespace }) => namespace).sort()).toEqual([...changed].sort());
  expect((await run('apply', file)).stdout).toContain(`${changed.length} changed`);
  expect((await run('plan', '--detailed-exitcode', file)).code).toBe(0);
});

test('one step that fails is named, wherever it is; what others did stays', async () => {
  for (const bad of [3, 130, 131, COUNT - 2]) {
    const file = row((index) =>
      index === bad ? 'net.ipv4.conf.all.no_such_thing: 1' : 'net.ipv4.conf.all.rp_filter: 2',
    );
    const { code, stderr } = await run('apply', file);
    expect(code).toBe(1);
    expect(stderr).toContain('net.ipv4.conf.all.no_such_thing');
    expect(stderr).toContain(`team.yaml:${bad + 3}`);
    expect(sh('ip', '-n', names[bad + 1] ?? '', 'route')).toMatch(/dev (left|right)/);
    const mended = row();
    expect((await run('apply', mended)).code).toBe(0);
    expect((await run('plan', '--detailed-exitcode', mended)).code).toBe(0);
    await run('destroy', mended);
  }
});

test.each(['SIGINT', 'SIGKILL'] as const)(
  '%s in the middle: the next apply goes on, and destroy leaves nothing',
  async (signal) => {
    const before = dump();
    const file = row();
    for (const wanted of [1, COUNT / 2, COUNT]) {
      const { child, ended } = start('apply', file);
      await expect
        .poll(() => namespaces().length, { timeout: 30_000, interval: 2 })
        .toBeGreaterThanOrEqual(wanted);
      child.kill(signal);
      const { code } = await ended;
      if (signal === 'SIGINT') expect([0, 130]).toContain(code);
      expect((await run('apply', file)).code).toBe(0);
      expect((await run('plan', '--detailed-exitcode', file)).code).toBe(0);
      const removing = start('destroy', file);
      await expect.poll(() => namespaces().length, { timeout: 30_000, interval: 2 }).toBeLessThan(COUNT);
      removing.child.kill(signal);
      await removing.ended;
      await run('destroy', file);
      expect(dump()).toBe(before);
    }
  },
);

test('what was made ahead gets its name, and is let go of where the name is taken', () => {
  const before = readOwnNamespace();
  const openFiles = () => readdirSync('/proc/self/fd').length;
  // The own namespace stays open from now on.
  addNamespace('team1');
  const files = openFiles();
  const made = makeNamespace();
  const identity = readlinkSync(`/proc/self/fd/${made}`);
  expect(readOwnNamespace()).toBe(before);
  expect(identity).not.toBe(before);
  addNamespace('team0', made);
  expect(sh('ip', 'netns', 'exec', 'team0', 'readlink', '/proc/self/ns/net').trim()).toBe(identity);
  expect(() => addNamespace('team0', makeNamespace())).toThrow(/EEXIST/);
  expect(() => addNamespace('host', makeNamespace())).toThrow(/not a namespace that can be made/);
  expect(openFiles()).toBe(files);
  expect(readOwnNamespace()).toBe(before);
});

test('what was made ahead is gone where the plan is refused', async () => {
  sh('mkdir', '-p', '/run/netns');
  writeFileSync('/run/netns/team7', 'a file');
  const { code, stderr } = await run('apply', row());
  expect(code).toBe(1);
  expect(stderr).toContain('/run/netns/team7 is in the way and is no namespace');
  expect(namespaces()).toEqual(['team7']);
  unlinkSync('/run/netns/team7');
});

test.each([
  { says: 'than there are namespaces', limit: COUNT + 100, others: 0 },
  { says: 'than there are namespaces and others', limit: COUNT + 400, others: 200 },
])('where fewer files can be open $says, the lab is made all the same', async ({ limit, others }) => {
  const foreign = Array.from({ length: others }, (_, index) => `other${index}`);
  for (const name of foreign) addNamespace(name);
  const file = row();
  const command = `ulimit -n ${limit}; exec "$0" dist/topoweave.js apply --engine netlink "$1"`;
  sh('sh', '-c', command, process.execPath, file);
  expect(namespaces()).toHaveLength(COUNT + others);
  expect((await run('plan', '--detailed-exitcode', file)).code).toBe(0);
});
