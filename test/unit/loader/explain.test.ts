import { describe, expect, test } from 'vitest';
import { parseDocumentFile } from '../../../src/loader/parse-document.ts';

const HEAD = 'name: lab\nnamespaces: [a, b]\n';

/** `code message` of each problem of a lab with these lines. */
function problems(lines: string): string[] {
  const { diagnostics } = parseDocumentFile('lab.yaml', HEAD + lines);
  return diagnostics.map(({ code, message }) => `${code} ${message}`);
}

function helpFor(lines: string): string | undefined {
  return parseDocumentFile('lab.yaml', HEAD + lines).diagnostics[0]?.help;
}

const end = (settings: string) => `links: [{ endpoints: { a:x: ${settings}, b:x: {} } }]`;

describe('one message for each mistake', () => {
  test.each([
    ['checkss: []', "unknown-key unknown key 'checkss'; did you mean 'checks'?"],
    [end('{ mac: x }'), "unknown-key unknown key 'mac'; did you mean 'macaddress'?"],
    [end('{ mtu: big }'), "wrong-type 'mtu' must be a whole number, not the text 'big'"],
    [end('{ mtu: 12 }'), "out-of-range 'mtu' is 12; it must be from 68 to 65535"],
    [end('{ state: upp }'), "wrong-value 'state' cannot be 'upp'; did you mean 'up'?; accepted: up, down"],
    [end('[5]'), "wrong-type item 1 of 'a:x' must be a text or a map, not the number 5"],
    [
      end('5'),
      "wrong-type 'a:x' must be an address, a list of addresses or a map of settings, not the number 5",
    ],
    ['links: [{ endpoint: [a:x, b:x] }]', "unknown-key unknown key 'endpoint'; did you mean 'endpoints'?"],
    ['links: [{}]', "missing-key 'endpoints' is missing in item 1 of 'links'"],
    ['links:', "wrong-type 'links' is empty; it must be a list"],
    [
      'tunnels: { t: { type: gre, endpoints: {}, ttl: 999 } }',
      "out-of-range 'ttl' is 999; it must be from 1 to 255 or inherit",
    ],
    [
      'tunnels: { t: { type: gre, endpoints: {}, ttl: inherti } }',
      "wrong-value 'ttl' cannot be 'inherti'; did you mean 'inherit'?; accepted: inherit or a whole number from 1 to 255",
    ],
    ['checks: [{ ping: { from: a, to: b, within: soon } }]', "bad-format 'within' cannot be 'soon'"],
    ['checks: [{}]', "missing-key item 1 of 'checks' is empty"],
    ['checks: [{ ping: { from: a } }]', "missing-key 'to' is missing in 'ping'"],
  ])('%s', (lines, message) => {
    expect(problems(lines)).toEqual([message]);
  });

  test('also behind an anchor, with the places that use it', () => {
    const lines =
      'x-e: &e { speed: 1 }\nlinks:\n  - endpoints: { a:x: *e, b:x: *e }\n  - endpoints:\n      a:y: *e\n      b:y: {}\n';
    const { diagnostics } = parseDocumentFile('lab.yaml', HEAD + lines);
    expect(diagnostics).toHaveLength(1);
    expect(diagnostics[0]).toMatchObject({ code: 'unknown-key', location: { line: 3 } });
    expect(diagnostics[0]?.related?.map(({ location }) => location.line)).toEqual([5, 7]);
  });
});

describe('the help', () => {
  test.each([
    [end('{ colour: red }'), expect.stringMatching(/^known keys here are accept-ra, addresses, alias, /)],
    [end('{mtu:1400}'), "write a blank behind the ':'"],
    [end('{ mtu: "1400" }'), 'leave out the quotes'],
    ['bridges: { b: { parameters: { stp: on } } }', 'write true: to YAML 1.2, on is a text'],
    ['bridges: { b: { parameters: { stp: no } } }', 'write false: to YAML 1.2, no is a text'],
    ['checks: [{ ping: { from: a, to: b, within: 5 } }]', 'write the unit, such as 5s'],
    ['links: { endpoints: [a:x, b:x] }', "the entries of a list begin with '- '"],
    [end('[5]'), 'put the value in quotes if a text is meant'],
  ])('%s', (lines, help) => {
    expect(helpFor(lines)).toEqual(help);
  });
});
