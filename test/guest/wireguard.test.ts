import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { testWireguardReading } from '../support/conformance-wireguard.ts';
import {
  dump,
  expectCode,
  expectReachable,
  ifindex,
  ip,
  type Outcome,
  sh,
  topoweave,
  workFolder,
} from '../support/host.ts';

/** The recorder looks at the environment when it is loaded. */
const recording = vi.hoisted(() => {
  const path = `/tmp/topoweave-recording-${process.pid}`;
  process.env['TOPOWEAVE_RECORD'] = path;
  return path;
});

const folder = workFolder();
const keyFolder = '/run/topoweave/wg.keys';
afterAll(() => {
  folder.remove();
  rmSync(recording, { force: true });
});
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
  expect(existsSync(keyFolder)).toBe(false);
});

/** A key file of its own for each name. */
function keyFile(name: string, mode = 0o600): string {
  const path = folder.write(name, `${sh('wg', 'genkey')}`);
  chmodSync(path, mode);
  return path;
}

interface Options {
  readonly a?: string;
  readonly b?: string;
  readonly c?: string;
}

const usual = {
  a: 'local: 192.0.2.1, addresses: 10.9.0.1/24',
  b: 'local: 192.0.2.2, addresses: 10.9.0.2/24',
  c: 'local: 192.0.2.3, addresses: 10.9.0.3/24',
};

/** Three ends on one bridge; the keys of each end as flow entries, '' for no end. */
function lab(options: Options = {}): string {
  const ends = Object.entries({ ...usual, ...options }).filter(([, keys]) => keys !== '');
  return folder.write(
    'wg.yaml',
    `name: wg
namespaces: [a, b, c, net]
bridges:
  br0:
    namespace: net
    ports: { a:eth0: 192.0.2.1/24, b:eth0: [192.0.2.2/24, 192.0.2.22/24], c:eth0: 192.0.2.3/24 }
tunnels:
  wg0:
    type: wireguard
    endpoints:
${ends.map(([name, keys]) => `      ${name}: { ${keys} }`).join('\n')}
`,
  );
}

function wg(namespace: string, ...args: string[]): string {
  return sh('ip', 'netns', 'exec', namespace, 'wg', ...args).trim();
}

const peer = '"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="';
const psk = 'preshared-key-file: psk.key';

/** Each changes one thing, from one to the next. */
const changes: readonly [name: string, options: Options][] = [
  ['an end more', {}],
  ['port', { a: `${usual.a}, port: 7` }],
  ['no port, fwmark', { a: `${usual.a}, fwmark: 0x51` }],
  ['no fwmark', {}],
  ['private-key-file', { a: `${usual.a}, private-key-file: own.key` }],
  ['mtu', { a: `${usual.a}, private-key-file: own.key, mtu: 1300` }],
  ['a key that is made', { a: `${usual.a}, mtu: 1300` }],
  ['addresses', { a: 'local: 192.0.2.1, mtu: 1300, addresses: [10.9.0.1/24, "fd00::1/64"]' }],
  ['alias', { a: `${usual.a}, alias: hi` }],
  ['state', { a: `${usual.a}, alias: hi, state: down` }],
  ['allowed-ips of a peer', { b: `${usual.b}, allowed-ips: [172.16.0.0/24, "fd01::/64"]` }],
  ['allowed-ips of another peer', { c: `${usual.c}, allowed-ips: [172.16.0.0/24, "fd01::/64"]` }],
  ['endpoint of a peer', { b: 'local: 192.0.2.22, addresses: 10.9.0.2/24' }],
  ['keepalive', { a: `${usual.a}, keepalive: 25` }],
  ['preshared-key-file', { a: `${usual.a}, keepalive: 25, ${psk}` }],
  ['no keepalive', { a: `${usual.a}, ${psk}` }],
  ['no preshared key', {}],
  ['an end less', { c: '' }],
  [
    'a peer that is not in the file',
    {
      c: '',
      a: `${usual.a}, peers: { x: { public-key: ${peer}, endpoint: "[2001:db8::1]:9", allowed-ips: [10.9.0.9] } }`,
    },
  ],
];

test('every change is made on the running interface', async () => {
  keyFile('own.key');
  keyFile('psk.key');
  await expectCode(0, 'apply', lab({ c: '' }));
  const index = ifindex('a', 'wg0');
  for (const [name, options] of changes) {
    const file = lab(options);
    const applied = await topoweave('apply', file);
    const { code } = await topoweave('plan', '--detailed-exitcode', file);
    // Not `No changes`.
    const isChanged = applied.stdout.startsWith("Applied lab 'wg'");
    expect([name, applied.code, isChanged, code, ifindex('a', 'wg0')]).toEqual([name, 0, true, 0, index]);
  }
});

test('peers come, change and go while a ping through another peer loses nothing', async () => {
  keyFile('psk.key');
  await expectCode(0, 'apply', lab({ c: '' }));
  expectReachable('a', '10.9.0.2');
  const ping = spawn('ip', ['netns', 'exec', 'a', 'ping', '-q', '-i', '0.05', '10.9.0.2'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let printed = '';
  ping.stdout.on('data', (text) => {
    printed += text;
  });
  for (const options of [
    {},
    { c: `${usual.c}, allowed-ips: [172.16.3.0/24], keepalive: 7` },
    { c: `${usual.c}, preshared-key-file: psk.key` },
    { c: '' },
  ]) {
    await expectCode(0, 'apply', lab(options));
  }
  const ended = new Promise((resolve) => ping.on('close', resolve));
  ping.kill('SIGINT');
  await ended;
  const [, sent, received] = (/(\d+) packets transmitted, (\d+) received/.exec(printed) ?? []).map(Number);
  expect(sent).toBeGreaterThan(5);
  // The last one may still be on its way.
  expect(received).toBeGreaterThanOrEqual((sent ?? 0) - 1);
});

test('what somebody changes by hand is put back; what the kernel learned is left alone', async () => {
  const file = lab({ c: 'addresses: 10.9.0.3/24, keepalive: 1' });
  await expectCode(0, 'apply', file);
  const keyOf = (namespace: string) => wg(namespace, 'show', 'wg0', 'public-key');
  const repaired = async (changes: number) => {
    const { stdout } = await expectCode(2, 'plan', '--detailed-exitcode', file);
    expect(stdout.match(/^ *(\+|-|~|-\/\+) /gm)).toHaveLength(changes);
    await expectCode(0, 'apply', file);
    await expectCode(0, 'plan', '--detailed-exitcode', file);
  };
  wg('a', 'set', 'wg0', 'peer', keyOf('b'), 'endpoint', '192.0.2.99:1');
  await repaired(1);
  expect(wg('a', 'show', 'wg0', 'endpoints')).toContain(`${keyOf('b')}\t192.0.2.2:51820`);
  // c has no declared address: a learns it, and may learn another.
  wg('a', 'set', 'wg0', 'peer', keyOf('c'), 'endpoint', '192.0.2.99:1');
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  wg('a', 'set', 'wg0', 'peer', keyOf('b'), 'remove');
  await repaired(1);
  // A stranger's peer that takes another's address.
  wg('a', 'set', 'wg0', 'peer', JSON.parse(peer), 'allowed-ips', '10.9.0.2/32');
  await repaired(2);
  wg('a', 'set', 'wg0', 'listen-port', '999', 'fwmark', '7');
  await repaired(1);
  ip('a', 'link', 'del', 'dev', 'wg0');
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  expectReachable('a', '10.9.0.2');
});

test("a stranger's WireGuard interface stays, with its keys and peers", async () => {
  ip('host', 'link', 'add', 'wg7', 'type', 'wireguard');
  sh('wg', 'set', 'wg7', 'private-key', keyFile('foreign.key'), 'peer', JSON.parse(peer));
  ip('host', 'link', 'add', 'name', 'wg0', 'type', 'wireguard');
  const before = [dump(), sh('wg', 'show', 'all', 'dump')];
  const file = folder.write(
    'wg.yaml',
    'name: wg\nnamespaces: [a]\ntunnels: { wg0: { type: wireguard, endpoints: { host: { port: 7 } } } }\n',
  );
  const { stderr } = await expectCode(1, 'apply', file);
  expect(stderr).toContain('wg0 in host is already there and does not belong to this lab');
  await expectCode(0, 'apply', lab());
  await expectCode(0, 'destroy', 'wg');
  expect([dump(), sh('wg', 'show', 'all', 'dump')]).toEqual(before);
  ip('host', 'link', 'del', 'dev', 'wg0');
  ip('host', 'link', 'del', 'dev', 'wg7');
});

test('keys are made once, are private, and go with their end', async () => {
  await expectCode(0, 'plan', lab());
  expect(existsSync(keyFolder)).toBe(false);
  await expectCode(0, 'apply', lab());
  expect(statSync(keyFolder).mode & 0o777).toBe(0o700);
  expect(readdirSync(keyFolder).sort()).toEqual(['a:wg0', 'b:wg0', 'c:wg0']);
  for (const name of readdirSync(keyFolder)) expect(statSync(join(keyFolder, name)).mode & 0o777).toBe(0o600);
  const keys = () => readdirSync(keyFolder).map((name) => readFileSync(join(keyFolder, name), 'utf8'));
  const before = keys();
  expect(`${wg('a', 'show', 'wg0', 'private-key')}\n`).toBe(before[readdirSync(keyFolder).indexOf('a:wg0')]);
  ip('b', 'link', 'del', 'dev', 'wg0');
  await expectCode(0, 'apply', lab());
  expect(keys()).toEqual(before);
  await expectCode(0, 'apply', lab({ c: '' }));
  expect(readdirSync(keyFolder).sort()).toEqual(['a:wg0', 'b:wg0']);
  // Lost keys are made anew, at all ends.
  rmSync(keyFolder, { recursive: true });
  await expectCode(2, 'plan', '--detailed-exitcode', lab({ c: '' }));
  await expectCode(0, 'apply', lab({ c: '' }));
  await expectCode(0, 'plan', '--detailed-exitcode', lab({ c: '' }));
  expectReachable('a', '10.9.0.2');
});

test('a private or preshared key is in nothing that topoweave prints, records or starts', async () => {
  const before = dump();
  keyFile('own.key');
  keyFile('psk.key');
  const file = lab({ a: `${usual.a}, private-key-file: own.key, preshared-key-file: psk.key` });
  const watch = watchProcesses();
  const outcomes: Outcome[] = [];
  const say = async (...argv: string[]) => outcomes.push(await topoweave(...argv));
  const sayAll = async () => {
    for (const argv of [['plan'], ['plan', '--json'], ['plan', '--commands'], ['plan', '--diff']])
      await say(...argv, file);
    for (const command of ['status', 'inspect']) {
      await say(command, command === 'status' ? file : 'wg');
      await say(command, '--json', command === 'status' ? file : 'wg');
    }
  };
  await say('validate', file);
  await say('render', file);
  await say('render', '--json', file);
  await sayAll();
  await say('apply', '--json', file);
  const secrets = [join(keyFolder, 'b:wg0'), join(keyFolder, 'c:wg0'), 'own.key', 'psk.key'].map((path) =>
    readFileSync(path.startsWith('/') ? path : join(file, '..', path), 'utf8').trim(),
  );
  await sayAll();
  // Everything that there is to say of keys, in changes and in removals.
  wg('a', 'set', 'wg0', 'private-key', keyFile('other.key'));
  for (const end of wg('b', 'show', 'wg0', 'peers').split('\n'))
    wg('b', 'set', 'wg0', 'peer', end, 'preshared-key', keyFile('other-psk.key'));
  secrets.push(readFileSync(join(file, '..', 'other.key'), 'utf8').trim());
  secrets.push(readFileSync(join(file, '..', 'other-psk.key'), 'utf8').trim());
  await sayAll();
  await say('apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  const record = readFileSync('/run/topoweave/wg.json');
  // Errors: open to others, and damaged.
  chmodSync(join(file, '..', 'own.key'), 0o644);
  await say('apply', file);
  expect(outcomes.at(-1)?.code).toBe(65);
  expect(outcomes.at(-1)?.stderr).toContain('is open to others (mode 0644)');
  chmodSync(join(file, '..', 'own.key'), 0o600);
  folder.write('psk.key', `${secrets[3]?.slice(0, 30)}\n`);
  await say('apply', file);
  expect(outcomes.at(-1)?.stderr).toContain('does not hold a key');
  await say('destroy', '--dry-run', '--json', 'wg');
  await say('destroy', '--json', 'wg');
  const seen = watch();
  expect(dump()).toBe(before);
  const texts = outcomes.map(({ stdout, stderr }) => Buffer.from(stdout + stderr));
  const recorded = existsSync(recording) ? readFileSync(recording) : Buffer.alloc(0);
  expect(seen.length).toBeGreaterThan(1000);
  for (const secret of secrets) {
    const bytes = Buffer.from(secret, 'base64');
    // The beginning alone would be too much.
    const forms = [secret.slice(0, 24), bytes.toString('hex').slice(0, 32), bytes.subarray(0, 16)];
    for (const form of forms) {
      for (const text of [...texts, record, recorded, seen]) expect(text.includes(form)).toBe(false);
    }
  }
});

/** Reads the arguments and the environment of every process again and again; gives all that was seen. */
function watchProcesses(): () => Buffer {
  const work = mkdtempSync(join(tmpdir(), 'topoweave-watch-'));
  const path = join(work, 'seen');
  const script = 'while :; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; done';
  const watcher: ChildProcess = spawn('sh', ['-c', script], {
    stdio: ['ignore', openSync(path, 'w'), 'ignore'],
  });
  return () => {
    watcher.kill();
    const seen = readFileSync(path);
    rmSync(work, { recursive: true });
    return seen;
  };
}

test('both ways of reading see the same devices, with any number of peers', async () => {
  await testWireguardReading();
});
