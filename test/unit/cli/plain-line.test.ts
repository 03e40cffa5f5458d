import { expect, test } from 'vitest';
import { parse } from '../../../src/cli/parse.ts';
import { readPlainLine } from '../../../src/cli/plain-line.ts';

const io = {
  stdout: () => {},
  stderr: () => {},
  env: {},
  cwd: '/',
  stdoutIsTty: false,
  stderrIsTty: false,
  columns: 80,
};

const plain = [
  ['validate', 'a.yaml'],
  ['validate', 'a.yaml', 'b.yaml'],
  ['apply', 'a.yaml'],
  ['status'],
  ['status', 'office'],
  ['doctor'],
  ['completion', 'bash'],
];

test.each(plain)('%s %s %s: plain words mean the same without the parser', (...words) => {
  const argv = words.filter((word) => word !== undefined);
  const parsed = parse(argv, io);
  expect(parsed.kind).toBe('run');
  if (parsed.kind === 'run') {
    const { command, invocation } = parsed;
    expect(readPlainLine(argv)).toEqual({ command, invocation: { ...invocation, options: {} } });
  }
});

const notPlain = [
  ['apply', 'a.yaml', 'b.yaml'],
  ['apply', '--json', 'a.yaml'],
  ['apply', '-'],
  ['exec', 'a', '--', 'ls'],
  ['nonsense'],
  [],
];

test.each(notPlain)('%s %s %s: left to the parser', (...words) => {
  expect(readPlainLine(words.filter((word) => word !== undefined))).toBeUndefined();
});
