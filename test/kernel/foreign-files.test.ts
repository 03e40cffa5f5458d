import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { expectCode, ip, sh, workFolder } from '../support/host.ts';

const folder = workFolder();
const NETNS = '/run/netns';
const lab = () =>
  folder.write(
    'lab.yaml',
    'name: lab\nnamespaces: [a, b]\nlinks: [{ endpoints: { a:eth0: 10.0.0.1/24, b:eth0: 10.0.0.2/24 } }]\n',
  );
const declares = (name: string) => folder.write('x.yaml', `name: x\nnamespaces: ['${name}']\n`);

/** What stands in the folder, and what is said of it. */
const strangers = {
  blk: 'a device',
  dead: 'a symbolic link that leads nowhere',
  dev: 'a device',
  dir: 'a directory',
  fifo: 'a FIFO',
  livemnt: 'a namespace of another type (mnt)',
  loop: 'a symbolic link that leads nowhere',
  plain: 'a file',
  sock: 'a socket',
  tofifo: 'a symbolic link to a FIFO',
  uts: 'a namespace of another type (uts)',
} as const;

const children: ReturnType<typeof spawn>[] = [];
const server = createServer();

beforeEach(async () => {
  // The first one makes the folder a mount of its own.
  sh('ip', 'netns', 'add', 'first');
  sh('ip', 'netns', 'del', 'first');
  sh('mkfifo', `${NETNS}/fifo`);
  mkdirSync(`${NETNS}/dir`);
  symlinkSync('/nowhere', `${NETNS}/dead`);
  symlinkSync('loop', `${NETNS}/loop`);
  symlinkSync('fifo', `${NETNS}/tofifo`);
  sh('mknod', `${NETNS}/dev`, 'c', '1', '3');
  sh('mknod', `${NETNS}/blk`, 'b', '7', '99');
  writeFileSync(`${NETNS}/plain`, 'precious');
  await new Promise<void>((resolve) => server.listen(`${NETNS}/sock`, resolve));
  writeFileSync(`${NETNS}/uts`, '');
  sh('mount', '--bind', '/proc/self/ns/uts', `${NETNS}/uts`);
  symlinkSync('/proc/self/ns/mnt', `${NETNS}/livemnt`);
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await expectCode(0, 'destroy', '--all');
  await new Promise((resolve) => server.close(resolve));
  sh('umount', `${NETNS}/uts`);
  for (const name of Object.keys(strangers)) if (name !== 'sock') sh('rm', '-rf', `${NETNS}/${name}`);
});
afterAll(() => folder.remove());

test('what is no namespace is passed over by each command, and inspect says what it is', async () => {
  const before = readdirSync(NETNS).sort();
  await expectCode(2, 'plan', '--detailed-exitcode', lab());
  await expectCode(0, 'apply', lab());
  await expectCode(0, 'plan', '--detailed-exitcode', lab());
  await expectCode(0, 'status');
  await expectCode(0, 'status', lab());
  await expectCode(0, 'check', lab());
  await expectCode(0, 'ports');
  await expectCode(0, 'explain', 'a', 'b');
  const { stdout } = await expectCode(0, 'inspect');
  for (const [name, what] of Object.entries(strangers))
    expect(stdout).toContain(`${NETNS}/${name}: ${what}\n`);
  // Peers are found all the same.
  expect(stdout).toMatch(/eth0 .* b:eth0/);
  await expectCode(0, 'destroy', 'lab');
  expect(readdirSync(NETNS).sort()).toEqual(before);
});

test('a declared name that is none is a conflict that says what is there; nothing is changed', async () => {
  const before = readdirSync(NETNS).sort();
  for (const [name, what] of Object.entries(strangers)) {
    const { stderr } = await expectCode(1, 'apply', declares(name));
    expect(stderr).toContain(`${NETNS}/${name} is in the way and is no namespace: it is ${what}`);
    expect(stderr).toContain(`look at ${NETNS}/${name} and remove it yourself`);
  }
  expect(readdirSync(NETNS).sort()).toEqual(before);
});

test('exec says what is there instead of a namespace', async () => {
  for (const name of ['fifo', 'dir', 'dead', 'plain', 'sock', 'dev'] as const) {
    const { stderr } = await expectCode(1, 'exec', name, '--', 'true');
    expect(stderr).toContain(`${NETNS}/${name} is no network namespace: it is ${strangers[name]}`);
  }
  const { stderr } = await expectCode(1, 'exec', 'uts', '--', 'true');
  expect(stderr).toContain('it is a namespace of type uts');
});

test("a symbolic link to a process's namespace is a namespace, and a stranger's", async () => {
  const child = spawn('unshare', ['--net', 'sleep', '1000'], { stdio: 'ignore' });
  children.push(child);
  const own = sh('readlink', '/proc/self/ns/net');
  while (sh('readlink', `/proc/${child.pid}/ns/net`) === own) sh('sleep', '0.05');
  symlinkSync(`/proc/${child.pid}/ns/net`, `${NETNS}/live`);
  ip('live', 'link', 'add', 'theirs', 'type', 'bridge');
  expect((await expectCode(0, 'inspect')).stdout).toMatch(
    /namespace live \(a symbolic link\)\n(?:.*\n)*.*theirs/,
  );
  await expectCode(0, 'exec', 'live', '--', 'true');
  const { stderr } = await expectCode(1, 'apply', declares('live'));
  expect(stderr).toContain(
    'namespace live is already there and does not belong to this lab: it is a symbolic link',
  );
  // Marked or not: another name for a namespace is not what the lab made.
  ip('live', 'link', 'set', 'lo', 'alias', 'topoweave:lab:');
  await expectCode(0, 'apply', lab());
  symlinkSync(`${NETNS}/a`, `${NETNS}/other`);
  await expectCode(0, 'plan', '--detailed-exitcode', lab());
  await expectCode(0, 'destroy', 'lab');
  expect(readdirSync(NETNS)).toContain('live');
  expect(readdirSync(NETNS)).toContain('other');
  expect(ip('live', 'link')).toContain('theirs');
  sh('rm', `${NETNS}/live`, `${NETNS}/other`);
});

test('names with odd letters are namespaces like others', async () => {
  const names = ['a b', 'q\'"q', '$(x)', 'semi;colon', 'x'.repeat(200), 'new\nline', 'esc\u001b[31m'];
  for (const name of names) sh('ip', 'netns', 'add', name);
  for (const name of names) ip(name, 'link', 'add', 'd0', 'type', 'bridge');
  await expectCode(0, 'apply', lab());
  const { stdout } = await expectCode(0, 'inspect', '--json');
  const { namespaces } = JSON.parse(stdout) as { namespaces: { name: string; interfaces: unknown[] }[] };
  for (const name of names)
    expect(namespaces.find((namespace) => namespace.name === name)?.interfaces).toHaveLength(2);
  await expectCode(0, 'destroy', 'lab');
  for (const name of names) sh('ip', 'netns', 'del', name);
});

test('namespaces of others may come and go at any time', async () => {
  const loop = 'while :; do ip netns add "$1"; ip netns del "$1"; done';
  for (let index = 0; index < 6; index += 1)
    children.push(spawn('sh', ['-c', loop, 'sh', `churn${index}`], { stdio: 'ignore' }));
  for (let round = 0; round < 6; round += 1) {
    await expectCode(0, 'apply', lab());
    await expectCode(0, 'plan', '--detailed-exitcode', lab());
    await expectCode(0, 'status');
    await expectCode(0, 'inspect');
    await expectCode(0, 'check', lab());
    await expectCode(0, 'destroy', 'lab');
  }
  for (const child of children.splice(0)) {
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await ended;
  }
  sh('sh', '-c', 'sleep 0.2; for n in /run/netns/churn*; do umount "$n"; rm -f "$n"; done; true');
}, 300_000);

test('a folder for namespaces that is none is said before anything is changed', async () => {
  const inside = (setUp: string) =>
    sh(
      'unshare',
      '--mount',
      'sh',
      '-c',
      `mount -t tmpfs none /run; ${setUp}; "$@"; echo "exit $?"`,
      'sh',
      'sh',
      '-c',
      `node dist/topoweave.js apply ${lab()} 2>&1`,
    );
  for (const [setUp, what] of [
    ['echo >/run/netns', 'a file'],
    ['ln -s /nowhere /run/netns', 'a symbolic link that leads nowhere'],
  ] as const) {
    const text = inside(setUp);
    expect(text).toContain(`${NETNS} is no folder for namespaces: it is ${what}`);
    expect(text).toContain('exit 1');
  }
});
