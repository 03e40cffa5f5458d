import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
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

/** `null` as its code where it did not end. */
function start(before: readonly string[], argv: readonly string[]): Run {
  const [program = '', ...args] = [...before, 'dist/topoweave.js', ...argv];
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

interface Refusal {
  readonly call: string;
  readonly errno: string;
  /** Which of the calls of this name are refused. */
  readonly at: readonly number[];
}

/** The program with the seam of the attack, which refuses calls without another process looking on. */
function refuse({ call, errno, at }: Refusal, ...argv: string[]): Run & { readonly hasFired: boolean } {
  const log = folder.write('fault.log', '');
  const fault = JSON.stringify({ do: 'error', call, errno, at, log });
  const seam = ['env', `TOPOWEAVE_FAULT=${fault}`, process.execPath, '--require', './test/attack/fault.cjs'];
  const run = start(seam, argv);
  return { ...run, hasFired: readFileSync(log, 'utf8').includes('"fired"') };
}

async function expectHealthy(before: string): Promise<void> {
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  await expectCode(0, 'destroy', 'sick');
  expect(dump()).toBe(before);
}

const always = Array.from({ length: 2000 }, (_, index) => index + 1);

const ofBoth: readonly Refusal[] = [
  { call: 'fs.fsyncSync', errno: 'EIO', at: [1] },
  { call: 'fs.fsyncSync', errno: 'ENOSPC', at: [2] },
  { call: 'fs.fsyncSync', errno: 'EDQUOT', at: always },
  { call: 'fs.renameSync', errno: 'EROFS', at: [1] },
  { call: 'fs.renameSync', errno: 'EACCES', at: [2] },
];

// EAGAIN is what clone(2) says where a control group lets no process more be made; RLIMIT_NPROC does not bind root.
const refusals: Readonly<Record<string, readonly Refusal[]>> = {
  ip: [
    ...ofBoth,
    { call: 'spawn', errno: 'EAGAIN', at: [1] },
    { call: 'spawn', errno: 'EAGAIN', at: [5] },
    { call: 'spawn', errno: 'EAGAIN', at: always },
    { call: 'spawn', errno: 'ENOMEM', at: always },
  ],
  netlink: [
    ...ofBoth,
    { call: 'spawnSync', errno: 'EAGAIN', at: [1] },
    { call: 'spawnSync', errno: 'ENOMEM', at: always },
    { call: 'koffi.setns', errno: 'EPERM', at: [1] },
    { call: 'koffi.unshare', errno: 'ENOSPC', at: always },
    { call: 'koffi.mount', errno: 'EPERM', at: always },
    { call: 'koffi.socket', errno: 'EMFILE', at: always },
    { call: 'koffi.send', errno: 'EINTR', at: [1, 9] },
    { call: 'koffi.send', errno: 'ENOBUFS', at: [20] },
    { call: 'koffi.recv', errno: 'EINTR', at: [1, 9, 30] },
    { call: 'koffi.recv', errno: 'ENOBUFS', at: [12] },
  ],
};

test.each(refusals[engineName] ?? [])('apply: $call fails with $errno at $at.0', async (refusal) => {
  const before = dump();
  const run = refuse(refusal, 'apply', file);
  expect(run.hasFired).toBe(true);
  expectClear(run, [0, 1, 69]);
  await expectHealthy(before);
});

test.each(refusals[engineName] ?? [])('destroy: $call fails with $errno at $at.0', async (refusal) => {
  const before = dump();
  await expectCode(0, 'apply', file);
  expectClear(refuse(refusal, 'destroy', 'sick'), [0, 1, 69]);
  await expectHealthy(before);
});

test('a full /run: apply refuses before the first change, destroy goes on', async () => {
  const before = dump();
  await expectCode(0, 'apply', file);
  const fill = ['sh', '-c', 'head -c 64M /dev/zero > /run/topoweave/filler 2>/dev/null; exec "$@"', 'sh'];
  const mount = ['unshare', '--mount', 'sh', '-c', 'mount -o remount,size=16M /run; exec "$@"', 'sh'];
  try {
    expectClear(start([...mount, ...fill, process.execPath], ['destroy', 'sick']), [0]);
    expect(existsSync('/run/topoweave/sick.json')).toBe(false);
    const refused = start([...mount, ...fill, process.execPath], ['apply', file]);
    expectClear(refused, [1]);
    expect(refused.text).toMatch(/no space left on device|no room/);
    expect(refused.text).toContain('nothing was changed');
  } finally {
    spawnSync('rm', ['-f', '/run/topoweave/filler']);
    // A tmpfs without a limit gets none later (shmem_reconfigure).
    spawnSync('mount', ['-o', 'remount,size=1G', '/run']);
  }
  await expectHealthy(before);
});

test('root without a capability is told which, before anything is changed', async () => {
  const before = dump();
  const without = ['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin', '--'];
  const run = start([...without, process.execPath], ['apply', file]);
  expectClear(run, [69]);
  expect(run.text).toContain('CAP_SYS_ADMIN');
  expect(dump()).toBe(before);
});

test('few open files', async () => {
  const before = dump();
  expectClear(start(['prlimit', '--nofile=64:64', process.execPath], ['apply', file]), [0, 1]);
  await expectHealthy(before);
});
