import { readdirSync, rmSync } from 'node:fs';
import { afterAll, afterEach, expect, test } from 'vitest';
import { labGroup, linkTag } from '../../src/kinds/marks.ts';
import { expectCode, ip, namespaces, sh, topoweave, workFolder } from '../support/host.ts';

const folder = workFolder();
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
  for (const name of namespaces()) sh('ip', 'netns', 'del', name);
});
afterAll(() => folder.remove());

const lab = (text = 'links: [[a:eth0, b:eth0]]') =>
  folder.write('lab.yaml', `name: lab\nnamespaces: [a, b]\n${text}\n`);

/** A namespace of others, with a bridge, whose owner wrote the lab's mark wherever it can. */
function forge(name = 'box'): void {
  sh('ip', 'netns', 'add', name);
  ip(name, 'link', 'set', 'lo', 'alias', 'topoweave:lab:nft');
  ip(name, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth1');
  for (const link of ['eth0', 'eth1']) {
    ip(name, 'link', 'set', link, 'group', String(labGroup('lab')));
    ip(name, 'link', 'set', link, 'alias', `topoweave:lab:${linkTag('a/eth0', 'b/eth0')}`);
  }
}

function loseRecords(): void {
  for (const file of readdirSync('/run/topoweave'))
    if (file.endsWith('.json')) rmSync(`/run/topoweave/${file}`);
}

const warning = "warning[not-ours] namespace box carries the mark of lab 'lab'";

test('with a record, what it does not list stays, and is named', async () => {
  await expectCode(0, 'apply', lab());
  forge();
  const before = ip('box', '-j', '-d', 'link');
  expect((await expectCode(0, 'plan', '--detailed-exitcode', lab())).stderr).toContain(warning);
  expect((await expectCode(0, 'apply', lab())).stderr).toContain(warning);
  const status = await expectCode(0, 'status');
  expect(status.stderr).toContain(warning);
  expect(status.stdout).toMatch(/^lab +2 +2 /m);
  expect((await expectCode(0, 'inspect')).stdout).toContain(
    "namespace box (marked as one of lab 'lab', which did not make it)",
  );
  expect((await expectCode(0, 'inspect', 'lab')).stdout).not.toContain('box');
  const { stdout, stderr } = await expectCode(0, 'destroy', 'lab');
  expect(stdout).toContain("Destroyed lab 'lab': 2 namespaces with all that was in them.");
  expect(stderr).toContain(warning);
  expect(namespaces()).toEqual(['box']);
  expect(ip('box', '-j', '-d', 'link')).toBe(before);
});

test('without a record, a mark alone is not enough; the two ends of a pair are', async () => {
  await expectCode(0, 'apply', lab());
  forge();
  loseRecords();
  const before = ip('box', '-j', '-d', 'link');
  const { stdout, stderr } = await expectCode(0, 'destroy', 'lab');
  expect(stdout).toContain("Destroyed lab 'lab': 2 namespaces with all that was in them.");
  expect(stderr).toContain(warning);
  expect(namespaces()).toEqual(['box']);
  expect(ip('box', '-j', '-d', 'link')).toBe(before);
  expect((await expectCode(0, 'destroy', 'lab')).stdout).toContain("there is no lab 'lab'");
  await expectCode(0, 'destroy', '--all');
  expect(ip('box', '-j', '-d', 'link')).toBe(before);
});

test('without a record, an end in the host is enough, and a forged copy of it is not', async () => {
  await expectCode(0, 'apply', lab('links: [[host:to-a, a:eth0], [a:eth1, b:eth0]]'));
  const find = (namespace: string, name: string) =>
    (
      JSON.parse(ip(namespace, '-j', 'link', 'show', 'dev', name)) as { ifindex: number; ifalias: string }[]
    )[0];
  const far = find('a', 'eth0');
  const near = find('host', 'to-a');
  sh('ip', 'netns', 'add', 'box');
  sh('ip', 'netns', 'add', 'child');
  ip('box', 'link', 'set', 'lo', 'alias', 'topoweave:lab:');
  // The same numbers as those of the pair with the host, and the same mark: but the host's end is of another.
  const numbers = [
    'index',
    String(far?.ifindex),
    'type',
    'veth',
    'peer',
    'name',
    'x',
    'index',
    String(near?.ifindex),
  ];
  ip('box', 'link', 'add', 'name', 'eth0', ...numbers, 'netns', 'child');
  ip('box', 'link', 'set', 'eth0', 'alias', far?.ifalias ?? '');
  loseRecords();
  const { stderr } = await expectCode(0, 'destroy', 'lab');
  expect(stderr).toContain(warning);
  expect(namespaces()).toEqual(['box', 'child']);
  expect(ip('host', 'link')).not.toContain('to-a');
});

test('without a record, what has no pair needs the file', async () => {
  const alone = folder.write('alone.yaml', 'name: lab\nnamespaces: [a, b]\n');
  await expectCode(0, 'apply', alone);
  loseRecords();
  const { stderr } = await expectCode(0, 'destroy', 'lab');
  expect(stderr).toContain("namespace a carries the mark of lab 'lab'");
  expect(namespaces()).toEqual(['a', 'b']);
  await expectCode(0, 'plan', '--detailed-exitcode', alone);
  await expectCode(2, 'plan', '--destroy', '--detailed-exitcode', alone);
  await expectCode(0, 'destroy', alone);
  expect(namespaces()).toEqual([]);
});

test("another lab's forged mark is no lab's either; a declared name is a conflict", async () => {
  await expectCode(0, 'apply', lab());
  forge();
  const other = folder.write('other.yaml', 'name: other\nnamespaces: [box]\n');
  const { stderr } = await expectCode(1, 'apply', other);
  expect(stderr).toContain('namespace box is already there and does not belong to this lab');
  expect(stderr).not.toContain('topoweave destroy lab');
});

test("links with the lab's mark in a namespace of others stay; one that somebody moved there goes", async () => {
  await expectCode(0, 'apply', lab());
  sh('ip', 'netns', 'add', 'box');
  ip('box', 'link', 'add', 'fake', 'type', 'bridge');
  ip('box', 'link', 'set', 'fake', 'group', String(labGroup('lab')));
  ip('box', 'link', 'set', 'fake', 'alias', 'topoweave:lab:0123456789ab');
  await expectCode(0, 'plan', '--detailed-exitcode', lab());
  ip('a', 'link', 'set', 'eth0', 'netns', 'box');
  await expectCode(0, 'apply', lab());
  expect(ip('box', 'link')).not.toContain('eth0');
  await expectCode(0, 'destroy', 'lab');
  expect(ip('box', 'link')).toContain('fake');
});

test('a killed run is found by its claims, and a record without a list by the pairs', async () => {
  await expectCode(0, 'apply', lab());
  const path = '/run/topoweave/lab.json';
  sh(
    'sh',
    '-c',
    `node -e 'const f=require("fs");const r=JSON.parse(f.readFileSync("${path}"));delete r.namespaces;f.writeFileSync("${path}",JSON.stringify(r))'`,
  );
  await expectCode(0, 'plan', '--detailed-exitcode', lab());
  const { stdout } = await topoweave('destroy', 'lab');
  expect(stdout).toContain('2 namespaces');
  expect(namespaces()).toEqual([]);
});
