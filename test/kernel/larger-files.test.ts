import { readFileSync } from 'node:fs';
import { afterAll, afterEach, expect, test } from 'vitest';
import { dump, expectCode, ip, namespaces, topoweave, workFolder } from '../support/host.ts';

const folder = workFolder();
afterAll(() => folder.remove());
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
});

const base = folder.write(
  'base.yaml',
  `name: several
vars: { hosts: 2, mtu: 1500 }
templates:
  host: { routes: { default: 10.0.0.254 } }
namespaces:
  gw: {}
  h[1-\${hosts}]: { template: host }
bridges:
  lan: { namespace: gw, mtu: "\${mtu}", addresses: 10.0.0.254/24, ports: { "h[1-\${hosts}]:eth0": 10.0.0.<n>/24 } }
`,
);
const site = folder.write(
  'site.yaml',
  `namespaces:
  h2: { forwarding: true }
bridges:
  lan: { ports: { "h2:eth0": { alias: the second } } }
`,
);

test('several files and variables make one lab, which remembers them', async () => {
  const before = dump();
  await expectCode(0, 'apply', base, '-f', site, '--set', 'hosts=3', '--set', 'mtu=1400');
  expect(namespaces()).toEqual(['gw', 'h1', 'h2', 'h3']);
  expect(ip('h3', 'link', 'show', 'dev', 'eth0')).toContain('mtu 1400');
  expect(ip('h2', 'link', 'show', 'dev', 'eth0')).toContain('the second');
  expect(ip('h2', 'address', 'show', 'dev', 'eth0')).toContain('10.0.0.2/24');
  await expectCode(
    0,
    'plan',
    '--detailed-exitcode',
    '-f',
    base,
    '-f',
    site,
    '--set',
    'hosts=3',
    '--set',
    'mtu=1400',
  );

  // By its name, the files and the variables are read again; another value shows as drift.
  const { stdout } = await expectCode(0, 'status', 'several', '--detailed-exitcode');
  expect(stdout).toContain('no drift');
  const drift = await expectCode(2, 'status', 'several', '--detailed-exitcode', '--set', 'hosts=2');
  expect(drift.stdout).toContain('h3');
  const record = JSON.parse(readFileSync('/run/topoweave/several.json', 'utf8')) as object;
  expect(record).toMatchObject({ file: base, more: { over: [site], set: { hosts: '3', mtu: '1400' } } });

  // Without the overlay and the variables, the lab is what the first file alone says.
  await expectCode(0, 'apply', base);
  expect(namespaces()).toEqual(['gw', 'h1', 'h2']);
  expect(JSON.parse(readFileSync('/run/topoweave/several.json', 'utf8'))).not.toHaveProperty('more');
  await expectCode(0, 'destroy', 'several');
  expect(dump()).toBe(before);
});

test('the plan says in which file a thing is written', async () => {
  folder.write('part.yaml', 'namespaces:\n  "[a,b]": {}\n');
  const main = folder.write('main.yaml', `name: parts\ninclude: part.yaml\nlinks:\n  - [a:eth0, b:eth0]\n`);
  const { stdout } = await expectCode(0, 'plan', main);
  expect(stdout).toMatch(/namespace a\n {2}\+ namespace {2}# part\.yaml:2/);
  expect(stdout).toMatch(/namespace b\n {2}\+ namespace {2}# part\.yaml:2/);
  expect(stdout).toMatch(/veth eth0 {2}# main\.yaml:4/);
  const json = await expectCode(0, 'plan', main, '--json');
  expect(json.stdout).toContain('"source": "part.yaml:2"');
});

test('destroy by file needs the name alone', async () => {
  await expectCode(0, 'apply', base, '--set', 'hosts=1');
  const named = folder.write('named.yaml', `name: "\${LAB}"\nnamespaces: [a]\n`);
  const missing = await topoweave('destroy', named);
  expect(missing.code).toBe(64);
  await expectCode(0, 'destroy', named, '--set', 'LAB=several');
  expect(namespaces()).toEqual([]);
});
