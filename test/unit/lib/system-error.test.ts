import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { TopoweaveError } from '../../../src/lib/errors.ts';
import { asKnownError, messageOf, orMissing, withPath } from '../../../src/lib/system-error.ts';

function fault(code: string, syscall: string, path?: string): Error {
  return Object.assign(new Error(`${code}: words of Node, ${syscall}`), {
    code,
    syscall,
    ...(path === undefined ? {} : { path }),
  });
}

const cases = [
  [
    'ENOSPC',
    'write',
    '/run/a/x.json',
    'cannot write /run/a/x.json: no space left on device',
    /df -h \/run\/a/,
  ],
  ['EIO', 'read', '/proc/1/stat', 'cannot read /proc/1/stat: i/o error', /dmesg/],
  ['EACCES', 'open', '/run/a', 'cannot open /run/a: permission denied', /capability/],
  [
    'EROFS',
    'unlink',
    '/etc/netns/a/hosts',
    'cannot remove /etc/netns/a/hosts: read-only file system',
    /mount/,
  ],
  ['EAGAIN', 'spawn sh', 'sh', 'cannot start sh: resource temporarily unavailable', /ulimit -u/],
  ['EMFILE', 'scandir', '/proc', 'cannot list /proc: too many open files', /ulimit -n/],
] as const;

test.each(cases)('%s of %s is no bug', (code, syscall, path, message, hint) => {
  const error = asKnownError(fault(code, syscall, path)) as TopoweaveError;
  expect(error).toBeInstanceOf(TopoweaveError);
  expect(error.message).toBe(message);
  expect(error.hint).toMatch(hint);
  expect(error.exitCode).toBe(1);
});

test('an errno that Node has no name for gets its own', () => {
  const error = fault('Unknown system error -122', 'write', '/run/a');
  expect(messageOf(error)).toBe('cannot write /run/a: disk quota exceeded');
});

test('a mistake of the program stays one', () => {
  for (const error of [
    new TypeError('x is not a function'),
    new RangeError('too long'),
    Object.assign(new TypeError('The "path" argument'), { code: 'ERR_INVALID_ARG_TYPE' }),
  ])
    expect(asKnownError(error)).toBe(error);
});

test('an error of an open file gets the path that it was opened by', () => {
  const work = () =>
    withPath('/run/a', () => {
      throw fault('ENOSPC', 'write');
    });
  expect(work).toThrow();
  try {
    work();
  } catch (error) {
    expect(messageOf(error)).toBe('cannot write /run/a: no space left on device');
  }
});

test('only what is not there is missing', () => {
  expect(orMissing(() => readFileSync('/nonexistent/file', 'utf8'), 'nothing')).toBe('nothing');
  expect(() =>
    orMissing(() => {
      throw fault('EMFILE', 'open', '/x');
    }, 'nothing'),
  ).toThrow('EMFILE');
});
