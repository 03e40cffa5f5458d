import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadText } from '../../src/loader/load.ts';

const MODELINE = /^# yaml-language-server: \$schema=\.\.\/schemas\/(topology|parts)\.schema\.json$/;

const examples = readdirSync('topologies')
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => {
    const path = `topologies/${name}`;
    return { path, name: name.replace(/\.yaml$/, ''), text: readFileSync(path, 'utf8') };
  });

describe.each(examples)('$path', ({ path, name, text }) => {
  test('begins with the line for editors and a comment', () => {
    const [first, second] = text.split('\n');
    expect(first).toMatch(MODELINE);
    expect(second).toMatch(/^# \S/);
  });

  test('is valid, without warnings', async () => {
    const { diagnostics, topology } = await loadText(path, text);
    expect(diagnostics).toEqual([]);
    expect(topology).toBeDefined();
  });

  test('is called as its file is', async () => {
    const { topology } = await loadText(path, text);
    expect(topology?.name).toBe(name);
  });

  test('has checks, each with a name of its own, one of them positive', async () => {
    const { topology } = await loadText(path, text);
    const checks = topology?.checks ?? [];
    expect(checks.some((check) => check.expect === 'reachable')).toBe(true);
    expect(new Set(checks.map((check) => check.name)).size).toBe(checks.length);
  });

  test('has no line longer than a terminal is wide', () => {
    expect(text.split('\n').filter((line) => line.length > 125)).toEqual([]);
  });
});

test('the examples that the documentation names are there', () => {
  const names = examples.map((example) => example.name);
  const documented = [
    ...readFileSync('docs/scenarios.md', 'utf8').matchAll(/\.\.\/topologies\/([a-z0-9-]+)\.yaml/g),
  ];
  expect(documented.length).toBeGreaterThan(0);
  for (const [, name] of documented) expect(names).toContain(name);
  const linked = new Set(documented.map((match) => match[1]));
  expect(names.filter((name) => !linked.has(name))).toEqual([]);
});
