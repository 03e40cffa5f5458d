import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, expect, test } from 'vitest';
import { hasUsers } from '../support/example.ts';
import { dump, expectCode, lockIsFree, namespaces, sh, topoweave, workFolder } from '../support/host.ts';

const folder = workFolder();
afterAll(() => folder.remove());
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
});

const lab = (services: string, more = '') =>
  folder.write(
    'lab.yaml',
    `name: lab
namespaces:
  a:
    services: ${services}
  b: {}
links: [{ endpoints: { a:eth0: 10.0.0.1/24, b:eth0: 10.0.0.2/24 } }]
${more}`,
  );

interface Record {
  process?: { pid: number; start: string };
  token: string;
  stopWithin: number;
}

const recordPath = (name: string) => `/run/topoweave/lab.services/a:${name}.json`;
const readRecord = (name: string): Record => JSON.parse(readFileSync(recordPath(name), 'utf8'));
const pidOf = (name: string): number => readRecord(name).process?.pid ?? 0;
const log = (name: string) => readFileSync(`/run/topoweave/lab.logs/a:${name}.log`, 'utf8');

function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/** A signal is sent in no time, and ends a process some time later. */
async function kill(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
}

async function apply(file: string): Promise<string> {
  const { stdout } = await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  return stdout;
}

test('a service runs in its namespace, alone in its session, and goes with the lab', async () => {
  const before = dump();
  const file = lab(
    `{ web: { command: [sh, -c, "pwd; env | sort; exec sleep 1000"], environment: { B: "{folder}/x", A: "a b" }, files: { conf: "{folder}" } } }`,
  );
  expect((await expectCode(0, 'plan', file)).stdout).toMatch(/\+ service web/);
  await apply(file);
  const pid = pidOf('web');
  expect(readlinkSync(`/proc/${pid}/ns/net`)).toBe(`net:[${statSync('/run/netns/a').ino}]`);
  const [, , , session, terminal] =
    readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  expect([session, terminal]).toEqual([String(pid), '0']);
  const files = readdirSync(`/proc/${pid}/fd`).map((fd) => `${fd} ${readlinkSync(`/proc/${pid}/fd/${fd}`)}`);
  const pipe = files[1]?.slice(2) ?? '';
  expect(pipe).toMatch(/a:web\.\d+\.new \(deleted\)$/);
  expect(files.slice(0, 3)).toEqual(['0 /dev/null', `1 ${pipe}`, `2 ${pipe}`]);
  // What these tests themselves were given by whoever started them.
  expect(files.slice(3).filter((line) => !line.endsWith(' /dev/null'))).toEqual([]);
  const own = '/run/topoweave-services/lab/a/web';
  const lines = log('web').trim().split('\n');
  expect(lines[0]).toBe(own);
  expect(lines).toEqual(
    expect.arrayContaining(['A=a b', `B=${own}/x`, 'TOPOWEAVE_SERVICE=lab/a/web', 'HOME=/root']),
  );
  expect(readFileSync(`${own}/conf`, 'utf8')).toBe(own);
  expect(lines.filter((line) => line.startsWith('NODE') || line.startsWith('VITEST'))).toEqual([]);
  expect((await expectCode(0, 'inspect', 'lab')).stdout).toContain(`service web (process ${pid}): sh -c`);
  expect((await expectCode(0, 'status')).stdout).toMatch(/SERVICES[^\n]*\n.*lab +2 +2 +1 /);
  expect(statSync('/run/topoweave/lab.logs').mode & 0o777).toBe(0o700);
  expect(await apply(file)).toContain('No changes');
  expect(pidOf('web')).toBe(pid);
  await expectCode(0, 'destroy', 'lab');
  expect(isAlive(pid)).toBe(false);
  expect(existsSync('/run/topoweave-services')).toBe(false);
  expect(readdirSync('/run/topoweave').filter((name) => name.startsWith('lab'))).toEqual([]);
  expect(dump()).toBe(before);
});

test('a dead one and a changed one are started again, the others stay', async () => {
  const file = lab(`{ one: { command: sleep 1000 }, two: { command: sleep 1001 } }`);
  await apply(file);
  const [one, two] = [pidOf('one'), pidOf('two')];
  await kill(one);
  const { stdout } = await expectCode(2, 'plan', '--detailed-exitcode', file);
  expect(stdout).toMatch(/-\/\+ service one[^\n]*\n\s+state: dead -> running/);
  expect((await expectCode(0, 'status')).stdout).toContain('1 of 2');
  await apply(file);
  expect(isAlive(pidOf('one'))).toBe(true);
  expect([pidOf('one') === one, pidOf('two')]).toEqual([false, two]);
  await apply(lab(`{ one: { command: sleep 1000 }, two: { command: [sleep, "1002"] } }`));
  expect(isAlive(two)).toBe(false);
  expect(readFileSync(`/proc/${pidOf('two')}/cmdline`, 'utf8')).toBe('sleep\x001002\0');
  const left = pidOf('two');
  await apply(lab('{ one: { command: sleep 1000 } }'));
  expect(isAlive(left)).toBe(false);
  expect(existsSync(recordPath('two'))).toBe(false);
});

test('a number that another process got is not touched', async () => {
  const file = lab('{ one: { command: sleep 1000 } }');
  await apply(file);
  const record = readRecord('one');
  await kill(pidOf('one'));
  const stranger = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
  try {
    const changed = { ...record, process: { ...record.process, pid: stranger.pid } };
    writeFileSync(recordPath('one'), JSON.stringify(changed));
    await expectCode(2, 'plan', '--detailed-exitcode', file);
    await apply(file);
    expect(isAlive(stranger.pid ?? 0)).toBe(true);
    // The same start in another boot.
    const moved = { ...readRecord('one'), process: { ...readRecord('one').process, boot: 'another' } };
    const started = pidOf('one');
    writeFileSync(
      recordPath('one'),
      JSON.stringify({ ...moved, token: '00000000-0000-0000-0000-000000000000' }),
    );
    // It is still in the namespace, which lives on with it: no success.
    await expectCode(1, 'destroy', 'lab');
    expect([isAlive(stranger.pid ?? 0), isAlive(started)]).toEqual([true, true]);
    process.kill(started);
  } finally {
    stranger.kill();
  }
});

test('a session that somebody else left behind is not touched', async () => {
  const file = lab('{ one: { command: sleep 1000 } }');
  await apply(file);
  const record = readRecord('one');
  await kill(pidOf('one'));
  // Its first process ends at once, and the number of the session is that of the service.
  const script = 'sleep 1000 >/dev/null 2>&1 & echo $$ $!';
  const [session = 0, stranger = 0] = sh('setsid', 'sh', '-c', script).trim().split(' ').map(Number);
  try {
    const changed = { ...record, process: { ...record.process, pid: session, session } };
    writeFileSync(recordPath('one'), JSON.stringify(changed));
    await apply(file);
    expect(isAlive(stranger)).toBe(true);
  } finally {
    process.kill(stranger);
  }
});

test('what a service left in its session ends with it, whatever its environment', async () => {
  const file = lab(`{ one: { command: [sh, -c, "env -i sleep 1234 & echo $!; exec sleep 1000"] } }`);
  await apply(file);
  const left = Number(log('one'));
  await kill(pidOf('one'));
  expect(isAlive(left)).toBe(true);
  await expectCode(0, 'destroy', 'lab');
  expect(isAlive(left)).toBe(false);
});

test('a program that gets another environment has started all the same', async () => {
  await apply(lab('{ one: { command: [env, -i, sleep, "1000"] } }'));
  const pid = pidOf('one');
  await expectCode(0, 'destroy', 'lab');
  expect(isAlive(pid)).toBe(false);
});

test.runIf(hasUsers)('the user of a service gets to its folder whatever the umask is', async () => {
  const before = process.umask(0o077);
  try {
    await apply(lab('{ one: { command: sleep 1000, user: nobody } }'));
  } finally {
    process.umask(before);
  }
});

test('all that it started ends with it, at the latest when its time is over', async () => {
  const script =
    'trap "" TERM; setsid sh -c "trap : TERM; while :; do sleep 1; done" & sleep 1234 & while :; do sleep 1; done';
  await apply(lab(`{ tree: { command: [sh, -c, '${script}'], stop-within: 500ms } }`));
  const { token } = readRecord('tree');
  const members = () =>
    readdirSync('/proc').filter((name) => {
      try {
        return (
          /^\d+$/.test(name) &&
          isAlive(Number(name)) &&
          readFileSync(`/proc/${name}/environ`, 'utf8').includes(token)
        );
      } catch {
        return false;
      }
    });
  await expect.poll(() => members().length, { timeout: 10_000 }).toBeGreaterThanOrEqual(4);
  await expectCode(0, 'destroy', 'lab');
  expect(members()).toEqual([]);
});

test('what a killed apply has started is found by its token', async () => {
  const file = lab('{ one: { command: sleep 1000 } }');
  await apply(file);
  const pid = pidOf('one');
  const { process: _, ...rest } = readRecord('one');
  writeFileSync(recordPath('one'), JSON.stringify(rest));
  await apply(file);
  expect([isAlive(pid), isAlive(pidOf('one'))]).toEqual([false, true]);
});

/** The processes of all services, by what is in their environment. */
function servants(): string[] {
  return readdirSync('/proc').filter((name) => {
    try {
      return (
        /^\d+$/.test(name) &&
        isAlive(Number(name)) &&
        readFileSync(`/proc/${name}/environ`, 'utf8').includes('TOPOWEAVE_START=')
      );
    } catch {
      return false;
    }
  });
}

/** Folders without files do no harm: a killed run may not have come to say that it made one. */
function filesBelow(path: string): string[] {
  if (!existsSync(path)) return [];
  const entries = readdirSync(path, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
}

test('wherever an apply or a destroy was killed, the next destroy leaves no process and no file', async () => {
  const path = folder.write(
    'killed.yaml',
    `name: lab
defaults: { hosts: true }
namespaces:
  a: { hostname: one, services: { one: { command: sleep 999 }, two: { command: sleep 999, after: [one] } } }
  b: { services: { one: { command: sleep 999 } } }
`,
  );
  const killedAfter = async (milliseconds: number, ...argv: string[]) => {
    const child = spawn(process.execPath, ['dist/topoweave.js', ...argv], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.on('exit', resolve));
    await Promise.race([ended, setTimeout(milliseconds)]);
    child.kill('SIGKILL');
    await ended;
    // What it started for a batch ends what it has begun, and has the lock as long.
    await expect.poll(lockIsFree, { timeout: 30_000 }).toBe(true);
  };
  for (let milliseconds = 60; milliseconds <= 660; milliseconds += 60) {
    await killedAfter(milliseconds, 'apply', path);
    if (milliseconds % 120 === 0) {
      await expectCode(0, 'apply', path);
      expect(servants()).toHaveLength(3);
      await killedAfter(milliseconds / 2, 'destroy', 'lab');
    }
    await expectCode(0, 'destroy', 'lab');
    expect(servants()).toEqual([]);
    expect(filesBelow('/etc/netns')).toEqual([]);
    expect(existsSync('/run/topoweave-services')).toBe(false);
    expect(readdirSync('/run/topoweave').filter((name) => name.startsWith('lab'))).toEqual([]);
  }
});

test('a service in a namespace that somebody made anew is moved there', async () => {
  const file = lab('{ one: { command: sleep 1000 } }');
  await apply(file);
  const pid = pidOf('one');
  sh('ip', 'netns', 'del', 'a');
  await apply(file);
  expect(isAlive(pid)).toBe(false);
  expect(readlinkSync(`/proc/${pidOf('one')}/ns/net`)).toBe(`net:[${statSync('/run/netns/a').ino}]`);
});

test('one that ends at once or is never ready is an error with the end of its log', async () => {
  const bad = await expectCode(1, 'apply', lab('{ one: { command: [sh, -c, "echo no luck; exit 3"] } }'));
  expect(bad.stderr).toMatch(
    /the service a\/one ended at once, with exit code 3; the end of .*a:one\.log:\n\s+\| no luck/,
  );
  expect((await expectCode(0, 'logs', 'a/one')).stdout).toBe('no luck\n');
  expect((await expectCode(0, 'logs')).stdout).toMatch(/a\/one +lab +not running +\S+a:one\.log/);
  const late = lab(
    '{ one: { command: [sh, -c, "echo waiting; exec sleep 999"], ready: { tcp: 80, within: 300ms } } }',
  );
  const { stderr } = await expectCode(1, 'apply', late);
  expect(stderr).toMatch(/was not ready within 0.3 s \(nobody listens on TCP port 80\)/);
  expect(sh('ip', 'netns', 'pids', 'a')).toBe('');
  expect((await expectCode(2, 'plan', '--detailed-exitcode', late)).stdout).toContain('+ service one');
});

test('a program that is not there is known before anything is touched', async () => {
  const { stderr } = await expectCode(69, 'apply', lab('{ one: { command: /usr/lib/frr/no-such/zebra } }'));
  expect(stderr).toMatch(/'\/usr\/lib\/frr\/no-such\/zebra' of the service a\/one is not installed/);
  expect(stderr).toContain('apt-get install frr');
  expect(namespaces()).toEqual([]);
});

test('ready: ports and commands; after: the others wait', async () => {
  const server = (port: number, delay: number) =>
    `[${process.execPath}, -e, "setTimeout(() => require('net').createServer().listen(${port}), ${delay})"]`;
  const udp = `[${process.execPath}, -e, "require('dgram').createSocket('udp4').bind(53)"]`;
  await apply(
    lab(`
      z: { command: ${server(80, 300)}, ready: { tcp: 80 } }
      y: { command: [sh, -c, "ss -ltn | grep -c :80; exec sleep 999"], after: [z] }
      u: { command: ${udp}, ready: { udp: 53, command: [test, -d, .] } }
`),
  );
  expect(log('y')).toBe('1\n');
  expect((await topoweave('exec', 'a', '--', 'true')).code).toBe(0);
});

test.runIf(hasUsers)('another user has its own folder, and no rights of root', async () => {
  await apply(
    lab(
      `{ one: { command: [sh, -c, "id -un; touch ok && ls; cat /run/topoweave/lab.json; exec sleep 999"], user: nobody } }`,
    ),
  );
  expect(log('one')).toMatch(/^nobody\nok\ncat: .*Permission denied/);
  const unknown = await expectCode(69, 'apply', lab('{ one: { command: sleep 999, user: nosuchuser } }'));
  expect(unknown.stderr).toContain('there is no user nosuchuser on this machine');
});

test('logs: all, the last lines, of the start before, as JSON; names that are not clear', async () => {
  const file = (text: string) =>
    lab(`{ one: { command: [sh, -c, "for i in 1 2 3; do echo ${text} $i; done; exec sleep 999"] } }`);
  await apply(file('first'));
  await apply(file('second'));
  expect((await expectCode(0, 'logs', 'a/one')).stdout).toBe('second 1\nsecond 2\nsecond 3\n');
  expect((await expectCode(0, 'logs', '--lab', 'lab', 'a/one', '-n', '1')).stdout).toBe('second 3\n');
  expect((await expectCode(0, 'logs', 'one', '--previous', '-n', '1')).stdout).toBe('first 3\n');
  expect(JSON.parse((await expectCode(0, 'logs', 'one', '-n', '2', '--json')).stdout).lines).toEqual([
    'second 2',
    'second 3',
  ]);
  expect((await expectCode(0, 'logs')).stdout).toMatch(
    /a\/one +lab +running +\/run\/topoweave\/lab\.logs\/a:one\.log/,
  );
  expect((await expectCode(1, 'logs', 'two')).stderr).toContain('a/one');
});

test('logs -f goes on over a new start, and ends when the lab is gone', async () => {
  const file = (text: string) => lab(`{ one: { command: [sh, -c, "echo ${text}; exec sleep 999"] } }`);
  await apply(file('first'));
  const child = spawn(process.execPath, ['dist/topoweave.js', 'logs', '-f', 'a/one']);
  let printed = '';
  child.stdout.on('data', (chunk) => {
    printed += String(chunk);
  });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  await expect.poll(() => printed, { timeout: 30_000 }).toBe('first\n');
  await apply(file('second'));
  await expect.poll(() => printed, { timeout: 30_000 }).toBe('first\nsecond\n');
  await expectCode(0, 'destroy', 'lab');
  expect(await ended).toBe(0);
});

test('services are stopped in the opposite order', async () => {
  const words = (name: string) =>
    `trap "echo ${name} >> ${folder.path}/order; exit" TERM; while :; do sleep 0.1; done`;
  await apply(
    lab(`{
      one: { command: [sh, -c, '${words('one')}'] },
      two: { command: [sh, -c, '${words('two')}'], after: [one] },
      three: { command: [sh, -c, '${words('three')}'], after: [a/two] } }`),
  );
  await expectCode(0, 'destroy', 'lab');
  expect(readFileSync(`${folder.path}/order`, 'utf8')).toBe('three\ntwo\none\n');
});

test('how to stop a service is changed without a new start', async () => {
  const file = (time: string) => lab(`{ one: { command: sleep 999, stop-within: ${time} } }`);
  await apply(file('5s'));
  const pid = pidOf('one');
  await apply(file('70ms'));
  expect(pidOf('one')).toBe(pid);
  expect(readRecord('one').stopWithin).toBe(70);
});

test.runIf(hasUsers)('a user with some rights of root, and a folder of somebody else', async () => {
  const show = (more: string) =>
    `[sh, -c, "grep -E 'Cap(Eff|Bnd)' /proc/self/status; id -un; stat -c %U . conf; exec sleep 999"], files: { conf: x }, ${more}`;
  await apply(
    lab(`{
      one: { command: ${show('user: nobody, capabilities: [net_bind_service]')} },
      two: { command: ${show('owner: nobody, capabilities: [net_raw, dac_override]')} } }`),
  );
  const caps = (bits: string) => `CapEff:\t${bits}\nCapBnd:\t${bits}\n`;
  await expect
    .poll(() => log('one'), { timeout: 10_000 })
    .toBe(`${caps('0000000000000400')}nobody\nnobody\nnobody\n`);
  await expect
    .poll(() => log('two'), { timeout: 10_000 })
    .toBe(`${caps('0000000000002002')}root\nnobody\nnobody\n`);
});

test('a log of the user is a file, and no link is followed to it', async () => {
  const at = (log: string) => lab(`{ one: { command: sleep 999, log: ${log} } }`);
  sh('mkfifo', `${folder.path}/pipe`);
  sh('ln', '-s', '/etc/passwd', `${folder.path}/link`);
  expect((await expectCode(1, 'apply', at(`${folder.path}/link`))).stderr).toContain('is a symbolic link');
  expect((await expectCode(1, 'apply', at(`${folder.path}/pipe`))).stderr).toContain('is not a file');
  await apply(at('/dev/null'));
});

test('a service of the machine itself, and a log of the user', async () => {
  const path = `${folder.path}/own.log`;
  mkdirSync(folder.path, { recursive: true });
  const file = folder.write(
    'host.yaml',
    `name: onhost
namespaces:
  host: { services: { one: { command: [sh, -c, "echo here; exec sleep 999"], log: ${path} } } }
`,
  );
  await apply(file);
  expect((await expectCode(0, 'inspect', 'onhost')).stdout).toContain('service one');
  await expectCode(0, 'destroy', 'onhost');
  expect(readFileSync(path, 'utf8')).toBe('here\n');
});

test('a check of the port of a dead service fails, and nothing stands in for it', async () => {
  const file = lab(
    '{ web: { command: [busybox, httpd, -f, -p, "80"], ready: { tcp: 80 } } }',
    'checks: [{ tcp: { from: b, to: "a:80", within: 500ms } }, { tcp: { from: b, to: "a:81" } }]\n',
  );
  await apply(file);
  await expectCode(0, 'check', file);
  await kill(pidOf('web'));
  const { stdout } = await expectCode(1, 'check', file);
  expect(stdout).toMatch(/2 checks: 2 failed/);
  expect(stdout).toContain('service a/web does not run');
  await apply(file);
  await expectCode(0, 'check', file);
});

test('values of variables are nowhere to be seen, and a changed one is a difference', async () => {
  const file = (value: string) =>
    lab(`{ web: { command: [sleep, "1000"], environment: { PGPASSWORD: ${value}, A: plain } } }`);
  const shown: string[] = [];
  const see = async (code: number, ...argv: string[]) => {
    const { stdout, stderr } = await expectCode(code, ...argv);
    shown.push(stdout, stderr);
    return stdout;
  };
  expect(await see(0, 'plan', file('hunter2'))).toContain('environment: A=(hidden), PGPASSWORD=(hidden)\n');
  expect(await see(0, 'plan', '--commands', file('hunter2'))).toContain(
    'env A="$A" PGPASSWORD="$PGPASSWORD" sleep',
  );
  await see(0, 'plan', '--diff', file('hunter2'));
  await see(0, 'plan', '--json', file('hunter2'));
  await see(0, 'apply', file('hunter2'));
  expect(readFileSync(`/proc/${pidOf('web')}/environ`, 'utf8')).toContain('PGPASSWORD=hunter2\0');
  await see(0, 'plan', '--detailed-exitcode', file('hunter2'));
  const changed = file('swordfish');
  expect(await see(2, 'plan', '--detailed-exitcode', changed)).toContain(
    'environment: A=(hidden), PGPASSWORD=(hidden) -> A=(hidden), PGPASSWORD=(hidden, changed)\n',
  );
  expect(await see(0, 'plan', '--diff', changed)).toMatch(/^\+.*PGPASSWORD=\(hidden, changed\)/m);
  await see(0, 'plan', '--json', changed);
  await see(0, 'status', changed);
  await see(0, 'status', '--json', changed);
  await see(0, 'apply', '--json', changed);
  await see(0, 'inspect', 'lab');
  await see(0, 'inspect', '--json', 'lab');
  await see(0, 'logs', 'web');
  await see(0, 'plan', '--destroy', '--json', changed);
  expect(shown.join('')).not.toMatch(/hunter2|swordfish|plain/);
  expect(await see(0, 'render', changed)).toContain('PGPASSWORD: swordfish');
  const modes = [
    '/run/topoweave',
    '/run/topoweave/lab.services',
    '/run/topoweave/lab.logs',
    recordPath('web'),
  ];
  expect(modes.map((path) => (statSync(path).mode & 0o777).toString(8))).toEqual([
    '700',
    '700',
    '700',
    '600',
  ]);
  expect(statSync('/run/topoweave/lab.logs/a:web.log').mode & 0o777).toBe(0o600);
});
