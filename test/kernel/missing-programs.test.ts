import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { execa } from 'execa';
import { afterAll, afterEach, expect, test } from 'vitest';
import { dump, expectCode, sh, workFolder } from '../support/host.ts';

const folder = workFolder();
afterAll(() => folder.remove());
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
});

const lab = (service: string) =>
  folder.write(
    'lab.yaml',
    `name: lab
namespaces: { a: { services: { one: ${service} } }, b: {} }
links: [{ endpoints: { a:eth0: 10.0.0.1/24, b:eth0: 10.0.0.2/24 } }]
`,
  );

/** `plan` shows the plan and says what is missing; `apply` says it before anything is there. */
async function isMissing(file: string, why: RegExp): Promise<void> {
  const before = dump();
  const planned = await expectCode(69, 'plan', file);
  expect(planned.stdout).toContain('to add');
  expect(planned.stderr).toMatch(why);
  const { stderr } = await expectCode(69, 'apply', file);
  expect(stderr).toMatch(why);
  expect(stderr).toContain('nothing was changed');
  expect(dump()).toBe(before);
}

function program(name: string, text: string, mode = 0o755): string {
  const path = `${folder.path}/${name}`;
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

test('a program of a service that cannot be started is known before', async () => {
  const plain = program('plain', '#!/bin/sh\n', 0o644);
  const script = program('script', '#!/nowhere/python9 -u\n');
  const byEnv = program('by-env', '#!/usr/bin/env python9\n');
  mkdirSync(`${folder.path}/bin/tool`, { recursive: true });
  const bin = `${folder.path}/bin`;
  await isMissing(lab('{ command: /nowhere/x }'), /'\/nowhere\/x' .* is not installed/);
  await isMissing(lab('{ command: surely-not-there }'), /is not installed/);
  await isMissing(lab(`{ command: ${plain} }`), /is not executable/);
  await isMissing(lab(`{ command: ${bin} }`), /is a folder/);
  await isMissing(lab(`{ command: ${script} }`), /a script for \/nowhere\/python9, which is not installed/);
  await isMissing(lab(`{ command: ${byEnv} }`), /a script for python9/);
  await isMissing(lab(`{ command: sleep 9, environment: { PATH: ${bin} } }`), /'sleep' .* is not installed/);
  await isMissing(lab(`{ command: ./tool, directory: ${bin} }`), /is a folder/);
  await isMissing(lab('{ command: sleep 9, directory: /nowhere }'), /no folder \/nowhere/);
  await isMissing(lab('{ command: sleep 9, user: nobody-there }'), /no user nobody-there/);
  await isMissing(lab('{ command: sleep 9, owner: nobody-there }'), /no user nobody-there/);
  await isMissing(lab('{ command: sleep 9, ready: { command: surely-not-there } }'), /is not installed/);
  // The folder of these tests is root's alone.
  const open = program('open', '#!/bin/sh\nexec sleep 999\n');
  await isMissing(lab(`{ command: ${open}, user: nobody }`), /not open to the user nobody/);
  await expectCode(0, 'apply', lab(`{ command: ${open} }`));
});

test('a place that can only be read is known before', async () => {
  const file = lab('{ command: sleep 9 }');
  const sysctl = folder.write('sysctl.yaml', 'name: lab\nnamespaces: { a: { forwarding: true } }\n');
  const names = folder.write('names.yaml', 'name: lab\nnamespaces: { a: { hosts: { x: 10.0.0.9 } } }\n');
  for (const [place, path] of [
    ['/proc/sys', sysctl],
    ['/etc', names],
    ['/run/netns', file],
  ] as const) {
    sh('mkdir', '-p', place);
    sh('mount', '--bind', place, place);
    sh('mount', '-o', 'remount,ro,bind', place);
    try {
      await isMissing(path, /is mounted read-only/);
    } finally {
      sh('umount', place);
    }
  }
});

test('the tools of a plan are known before', async () => {
  const nat = folder.write(
    'nat.yaml',
    `name: lab
namespaces: { a: { nat: { masquerade: [{ from: 10.0.0.0/24, out: eth0 }] } }, b: {} }
links: [{ endpoints: { a:eth0: 10.0.0.1/24, b:eth0: 10.0.0.2/24 } }]
`,
  );
  const service = lab('{ command: sleep 9, capabilities: [net_raw] }');
  // In a mount namespace of its own, where an empty file stands in the place of the program.
  const without = (name: string, ...argv: string[]) =>
    execa(
      'unshare',
      [
        ...[
          '--mount',
          'sh',
          '-c',
          'for f in /usr/sbin /usr/bin /sbin /bin; do [ ! -e $f/$1 ] || mount --bind "$2" $f/$1; done; shift 2; exec "$@"',
        ],
        ...['sh', name, program('empty', '', 0o644), process.execPath, 'dist/topoweave.js', ...argv],
      ],
      { reject: false },
    );
  for (const [name, file] of [
    ['setpriv', service],
    ['mkfifo', service],
    ...(process.env['TOPOWEAVE_ENGINE'] === 'ip' ? ([['nft', nat]] as const) : []),
  ] as const) {
    const before = dump();
    for (const command of ['plan', 'apply']) {
      const { exitCode, stderr } = await without(name, command, file);
      expect([exitCode, stderr]).toEqual([
        69,
        expect.stringContaining(`the program '${name}' is not installed`),
      ]);
    }
    expect(dump()).toBe(before);
  }
});

test('rights of root that are missing are known before', async () => {
  const file = lab('{ command: sleep 9 }');
  for (const right of ['net_admin', 'sys_admin'])
    for (const command of ['plan', 'apply', 'destroy', 'inspect']) {
      const { exitCode, stderr } = await execa(
        'setpriv',
        [
          `--bounding-set=-${right}`,
          `--inh-caps=-${right}`,
          process.execPath,
          'dist/topoweave.js',
          command,
          file,
        ],
        { reject: false },
      );
      expect([exitCode, stderr]).toEqual([
        69,
        expect.stringContaining(`root has no CAP_${right.toUpperCase()} here`),
      ]);
    }
});
