import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { afterAll, afterEach, expect, test } from 'vitest';
import { expectCode, sh, workFolder } from '../support/host.ts';

const folder = workFolder();
afterAll(() => folder.remove());
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
  rmSync('/etc/netns', { recursive: true, force: true });
});

const lab = (a: string, address = '10.0.0.2', defaults = '') =>
  folder.write(
    'lab.yaml',
    `name: lab
${defaults}
namespaces:
  a: ${a}
  b: { aliases: [database] }
links: [{ endpoints: { a:eth0: 10.0.0.1/24, b:eth0: ${address}/24 } }]
`,
  );

const full =
  '{ hostname: www.lab.example, hosts: { printer: 10.0.0.9, db: b }, nameservers: { addresses: [10.0.0.53], search: [lab.example], options: ["ndots:1"] } }';
const read = (name: string, namespace = 'a') => readFileSync(`/etc/netns/${namespace}/${name}`, 'utf8');

async function apply(file: string): Promise<string> {
  const { stdout } = await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  return stdout;
}

test('a namespace has its own names, and gives them back', async () => {
  await apply(lab(full));
  expect(read('hosts')).toBe(`# topoweave:lab hostname folder root
127.0.0.1 localhost
::1 localhost ip6-localhost ip6-loopback
10.0.0.1 a www.lab.example www
10.0.0.9 printer
10.0.0.2 db
10.0.0.2 b database
`);
  expect(read('hostname')).toBe('www.lab.example\n');
  expect(read('resolv.conf')).toContain('\nsearch lab.example\nnameserver 10.0.0.53\noptions ndots:1\n');
  expect(statSync('/etc/netns/a').mode & 0o777).toBe(0o755);
  expect(statSync('/etc/netns/a/hosts').mode & 0o777).toBe(0o644);
  expect(readdirSync('/etc/netns')).toEqual(['a']);
  expect(sh('ip', 'netns', 'exec', 'a', 'getent', 'hosts', 'database')).toContain('10.0.0.2');
  sh('ip', 'netns', 'exec', 'a', 'ping', '-c1', '-W5', 'db');
  await expectCode(0, 'exec', 'a', '--', 'sh', '-c', 'test "$(hostname)" = www.lab.example');
  expect(sh('hostname').trim()).not.toBe('www.lab.example');
  await expectCode(0, 'destroy', 'lab');
  expect(existsSync('/etc/netns')).toBe(false);
});

test('what a killed run left of a file goes with the folder', async () => {
  await apply(lab(full));
  writeFileSync('/etc/netns/.topoweave.new', '# topo');
  await expectCode(0, 'destroy', 'lab');
  expect(existsSync('/etc/netns')).toBe(false);
});

test('names follow addresses, and what somebody changes is put back', async () => {
  await apply(lab(full));
  const { stdout } = await expectCode(0, 'plan', lab(full, '10.0.0.7'));
  expect(stdout).toMatch(/~ file \/etc\/netns\/a\/hosts[^\n]*\n\s+- 10\.0\.0\.2 db\n/);
  await apply(lab(full, '10.0.0.7'));
  expect(read('hosts')).toContain('10.0.0.7 b database');
  writeFileSync('/etc/netns/a/hosts', `${read('hosts')}10.0.0.66 evil\n`);
  writeFileSync('/etc/netns/a/hostname', 'other\n');
  rmSync('/etc/netns/a/resolv.conf');
  await expectCode(2, 'plan', '--detailed-exitcode', lab(full, '10.0.0.7'));
  await apply(lab(full, '10.0.0.7'));
  expect(read('hosts')).not.toContain('evil');
  expect(read('hostname')).toBe('www.lab.example\n');
  rmSync('/etc/netns/a/hosts');
  rmSync('/etc/netns/a/resolv.conf');
  await apply(lab(full, '10.0.0.7'));
  await apply(lab('{ hosts: {} }'));
  expect(readdirSync('/etc/netns/a')).toEqual(['hosts']);
  await apply(lab('{}'));
  // Whether there was a folder before stood in the files that are gone.
  expect(existsSync('/etc/netns/a/hosts')).toBe(false);
});

test("somebody else's file is in the way, and stays", async () => {
  mkdirSync('/etc/netns/a', { recursive: true });
  writeFileSync('/etc/netns/a/resolv.conf', 'nameserver 192.0.2.53\n');
  const { stderr } = await expectCode(1, 'apply', lab(full));
  expect(stderr).toContain('/etc/netns/a/resolv.conf in a is already there and does not belong to this lab');
  expect(existsSync('/run/netns/a')).toBe(false);
  await apply(lab('{ hostname: www }'));
  await expectCode(0, 'destroy', 'lab');
  expect(readdirSync('/etc/netns/a')).toEqual(['resolv.conf']);
  expect(read('resolv.conf')).toBe('nameserver 192.0.2.53\n');
});

test('a folder of others and symbolic links are refused', async () => {
  mkdirSync('/etc/netns', { recursive: true });
  symlinkSync('/tmp', '/etc/netns/a');
  expect((await expectCode(1, 'apply', lab(full))).stderr).toMatch(/ELOOP|ENOTDIR|is not a folder/);
  expect(existsSync('/tmp/hosts')).toBe(false);
  rmSync('/etc/netns/a');
  mkdirSync('/etc/netns/a', { recursive: true });
  sh('chmod', '777', '/etc/netns/a');
  expect((await expectCode(1, 'apply', lab(full))).stderr).toContain('/etc/netns/a can be written by others');
});

test('the folder of all is gone with the last lab', async () => {
  await apply(lab('{ hostname: www }'));
  const other = 'name: other\nnamespaces: { c: { hostname: mail } }\n';
  await apply(folder.write('other.yaml', other));
  await expectCode(0, 'destroy', 'lab');
  expect(readdirSync('/etc/netns')).toEqual(['c']);
  await expectCode(0, 'destroy', 'other');
  expect(existsSync('/etc/netns')).toBe(false);
});

test('with defaults.hosts, everybody knows everybody', async () => {
  await apply(lab('{}', '10.0.0.2', 'defaults: { hosts: true }'));
  expect(read('hosts', 'b')).toContain('10.0.0.1 a\n');
  sh('ip', 'netns', 'exec', 'b', 'ping', '-c1', '-W5', 'a');
});

test('checks and explain take the names that a namespace knows, as getent does there', async () => {
  const file = folder.write(
    'names.yaml',
    `name: lab
namespaces:
  web: { hostname: www.lab.example, hosts: { printer: 10.0.0.3, postgres: sql } }
  sql: {}
  db: {}
networks:
  lan: { subnet: 10.0.0.0/24, members: { web: null, sql: 10.0.0.2, db: { addresses: 10.0.0.3, aliases: [database] } } }
checks:
  - ping: { from: web, to: database }
  - ping: { from: web, to: printer }
  - tcp: { from: db, to: "www:80" }
  - tcp: { from: web, to: "postgres:5432" }
  - ping: { from: host, to: database }
`,
  );
  await apply(file);
  await expectCode(0, 'check', file);
  for (const [from, name] of [
    ['web', 'database'],
    ['web', 'printer'],
    ['web', 'postgres'],
    ['db', 'www.lab.example'],
  ] as const) {
    const [address = ''] = sh('ip', 'netns', 'exec', from, 'getent', 'hosts', name).split(/\s/);
    const { stdout } = await expectCode(0, 'explain', from, name);
    expect(stdout).toContain(`${from} -> ${address}/icmp (${name})\n`);
  }
  const { stderr } = await expectCode(64, 'explain', 'db', 'printer');
  expect(stderr).toContain("'printer' is neither an address nor a namespace, nor a name that db knows");
});
