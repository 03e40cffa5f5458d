import { execFileSync, spawn } from 'node:child_process';
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { takeDamage } from '../../src/system/damage.ts';
import { forgetKeys, resolveKeys, storeKeys } from '../../src/system/wireguard-keys.ts';
import { topologyOf } from '../support/fixture.ts';
import { dump, expectCode, ip, type Outcome, sh, workFolder } from '../support/host.ts';

const work = workFolder();
const record = '/run/topoweave/dam.json';
const folder = '/run/topoweave';
let before = '';
beforeEach(() => {
  before = dump();
});
afterEach(async () => {
  for (const name of readdirSync(folder))
    if (name.includes('.damaged')) rmSync(`${folder}/${name}`, { recursive: true });
  sh('sysctl', '-qw', 'net.core.somaxconn=4096');
  expect(dump()).toBe(before);
});
afterAll(() => work.remove());

const file = work.write(
  'dam.yaml',
  `name: dam
namespaces:
  host:
    sysctls: { net.core.somaxconn: 999 }
    routes: [{ to: 10.77.0.0/16, type: blackhole }, { to: '2001:db8:77::/48', type: blackhole }]
    routing-policy: [{ from: 10.77.1.0/24, table: 100, priority: 5000 }]
    nexthops: { gone: { blackhole: true } }
  a:
links: [[host:dam0, a:eth0]]
`,
);
const somaxconn = () => sh('sysctl', '-n', 'net.core.somaxconn').trim();
const onHost = () =>
  [
    sh('ip', 'route', 'show', 'proto', '116'),
    sh('ip', '-6', 'route', 'show', 'proto', '116'),
    sh('ip', 'rule').match(/10\.77\.1\.0/)?.[0] ?? '',
    sh('ip', 'nexthop', 'show', 'proto', '116'),
  ].join('');

function change(edit: (value: Record<string, unknown>) => void): () => void {
  return () => {
    const value = JSON.parse(readFileSync(record, 'utf8'));
    edit(value);
    writeFileSync(record, JSON.stringify(value));
  };
}

function instead(path: string, make: (path: string) => void): () => void {
  return () => {
    rmSync(path, { force: true });
    make(path);
  };
}

const fifo = (path: string) => void execFileSync('mkfifo', [path]);
const directory = (path: string) => void mkdirSync(path);
const deadLink = (path: string) => symlinkSync('/nowhere', path);

function clean(outcome: Outcome): Outcome {
  const text = outcome.stdout + outcome.stderr;
  expect(text).not.toMatch(/\bbug\b|TypeError|at .*\.ts:\d+/);
  return outcome;
}

const without: readonly (readonly [string, RegExp, () => void])[] = [
  ['cut off', /it is cut off/, () => truncateSync(record, 40)],
  ['empty', /it is empty/, () => truncateSync(record, 0)],
  ['huge', /it has \d+ bytes/, () => truncateSync(record, 8 * 1024 ** 3)],
  ['not UTF-8', /it is not UTF-8/, () => writeFileSync(record, Buffer.from([0x7b, 0xff, 0xfe, 0x7d]))],
  ['a list', /it is no map/, () => writeFileSync(record, '[]')],
  ['of another lab', /it is of the lab "x"/, change((value) => Object.assign(value, { lab: 'x' }))],
  ['a directory', /it is a directory/, instead(record, directory)],
  ['a FIFO', /it is a FIFO/, instead(record, fifo)],
  ['a dead link', /it is a symbolic link/, instead(record, deadLink)],
  ['a looping link', /it is a symbolic link/, instead(record, () => symlinkSync(record, record))],
];

test.each(without)('a record that is %s', async (_name, problem, damage) => {
  await expectCode(0, 'apply', file);
  damage();
  const { stderr } = clean(await expectCode(0, 'plan', '--detailed-exitcode', file));
  expect(stderr).toMatch(problem);
  expect(stderr.match(/warning\[damaged-file\]/g)).toHaveLength(1);
  const json = JSON.parse(clean(await expectCode(0, 'plan', '--json', file)).stdout);
  expect(json.damaged).toMatchObject([{ path: record, kept: null }]);
  expect(clean(await expectCode(0, 'status')).stderr).toMatch(problem);
  expect(existsSync(`${record}.damaged`) || lstatSync(record) === undefined).toBe(false);
  const applied = clean(await expectCode(0, 'apply', file));
  expect(applied.stderr).toContain(`kept as ${record}.damaged`);
  expect(lstatSync(`${record}.damaged`)).toBeDefined();
  expect(clean(await expectCode(0, 'plan', '--detailed-exitcode', file)).stderr).not.toContain('damaged');
  const destroyed = clean(await expectCode(1, 'destroy', 'dam'));
  expect(destroyed.stderr).toMatch(/error\[not-given-back\][\s\S]*net\.core\.somaxconn/);
  expect(onHost()).toBe('');
  expect(existsSync(record)).toBe(false);
  clean(await expectCode(0, 'destroy', 'dam'));
});

test.each(without)('destroy alone, with a record that is %s', async (_name, problem, damage) => {
  await expectCode(0, 'apply', file);
  writeFileSync(`${record}.damaged`, 'an earlier one');
  damage();
  const destroyed = clean(await expectCode(1, 'destroy', 'dam'));
  expect(destroyed.stderr).toMatch(problem);
  expect(destroyed.stderr).toContain(`kept as ${record}.damaged.1`);
  expect(readFileSync(`${record}.damaged`, 'utf8')).toBe('an earlier one');
  expect(onHost()).toBe('');
  expect(existsSync(record)).toBe(false);
  clean(await expectCode(0, 'destroy', 'dam'));
});

test.each([
  ['version', 0],
  ['version', 'one'],
  ['claims', 5],
  ['wants', [1]],
  ['options', 'x'],
  ['ports', { a: 'b' }],
  ['fdb', null],
])('of a record whose %s is %j, all else is used: the value from before comes back', async (name, value) => {
  await expectCode(0, 'apply', file);
  change((all) => Object.assign(all, { [name]: value }))();
  expect(clean(await expectCode(0, 'plan', '--detailed-exitcode', file)).stderr).toContain(name);
  const { stderr } = clean(await expectCode(0, 'destroy', 'dam'));
  expect(stderr).toContain(`wrong or missing: ${name}`);
  expect(somaxconn()).toBe('4096');
  expect(onHost()).toBe('');
});

test('a record of a newer topoweave is left as it is', async () => {
  await expectCode(0, 'apply', file);
  change((value) => Object.assign(value, { version: 2, later: 1 }))();
  const text = readFileSync(record, 'utf8');
  for (const line of [
    ['plan', file],
    ['apply', file],
    ['destroy', 'dam'],
    ['status', file],
  ])
    expect(clean(await expectCode(1, ...line)).stderr).toContain('newer topoweave (version 2');
  clean(await expectCode(0, 'status'));
  expect(readFileSync(record, 'utf8')).toBe(text);
  change((value) => Object.assign(value, { version: 1 }))();
  await expectCode(0, 'apply', file);
  expect(JSON.parse(readFileSync(record, 'utf8')).later).toBe(1);
  await expectCode(0, 'destroy', 'dam');
});

test('of a record that belongs to another user nothing is believed', async (context) => {
  await expectCode(0, 'apply', file);
  try {
    chownSync(record, 65_534, 65_534);
  } catch {
    await expectCode(0, 'destroy', 'dam');
    context.skip('this user namespace has one user');
  }
  change((value) => Object.assign(value, { sysctls: { host: { 'net.core.somaxconn': '1' } } }))();
  const { stderr } = clean(await expectCode(1, 'destroy', 'dam'));
  expect(stderr).toContain('belongs to another user');
  expect(somaxconn()).toBe('999');
});

test("what another lab's record names stays that lab's, when this one's is damaged", async () => {
  const other = work.write(
    'oth.yaml',
    'name: oth\nnamespaces: { host: { routes: [{ to: 10.78.0.0/16, type: blackhole }] } }\n',
  );
  await expectCode(0, 'apply', file);
  await expectCode(0, 'apply', other);
  truncateSync(record, 0);
  await expectCode(1, 'destroy', 'dam');
  expect(sh('ip', 'route', 'show', 'proto', '116')).toMatch(/^blackhole 10\.78\.0\.0\/16\s*$/);
  // Of two that are damaged, neither takes what may be the other's; the file says what is.
  await expectCode(0, 'apply', file);
  truncateSync(record, 0);
  truncateSync('/run/topoweave/oth.json', 0);
  await expectCode(1, 'destroy', 'dam');
  expect(sh('ip', 'route', 'show', 'proto', '116')).toContain('10.78.0.0/16');
  await expectCode(0, 'apply', other);
  await expectCode(0, 'plan', '--detailed-exitcode', other);
  await expectCode(0, 'destroy', 'oth');
  for (const family of ['-4', '-6']) ip('host', family, 'route', 'flush', 'proto', '116');
  ip('host', 'nexthop', 'flush', 'proto', '116');
  if (sh('ip', 'rule').includes('10.77.1.0')) ip('host', 'rule', 'del', 'priority', '5000');
});

test.each([
  ['a FIFO', fifo],
  ['a directory', directory],
  ['a link', deadLink],
])('a lock that is %s', async (_name, make) => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  instead(`${folder}/lock`, make)();
  const { stderr } = clean(await expectCode(1, 'apply', file));
  expect(stderr).toContain('is not a file');
  rmSync(`${folder}/lock`, { recursive: true });
});

const service = work.write(
  'dam-service.yaml',
  'name: dam\nnamespaces:\n  s: { services: { one: { command: [sleep, "7131"] } } }\n',
);
const ofService = `${folder}/dam.services/s:one.json`;
const running = () => sh('ps', '-eo', 'args').match(/^sleep 7131$/gm)?.length ?? 0;

test.each([
  ['cut off', () => truncateSync(ofService, 30)],
  ['empty', () => truncateSync(ofService, 0)],
  ['of wrong types', () => writeFileSync(ofService, '{"version":1,"attributes":7,"process":[],"log":{}}')],
  ['a FIFO', instead(ofService, fifo)],
  ['a directory', instead(ofService, directory)],
])('the record of a service that is %s: its process is found by its name', async (_name, damage) => {
  await expectCode(0, 'apply', service);
  damage();
  clean(await expectCode(0, 'status'));
  expect(clean(await expectCode(0, 'plan', service)).stderr).toContain('s:one.json is damaged');
  expect(clean(await expectCode(0, 'apply', service)).stderr).toMatch(/kept as \S+s:one\.json\.damaged/);
  expect(running()).toBe(1);
  clean(await expectCode(0, 'plan', '--detailed-exitcode', service));
  damage();
  clean(await expectCode(0, 'destroy', 'dam'));
  expect(running()).toBe(0);
  expect(readdirSync(folder).filter((name) => name.startsWith('dam.') && !name.includes('.damaged'))).toEqual(
    [],
  );
});

const wireguard = `name: dam
namespaces: [w1, w2]
links: [{ endpoints: { w1:eth0: 10.9.0.1/24, w2:eth0: 10.9.0.2/24 } }]
tunnels:
  wg0:
    type: wireguard
    endpoints: { w1: { local: 10.9.0.1, addresses: 10.8.0.1/24 }, w2: { local: 10.9.0.2, addresses: 10.8.0.2/24 } }
`;

test('a kept key that is damaged is put aside, and a new one is made', async () => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const key = `${folder}/dam.keys/w1:wg0`;
  // The kernel may have no WireGuard: what is kept of it is the same without.
  const keep = async () => {
    const topology = await topologyOf(work.write('dam-wireguard.yaml', wireguard));
    const keyed = resolveKeys({ topology, file: '/tmp/dam.yaml', make: true });
    storeKeys(keyed);
    forgetKeys('dam', keyed);
    return takeDamage().map(({ path, kept }) => ({ path, kept }));
  };
  expect(await keep()).toEqual([]);
  const whole = readFileSync(key, 'utf8');
  expect(await keep()).toEqual([]);
  expect(readFileSync(key, 'utf8')).toBe(whole);
  const damages = [
    () => writeFileSync(key, 'no key'),
    () => truncateSync(key, 20),
    instead(key, directory),
    instead(key, fifo),
    instead(key, deadLink),
  ];
  for (const [index, damage] of damages.entries()) {
    damage();
    expect(await keep()).toEqual([{ path: key, kept: `${key}.damaged${index === 0 ? '' : `.${index}`}` }]);
    expect(readFileSync(key, 'utf8')).toHaveLength(whole.length);
    expect(await keep()).toEqual([]);
  }
  forgetKeys('dam', undefined);
  expect(existsSync(`${folder}/dam.keys`)).toBe(false);
});

test('what killed runs left is cleared by the next change, and nothing else', async () => {
  await expectCode(0, 'apply', service);
  const { pid } = spawn('sleep', ['0']);
  const own = sh('readlink', '/proc/self/ns/pid').replace(/\D/g, '');
  const stale = [
    `${folder}/dam.json.17.new`,
    `${folder}/dam.services/s.one.json.17.new`,
    `${folder}/reads-${own}-${pid}-1-abcdef`,
    `${folder}/jobs-abcdef`,
  ];
  const start = readFileSync('/proc/self/stat', 'latin1').split(') ')[1]?.split(' ')[19];
  const stays = [
    `${folder}/reads-${own}-${process.pid}-${start}-abcdef`,
    `${folder}/reads-1-17-1-abcdef`,
    `${folder}/explain.tables.17.new`,
    `${folder}/notes.new`,
  ];
  for (const path of [...stale, ...stays]) {
    if (/(jobs|reads)-/.test(path)) {
      mkdirSync(path);
      writeFileSync(`${path}/0.in`, 'secret');
    } else writeFileSync(path, 'secret');
  }
  await expectCode(0, 'apply', service);
  expect(stale.filter((path) => existsSync(path))).toEqual([]);
  expect(stays.filter((path) => !existsSync(path))).toEqual([]);
  for (const path of stays) rmSync(path, { recursive: true });
  await expectCode(0, 'destroy', 'dam');
});

const names = work.write(
  'dam-names.yaml',
  'name: dam\ndefaults: { hosts: true }\nnamespaces: [n1, n2]\nlinks: [{ endpoints: { n1:eth0: 10.6.0.1/24, n2:eth0: 10.6.0.2/24 } }]\n',
);

test('folders below /etc/netns that a killed run made go, and those of others stay', async () => {
  const was = existsSync('/etc/netns');
  mkdirSync('/etc/netns/foreign', { recursive: true });
  mkdirSync('/etc/netns/n2');
  await expectCode(0, 'apply', names);
  // As it is when a run is killed between the folder and its first file, or between the last file and the folder.
  change((value) => Object.assign(value, { etc: ['n1'] }))();
  for (const name of readdirSync('/etc/netns/n1')) rmSync(`/etc/netns/n1/${name}`);
  writeFileSync('/etc/netns/.topoweave.new', 'half');
  await expectCode(0, 'apply', names);
  expect(existsSync('/etc/netns/.topoweave.new')).toBe(false);
  expect(JSON.parse(readFileSync(record, 'utf8')).etc).toEqual(['n1']);
  await expectCode(0, 'destroy', 'dam');
  expect(readdirSync('/etc/netns').sort()).toEqual(['foreign', 'n2']);
  rmSync('/etc/netns/foreign', { recursive: true });
  rmSync('/etc/netns/n2', { recursive: true });
  if (!was) rmSync('/etc/netns', { recursive: true });
});

test('a folder of topoweave that is something else is said', async () => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  renameSync(folder, `${folder}-before`);
  try {
    for (const make of [(path: string) => writeFileSync(path, ''), fifo, deadLink]) {
      instead(folder, make)();
      expect(clean(await expectCode(1, 'apply', file)).stderr).toContain('is not a folder');
    }
  } finally {
    rmSync(folder, { force: true });
    renameSync(`${folder}-before`, folder);
  }
});
