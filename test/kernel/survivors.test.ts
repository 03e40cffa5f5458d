import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readlinkSync } from 'node:fs';
import { afterAll, afterEach, expect, test } from 'vitest';
import { expectCode, ip, kernelHas, namespaces, sh, workFolder } from '../support/host.ts';

// A namespace lives as long as a process is in it, also without its name. Who keeps one is named, and is ended on request.
const folder = workFolder();
const started: ChildProcess[] = [];
afterAll(() => folder.remove());
afterEach(async () => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  await expectCode(0, 'destroy', '--kill', 'stay');
});

const file = folder.write(
  'stay.yaml',
  `name: stay
namespaces: [a, b, host]
links:
  - endpoints: { a:eth0: 10.7.1.1/24, b:eth0: 10.7.1.2/24 }
  - endpoints: { a:eth1: 10.7.2.1/24, host:stay0: 10.7.2.2/24 }
`,
);

/** Starts a program in a namespace, out of every session of ours, as a daemon would be. */
async function stay(namespace: string, script = 'exec sleep 600', name = 'sleep'): Promise<number> {
  const words = [
    'netns',
    'exec',
    namespace,
    'env',
    '-i',
    'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
    'sh',
    '-c',
    script,
  ];
  const child = spawn('ip', words, { stdio: 'ignore', detached: true });
  started.push(child);
  const pid = child.pid ?? 0;
  await expect.poll(() => sh('cat', `/proc/${pid}/comm`).trim(), { timeout: 30_000 }).toBe(name);
  return pid;
}

function isRunning(pid: number): boolean {
  // What is left of one that ended leads nowhere.
  try {
    return readlinkSync(`/proc/${pid}/exe`) !== '';
  } catch {
    return false;
  }
}

test('destroy names a process that keeps a namespace, and is no success until it is gone', async () => {
  await expectCode(0, 'apply', file);
  const pid = await stay('a');
  const first = await expectCode(1, 'destroy', 'stay');
  expect(first.stdout).not.toContain('with all that was in');
  expect(first.stderr).toContain('error: namespace a lives on without a name');
  expect(first.stderr).toContain(`a: process ${pid} (sleep) is in it`);
  expect(first.stderr).toContain('topoweave destroy --kill stay');
  expect(namespaces()).toEqual([]);
  expect(isRunning(pid)).toBe(true);
  expect(ip('host', 'link')).not.toContain('stay0');
  // It is not forgotten.
  const again = await expectCode(1, 'destroy', '--json', 'stay');
  const { survivors } = JSON.parse(again.stdout) as { survivors: unknown };
  expect(survivors).toEqual({ processes: [{ namespace: 'a', pid, command: 'sleep' }], mounts: [], ended: 0 });
  const { stdout } = await expectCode(0, 'destroy', '--kill', '--all');
  expect(stdout).toContain('Ended 1 process that kept namespaces of it.');
  expect(isRunning(pid)).toBe(false);
  expect((await expectCode(0, 'destroy', 'stay')).stdout).toContain('Nothing to destroy');
  expect(existsSync('/run/topoweave/stay.left')).toBe(false);
});

test('destroy --kill asks first, then ends what does not listen, and what it starts', async () => {
  await expectCode(0, 'apply', file);
  const pids = [
    await stay('a', 'trap "" TERM; while :; do sleep 0.2; done', 'sh'),
    await stay('b'),
    await stay('b', 'trap "sleep 600 & exit 0" TERM; while :; do sleep 0.1; done', 'sh'),
  ];
  const { stdout } = await expectCode(0, 'destroy', '--kill', file);
  expect(stdout).toMatch(/Destroyed lab 'stay': 2 namespaces with all that was in them/);
  expect(stdout).toMatch(/Ended \d+ processes/);
  expect(pids.map(isRunning)).toEqual([false, false, false]);
});

test('a process of somebody else stays, whatever its namespace is called', async () => {
  sh('ip', 'netns', 'add', 'stranger');
  const pid = await stay('stranger');
  await expectCode(0, 'apply', file);
  await expectCode(0, 'destroy', '--kill', 'stay');
  expect(isRunning(pid)).toBe(true);
  sh('ip', 'netns', 'del', 'stranger');
});

test('a namespace that leaves the file is told in the same way', async () => {
  await expectCode(0, 'apply', file);
  const pid = await stay('b');
  const smaller = folder.write('smaller.yaml', 'name: stay\nnamespaces: [a]\n');
  const { stderr } = await expectCode(1, 'apply', smaller);
  expect(stderr).toContain(`b: process ${pid} (sleep) is in it`);
  await expectCode(1, 'apply', smaller);
  process.kill(pid, 'SIGKILL');
  await expect.poll(() => isRunning(pid), { timeout: 30_000 }).toBe(false);
  await expectCode(0, 'apply', smaller);
  await expectCode(0, 'apply', smaller);
});

test('a program cannot steer the terminal by its name', async () => {
  await expectCode(0, 'apply', file);
  const pid = await stay('a', 'printf "\\033[2J\\n" > /proc/$$/comm; while :; do sleep 1; done', '\u001b[2J');
  const { stderr } = await expectCode(1, 'destroy', 'stay');
  expect(stderr).toContain(`process ${pid} (\u{fffd}[2J)`);
  expect(stderr).not.toContain('\u001b[2J');
});

test('a mount elsewhere keeps a namespace, too', async () => {
  await expectCode(0, 'apply', file);
  const place = folder.write('held', '');
  sh('mount', '--bind', '/run/netns/a', place);
  const { stderr } = await expectCode(1, 'destroy', '--kill', 'stay');
  expect(stderr).toContain(`a: it is mounted on ${place}`);
  sh('umount', place);
  await expectCode(0, 'destroy', 'stay');
});

const onTop = (['macvlan', 'ipvlan', 'vlan'] as const).filter((kind) => kernelHas(kind));

test.for(onTop)(
  'a %s on a card of the host goes by itself, whoever keeps its namespace',
  async (kind, { onTestFinished }) => {
    sh('ip', 'link', 'add', 'card0', 'type', 'veth', 'peer', 'name', 'card1');
    onTestFinished(() => void sh('ip', 'link', 'del', 'card0'));
    const type = kind === 'vlan' ? 'vlan, id: 5' : kind;
    const text = `name: stay
namespaces:
  host: {}
  a: { interfaces: { top0: { type: ${type}, link: "host:card0", addresses: 10.7.3.1/24 } } }
`;
    const top = folder.write('top.yaml', text);
    await expectCode(0, 'apply', top);
    expect(ip('a', 'link')).toContain('top0');
    const pid = await stay('a');
    await expectCode(1, 'destroy', 'stay');
    expect(sh('nsenter', `--net=/proc/${pid}/ns/net`, 'ip', 'link')).not.toContain('top0');
  },
);
