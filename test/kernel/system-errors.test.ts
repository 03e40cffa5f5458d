import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { dump, engineName, expectCode, workFolder } from '../support/host.ts';

// What the system refuses, at each point of a run: a clear line and a known exit code, no stack, and nothing lost. The
// built program is used: what fails is the process itself.
const folder = workFolder();
afterAll(() => folder.remove());

const file = folder.write(
  'sick.yaml',
  `name: sick
namespaces:
  host: { forwarding: true }
  a: { forwarding: true, nat: { masquerade: [{ out: eth1 }] }, routes: { default: 10.2.0.2 } }
  b: { routes: { default: 10.1.0.1 } }
  c: { routes: { default: 10.2.0.1 } }
links:
  - endpoints: { a:eth0: 10.1.0.1/24, b:eth0: 10.1.0.2/24 }
  - endpoints: { a:eth1: 10.2.0.1/24, c:eth0: 10.2.0.2/24 }
`,
);

interface Run {
  readonly code: number | null;
  readonly text: string;
}

function start(before: readonly string[], ...argv: string[]): Run {
  const [program = '', ...args] = [...before, process.execPath, 'dist/topoweave.js', ...argv];
  const { status, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, TOPOWEAVE_ENGINE: engineName },
    timeout: 60_000,
  });
  return { code: status, text: `${stdout}${stderr}` };
}

function expectClear({ code, text }: Run, codes: readonly number[]): void {
  expect(text).not.toMatch(/bug:|^\s+at .*:\d+:\d+\)?$/m);
  expect(codes, text).toContain(code);
  if (code !== 0) expect(text).toMatch(/error: /);
}

/**
 * A call of strace that fails a system call of the program the N-th time; with the engine ip also of what it starts. Node
 * may wait for ever for a thread of its own at its end when those are traced too.
 */
function failing(call: string, error: string, when: string): string[] {
  return [
    'strace',
    ...(engineName === 'ip' ? ['-f'] : []),
    '-qqq',
    '-o',
    '/dev/null',
    '-e',
    `inject=${call}:error=${error}:when=${when}`,
  ];
}

async function expectHealthy(before: string): Promise<void> {
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  await expectCode(0, 'destroy', 'sick');
  expect(dump()).toBe(before);
}

const refusals = [
  ['fsync', 'EIO', '1'],
  ['fsync', 'ENOSPC', '2'],
  ['fsync', 'EDQUOT', '1+'],
  ['rename', 'EROFS', '1'],
  ['rename', 'EACCES', '2'],
  ['setns', 'EPERM', '1+'],
  ['mount', 'EPERM', '1+'],
] as const;

test.runIf(engineName === 'ip').each(refusals)(
  'apply: %s fails with %s, the time %s',
  async (call, error, when) => {
    const before = dump();
    const run = start(failing(call, error, when), 'apply', file);
    expectClear(run, [0, 1, 69]);
    await expectHealthy(before);
  },
);

test('the kernel has no socket for nft: one step fails, and the run says so', async () => {
  const before = dump();
  // The program and its library open sockets of NETLINK_NETFILTER; the run itself goes on to its end.
  expectClear(start(failing('recvmsg', 'ENOBUFS', '1'), 'apply', file), [0, 1]);
  await expectHealthy(before);
});

test('a full /run: apply refuses before the first change, destroy goes on', async () => {
  const before = dump();
  await expectCode(0, 'apply', file);
  const fill = ['sh', '-c', 'head -c 64M /dev/zero > /run/topoweave/filler 2>/dev/null; exec "$@"', 'sh'];
  const mount = ['unshare', '--mount', 'sh', '-c', 'mount -o remount,size=16M /run; exec "$@"', 'sh'];
  try {
    expectClear(start([...mount, ...fill], 'destroy', 'sick'), [0]);
    expect(existsSync('/run/topoweave/sick.json')).toBe(false);
    const refused = start([...mount, ...fill], 'apply', file);
    expectClear(refused, [1]);
    expect(refused.text).toMatch(/no space left on device|no room/);
    expect(refused.text).toContain('nothing was changed');
  } finally {
    spawnSync('rm', ['-f', '/run/topoweave/filler']);
    spawnSync('mount', ['-o', 'remount,size=0', '/run']);
  }
  await expectHealthy(before);
});

test('root without a capability is told which, before anything is changed', async () => {
  const before = dump();
  const without = ['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin', '--'];
  const run = start(without, 'apply', file);
  expectClear(run, [69]);
  expect(run.text).toContain('CAP_SYS_ADMIN');
  expect(dump()).toBe(before);
});

test('few open files', async () => {
  const before = dump();
  expectClear(start(['prlimit', '--nofile=64:64'], 'apply', file), [0, 1]);
  await expectHealthy(before);
});
