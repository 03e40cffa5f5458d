import { describe, expect, test } from 'vitest';
import { loadText } from '../../../src/loader/load.ts';

const places = async (text: string) => {
  const { topology, diagnostics } = await loadText('lab.yaml', text);
  expect(topology === undefined).toBe(diagnostics.some(({ severity }) => severity === 'error'));
  return diagnostics.map(({ message, location: { line, column } }) => `${line}:${column} ${message}`);
};

describe('what a file says is never read as something else, nor lost', () => {
  test.each([
    ['namespaces: !!omap [a: {}, b: {}]', '2:13 the tag !!omap has no meaning in a topology'],
    ['namespaces: !!omap\n- a: {}', '2:13 the tag !!omap has no meaning in a topology'],
    ['namespaces: !!set {a, b}', '2:13 the tag !!set has no meaning in a topology'],
    ['namespaces: !!pairs [a: {}]', '2:13 the tag !!pairs has no meaning in a topology'],
    ['namespaces: !!binary aGVsbG8=', '2:13 the tag !!binary has no meaning in a topology'],
    ['namespaces: !x {a: {}}', '2:13 the tag !x has no meaning in a topology'],
    ['namespaces: &all !x {a: {}}', '2:18 the tag !x has no meaning in a topology'],
    ['namespaces: !x &all {a: {}}', '2:13 the tag !x has no meaning in a topology'],
    ['namespaces: {!x a: {}}', '2:14 the tag !x has no meaning in a topology'],
    ['namespaces: !<tag:example.com,2000:x> {}', '2:13 the tag !<tag:example.com,2000:x> has no meaning'],
    ['namespaces: !!python/dict {a: {}}', '2:13 the tag !!python/dict has no meaning in a topology'],
    ['x-when: !!timestamp 2001-12-14', '2:9 the tag !!timestamp has no meaning in a topology'],
    ['x-size: !!int "five"', '2:9 the tag !!int does not fit the value behind it'],
    ['namespaces: !!map [a]', '2:13 the tag !!map'],
    ['namespaces: {010: {}}', '2:14 the key 010 would be read as 10'],
    ['namespaces: {0x10: {}}', '2:14 the key 0x10 would be read as 16'],
    ['namespaces: {1.0: {}}', '2:14 the key 1.0 would be read as 1'],
    ['namespaces: {True: {}}', '2:14 the key True would be read as true'],
    ['namespaces: {~: {}}', '2:14 the key ~ would be read as null'],
    ['namespaces: {[a]: {}}', '2:14 a key is a text, not a list'],
    ['? {a: b}\n: c', '2:3 a key is a text, not a map'],
    ['x-id: 12345678901234567890', '2:7 the number 12345678901234567890 is too large to be read exactly'],
    ['x-a: "a\\0b"', '2:6 a text has a NUL character in it'],
    ['x-\u00e9: 1\nx-e\u0301: 2', "3:1 key 'x-\u00e9' is already there"],
  ])('%s', async (text, expected) => {
    const found = await places(`name: lab\n${text}\n`);
    expect(found.length).toBeGreaterThan(0);
    expect(found[0]?.startsWith(expected) === true ? expected : found).toBe(expected);
  });

  test.each([
    'namespaces: !!map {!!str a: {}}',
    'namespaces: !<tag:yaml.org,2002:map> {a: {}}',
    'namespaces: {! a: {}}',
    'namespaces: ! {a: {}}',
    'namespaces: {1: {}, true: {}, constructor: {}, "010": {}}',
    'x-a: !!int "5"\nx-b: !!str 5\nx-c: !!float 5.5\nx-d: !!null ""\nx-e: !!bool true',
    'x-a: 1e300\nx-b: 9007199254740991',
  ])('%s', async (text) => {
    expect(await places(`name: lab\n${text}\n`)).toEqual([]);
  });

  test('directives: only those of YAML 1.2', async () => {
    const rest = '---\nname: lab\nnamespaces: {a: {}}\n';
    expect(await places(`%YAML 1.2\n${rest}`)).toEqual([]);
    expect(await places(`%YAML 1.1\n${rest}`)).toEqual(['1:1 version 1.1 of YAML is not read here']);
    expect(await places(`%TAG !! tag:example.com:\n${rest.replace('{', '!!map {')}`)).toEqual([
      '4:13 the tag !!map has no meaning in a topology',
    ]);
  });

  test('what is nested without an end is refused, however deep', async () => {
    for (const depth of [101, 1000, 20_000]) {
      const [found] = await places(`name: lab\nx-a: ${'['.repeat(depth)}${']'.repeat(depth)}\n`);
      expect(found).toMatch(/^2:\d+ maps and lists are nested deeper than 100 levels$/);
    }
  });

  test('a merge keeps what the map says, and the first of several', async () => {
    const text = `name: lab
x-a: &a {mtu: 1400}
x-b: &b {mtu: 1500, alias: b}
namespaces: {a: {}, b: {}}
links:
  - endpoints:
      a:e0: {<<: [*a, *b], alias: own}
      b:e0: {<<: *a}
`;
    const { topology } = await loadText('lab.yaml', text);
    const found = topology?.interfaces.filter(({ name }) => name === 'e0');
    expect(found?.map(({ alias }) => alias)).toEqual(['own', undefined]);
    expect(found?.map(({ mtu }) => mtu)).toEqual([1400, 1400]);
  });

  test('many aliases of one anchor are read, and those that multiply are not', async () => {
    const many = Array.from({ length: 2000 }, (_, index) => `  h${index}: {<<: *a}`).join('\n');
    expect(await places(`name: lab\nx-a: &a {forwarding: true}\nnamespaces:\n${many}\n`)).toEqual([]);
    const chain = Array.from({ length: 1600 }, (_, index) => {
      const earlier = index === 0 ? '' : `<<: *a${index - 1}, `;
      return `x-${index}: &a${index} {${earlier}k${index}: 1}`;
    });
    const [found] = await places(`name: lab\n${chain.join('\n')}\n`);
    expect(found).toContain('the aliases multiply to more than can be read');
  }, 60_000);
});
