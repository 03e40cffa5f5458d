import { chmodSync, closeSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openFolder, openParent } from '../../../src/system/open-folder.ts';

const folder = mkdtempSync(join(tmpdir(), 'topoweave-folder-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('a folder is opened part by part, and says whether only root can change it', () => {
  const root = openFolder('/');
  expect(root.isTrusted).toBe(true);
  closeSync(root.fd);
  const open = join(folder, 'open');
  mkdirSync(open);
  chmodSync(open, 0o777);
  const parent = openParent(`${open}/./x.log`);
  expect([parent.name, parent.isTrusted]).toEqual(['x.log', false]);
  closeSync(parent.fd);
});

test('what is no folder, and links that others could have put there, are refused', () => {
  const open = join(folder, 'shared');
  mkdirSync(open);
  chmodSync(open, 0o777);
  symlinkSync('/etc', join(open, 'link'));
  writeFileSync(join(folder, 'file'), '');
  expect(() => openFolder(join(open, 'link'))).toThrow('is a symbolic link that others');
  expect(() => openFolder(join(open, 'link/deeper'))).toThrow(`${open}/link is a symbolic link`);
  expect(() => openFolder(join(folder, 'file'))).toThrow('file is not a folder');
  expect(() => openFolder(join(folder, 'none/x'))).toThrow(`there is no folder ${folder}/none`);
  expect(() => openParent('/')).toThrow('is not a file');
  const circle = join(folder, 'circle');
  symlinkSync('circle', circle);
  expect(() => openFolder(circle)).toThrow('is a symbolic link');
});
