// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables are those of the language
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { composeFiles } from '../../../src/loader/compose/compose.ts';
import { evaluate, type Scope } from '../../../src/loader/compose/expressions.ts';
import { rangesOf } from '../../../src/loader/compose/ranges.ts';
import { type LoadedFile, loadFile, loadName, loadParsed, loadText } from '../../../src/loader/load.ts';
import { longForm } from '../../../src/loader/long-form.ts';
import { type LoadOptions, mayCompose } from '../../../src/loader/parse.ts';

const folder = mkdtempSync(join(tmpdir(), 'topoweave-compose-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

interface Long {
  readonly namespaces: Record<string, Record<string, unknown>>;
  readonly bridges: Record<string, { ports: Record<string, Record<string, unknown>>; mtu: unknown }>;
  readonly links: { endpoints: Record<string, Record<string, unknown>> }[];
  readonly checks: { name: string }[];
}

function long({ topology, diagnostics }: LoadedFile): Long {
  expect(diagnostics).toEqual([]);
  if (topology === undefined) throw new Error('not valid');
  return longForm(topology) as Long;
}

async function load(text: string, options: LoadOptions = {}): Promise<Long> {
  return long(await loadText('lab.yaml', text, { ...options, folder }));
}

async function problems(text: string, options: LoadOptions = {}): Promise<string[]> {
  const { topology, diagnostics } = await loadText('lab.yaml', text, { ...options, folder });
  expect(topology).toBeUndefined();
  return diagnostics.map(({ code, location }) => `${location.file}:${location.line} ${code}`);
}

/** A namespace with one route and nothing else, whose metric is what `text` becomes. */
async function metricOf(text: string, options: LoadOptions & { vars?: string } = {}): Promise<unknown> {
  const { vars = '{}', ...rest } = options;
  const file = `name: lab\nvars: ${vars}\nnamespaces:\n  a: { routes: [{ to: default, type: blackhole, metric: ${text} }] }\n`;
  const { namespaces } = await load(file, rest);
  const [route] = (namespaces['a']?.['routes'] ?? []) as { metric?: unknown }[];
  return route?.metric;
}

describe('expressions', () => {
  const scope: Scope = new Map([
    ['n', { text: '07', number: 7, position: 2 }],
    ['who', { text: 'alice', number: undefined, position: 3 }],
  ]);
  test.each([
    ['10.0.0.<n+0>/24', '10.0.0.7/24'],
    ['h<n>', 'h07'],
    ['<who>-<#who>', 'alice-3'],
    ['<#who*4+1>', '13'],
    ['<n%4>.<n/4>.<(n-1)*2>', '3.1.12'],
    ['<1-n*2>', '-13'],
    ['<0-n/2> <(0-n)%4>', '-3 1'],
    ['<n:02x>:<200+n:x>:<n:03d>', '07:cf:007'],
    ['<2*(3+n)-1>', '19'],
    ['a < b > c, <>, <N>, <n+>, <1..2>', 'a < b > c, <>, <N>, <n+>, <1..2>'],
  ])('%s is %s', (text, result) => {
    expect(evaluate(text, scope)).toBe(result);
  });

  test.each([['<m>'], ['<who+1>'], ['<n/0>'], ['<999999999999999*999999999>']])('%s is refused', (text) => {
    expect(() => evaluate(text, scope)).toThrow();
  });
});

describe('ranges', () => {
  const valuesOf = (text: string) =>
    rangesOf(text)?.ranges.map(({ name, values }) => `${name}: ${values().map((value) => value.text)}`);
  test.each([
    ['h[1-3]', ['n: 1,2,3']],
    ['h[08-11]', ['n: 08,09,10,11']],
    ['h[3-1]', ['n: 3,2,1']],
    ['[a,b.c,d-e]', ['n: a,b.c,d-e']],
    ['h[1-2,5,x]', ['n: 1,2,5,x']],
    ['l[1-2]-s[s=1-2]', ['n: 1,2', 's: 1,2']],
    ['[only=x]', ['only: x']],
  ])('%s', (text, values) => {
    expect(valuesOf(text)).toEqual(values);
  });

  test.each(['h1', '[x]', '[fd00::1]:80', 'a[', 'h[]', 'h[1-2'])('%s has none', (text) => {
    expect(rangesOf(text)).toBeUndefined();
  });

  test('in keys, in lists, in endpoints and in checks', async () => {
    const { namespaces, bridges, links, checks } = await load(`name: lab
namespaces: ["h[01-03]", gw, "[x,y]"]
bridges:
  lan: { namespace: gw, addresses: 10.0.0.254/24, ports: { "h[01-03]:eth0": 10.0.0.<n+0>/24 } }
links:
  - ["x:p[1-2]", "y:p<n>"]
  - endpoints: { "x:q[i=1-2]-[j=1-2]": 10.<i>.<j>.1/30, y:q<i>-<j>: 10.<i>.<j>.2/30 }
checks:
  - ping: { from: "h[01-02]", to: h03 }
`);
    expect(Object.keys(namespaces)).toEqual(['gw', 'h01', 'h02', 'h03', 'x', 'y']);
    expect(Object.keys(bridges['lan']?.ports ?? {})).toEqual(['h01:eth0', 'h02:eth0', 'h03:eth0']);
    expect(bridges['lan']?.ports['h03:eth0']?.['addresses']).toEqual(['10.0.0.3/24']);
    expect(links.map(({ endpoints }) => Object.keys(endpoints))).toEqual([
      ['x:p1', 'y:p1'],
      ['x:p2', 'y:p2'],
      ['x:q1-1', 'y:q1-1'],
      ['x:q1-2', 'y:q1-2'],
      ['x:q2-1', 'y:q2-1'],
      ['x:q2-2', 'y:q2-2'],
    ]);
    expect(checks.map(({ name }) => name)).toEqual(['ping h01 -> h03', 'ping h02 -> h03']);
  });

  test('a hundred thousand at most, and nothing is made before that is known', async () => {
    const start = performance.now();
    const text = `name: lab\nnamespaces: { "a[1-300]-[m=1-300]-[k=1-300]": {} }\n`;
    expect(await problems(text)).toEqual(['lab.yaml:2 too-many']);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe('variables', () => {
  test.each([
    ['"${m}"', { vars: '{ m: 7 }' }, 7],
    ['"${m}"', { vars: '{ m: 7 }', env: { m: '8' } }, 8],
    ['"${m}"', { vars: '{ m: 7 }', env: { m: '8' }, set: new Map([['m', '9']]) }, 9],
    ['"${m:-5}"', {}, 5],
    ['"${m:-5}"', { env: { m: '' } }, 5],
    ['"${m:-${k:-6}}"', {}, 6],
    ['"${m}${m}"', { vars: '{ m: "1", k: 2 }' }, 11],
    ['"${m}"', { vars: '{ k: 12, m: "${k}3" }' }, 123],
  ])('%s with %j is %s', async (text, options, metric) => {
    expect(await metricOf(text, options)).toBe(metric);
  });

  test('a text stays a text where one is wanted, and cannot become anything else', async () => {
    const text = `name: lab
namespaces: [a, b]
links:
  - endpoints: { a:eth0: { alias: "\${note}" }, b:eth0: { alias: "$$\${plain}$" } }
`;
    const env = { note: '5', plain: '}, state: down, x: {' };
    const { links } = await load(text, { env });
    expect(links[0]?.endpoints['a:eth0']).toMatchObject({ alias: '5', state: 'up' });
    expect(links[0]?.endpoints['b:eth0']).toMatchObject({ alias: '$}, state: down, x: {$', state: 'up' });
  });

  test('only names that a file has are looked up in the environment', async () => {
    const asked: string[] = [];
    const env = new Proxy({} as Record<string, string>, {
      getOwnPropertyDescriptor: (_, name) => {
        asked.push(String(name));
        return undefined;
      },
    });
    await load('name: lab\nvars: { one: 1, two: 2 }\nnamespaces: { "a${one}": {} }\n', { env });
    expect([...new Set(asked)]).toEqual(['one']);
  });

  test('variables that multiply, and defaults without end, are stopped soon', async () => {
    const doubling = Array.from(
      { length: 40 },
      (_, level) => `  v${level + 1}: "\${v${level}}\${v${level}}"`,
    );
    const start = performance.now();
    const text = `name: lab\nvars:\n  v0: xxxxxxxx\n${doubling.join('\n')}\nnamespaces: { a: { template: "\${v40}" } }\n`;
    expect(new Set(await problems(text))).toContain('lab.yaml:14 variable');
    const deep = `${'${a:-'.repeat(5000)}${'}'.repeat(5000)}`;
    expect(await problems(`name: lab\nnamespaces: { b: { template: "${deep}" } }\n`)).toEqual([
      'lab.yaml:2 undefined-variable',
    ]);
    expect(await problems('name: lab\nnamespaces: { b: { template: "${constructor}" } }\n')).toHaveLength(1);
    expect(performance.now() - start).toBeLessThan(3000);
  });

  test('a name on the command line that no file has is wrong usage', async () => {
    const text = 'name: lab\nvars: { one: 1 }\nnamespaces: [a]\n';
    await expect(load(text, { set: new Map([['on', '1']]) })).rejects.toThrow("has no variable 'on'");
  });
});

describe('templates', () => {
  test('are below what the namespace says itself', async () => {
    const { namespaces } = await load(`name: lab
templates:
  base: { forwarding: [ipv4], sysctls: { net.ipv4.tcp_ecn: 1, net.ipv4.tcp_sack: 0 } }
  more: { template: base, sysctls: { net.ipv4.tcp_ecn: 2 }, interfaces: { lo: 10.9.0.<n>/32 } }
namespaces:
  a: { template: [base], forwarding: true }
  h[1-2]: { template: more, sysctls: { net.ipv4.tcp_timestamps: 0 } }
`);
    expect(namespaces['a']).toMatchObject({ forwarding: true, sysctls: { 'net.ipv4.tcp_ecn': '1' } });
    expect(namespaces['h2']).toMatchObject({
      sysctls: { 'net.ipv4.tcp_ecn': '2', 'net.ipv4.tcp_sack': '0', 'net.ipv4.tcp_timestamps': '0' },
      interfaces: { lo: { addresses: ['10.9.0.2/32'] } },
    });
  });

  test('one mistake in one is told once', async () => {
    const text =
      'name: lab\ntemplates: { host: { fowarding: true } }\nnamespaces: { "h[1-50]": { template: host } }\n';
    expect(await problems(text)).toEqual(['lab.yaml:2 unknown-key']);
  });
});

describe('several files', () => {
  const base = () =>
    write(
      'base.yaml',
      `name: base
vars: { mtu: 1500 }
namespaces: [gw, "h[1-3]"]
bridges:
  lan: { namespace: gw, mtu: "\${mtu}", ports: { "h[1-3]:eth0": 10.0.0.<n>/24 } }
links: [[gw:a, h1:a]]
`,
    );

  test('maps become one, links follow one another, and the later wins', async () => {
    const over = write(
      'over.yaml',
      `name: over
vars: { mtu: 1400 }
namespaces: { h2: { forwarding: true }, new: {} }
bridges:
  lan: { ports: { "h2:eth0": { alias: two }, "h3:eth0": 10.0.0.33/24 } }
links: [[gw:b, h1:b]]
`,
    );
    const loaded = await loadFile(base(), 'base.yaml', { overlays: [{ shown: 'over.yaml', path: over }] });
    const { namespaces, bridges, links } = long(loaded);
    expect(loaded.topology?.name).toBe('over');
    expect(Object.keys(namespaces)).toEqual(['gw', 'h1', 'h2', 'h3', 'new']);
    expect(namespaces['h2']).toMatchObject({ forwarding: true });
    expect(bridges['lan']?.mtu).toBe(1400);
    expect(bridges['lan']?.ports['h2:eth0']).toMatchObject({ addresses: ['10.0.0.2/24'], alias: 'two' });
    expect(bridges['lan']?.ports['h3:eth0']).toMatchObject({ addresses: ['10.0.0.33/24'] });
    expect(links).toHaveLength(2);
    const shown = loaded.overrides.map(({ message, location, related }) => [
      message,
      `${location.file}:${location.line}`,
      ...(related ?? []).map((other) => `${other.location.file}:${other.location.line}`),
    ]);
    expect(shown).toEqual([
      ['this is used for name', 'over.yaml:1', 'base.yaml:1'],
      ['this is used for bridges.lan.ports.h3:eth0', 'over.yaml:5', 'base.yaml:5'],
    ]);
  });

  test('what is included is below what includes it, each file once', async () => {
    write('inc/common.yaml', 'namespaces: [x]\nlinks: [[x:a, x:b]]\nvars: { v: 1 }\n');
    write('inc/one.yaml', 'include: common.yaml\nnamespaces: { y: {} }\n');
    write('inc/two.yaml', 'include: common.yaml\nnamespaces: { z: {} }\nvars: { v: 2 }\n');
    const main = write(
      'inc.yaml',
      'name: lab\ninclude: ["inc/${WHICH}.yaml", inc/t*.yaml]\nnamespaces: { x: { sysctls: { net.ipv4.tcp_ecn: "${v}" } } }\n',
    );
    const loaded = await loadFile(main, 'inc.yaml', { env: { WHICH: 'one' } });
    const { namespaces, links } = long(loaded);
    expect(Object.keys(namespaces)).toEqual(['x', 'y', 'z']);
    expect(namespaces['x']).toMatchObject({ sysctls: { 'net.ipv4.tcp_ecn': '2' } });
    expect(links).toHaveLength(1);
    expect([...loaded.texts.keys()]).toEqual(['inc.yaml', 'inc/one.yaml', 'inc/common.yaml', 'inc/two.yaml']);
  });

  test('two that define the same interface are an error with both places', async () => {
    const over = write('twice.yaml', 'links: [[gw:a, h2:a]]\n');
    const { diagnostics } = await loadFile(base(), 'base.yaml', {
      overlays: [{ shown: 'twice.yaml', path: over }],
    });
    expect(diagnostics.map(({ code, location }) => `${location.file} ${code}`)).toEqual([
      'twice.yaml interface-twice',
    ]);
    expect(diagnostics[0]?.related?.[0]?.location.file).toBe('base.yaml');
  });

  test('the name is known from all of them', async () => {
    const part = write('name.yaml', 'name: "${LAB}"\n');
    expect(await loadName(base())).toBe('base');
    const options = { overlays: [{ shown: 'name.yaml', path: part }], env: { LAB: 'other' } };
    expect(await loadName(base(), 'base.yaml', options)).toBe('other');
  });
});

test('whatever is wrong is told, never thrown', async () => {
  const names = ['big-lan', 'office-parts', 'router-chain'];
  const texts = names.map((name) => readFileSync(`topologies/${name}.yaml`, 'utf8'));
  const pieces = [
    '<',
    '>',
    '<n>',
    '<n*9>',
    '[1-9]',
    '[m=1-3]',
    '${',
    '}',
    '${x:-1}',
    '$$',
    'template: host',
    '[',
    ',',
    ': ',
    '\n',
    '0',
    '- ',
  ];
  const place = fc.tuple(fc.nat(), fc.constantFrom(...pieces), fc.nat(3));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...texts), fc.array(place, { maxLength: 4 }), async (text, edits) => {
      let edited = text;
      for (const [at, piece, cut] of edits) {
        const from = at % (edited.length + 1);
        edited = edited.slice(0, from) + piece + edited.slice(from + cut);
      }
      const { topology, diagnostics } = await loadText('topologies/lab.yaml', edited);
      expect(topology === undefined).toBe(diagnostics.some(({ severity }) => severity === 'error'));
    }),
    { numRuns: 200 },
  );
}, 60_000);

describe('a plain file', () => {
  const examples = readdirSync('topologies').filter((name) => name.endsWith('.yaml'));
  const texts = examples.map((name) => [name, readFileSync(`topologies/${name}`, 'utf8')] as const);

  test.each(texts.filter(([, text]) => !mayCompose(text)))(
    '%s is the same when it is composed',
    async (_, text) => {
      const first = { shown: 'lab.yaml', path: join(folder, 'lab.yaml'), text };
      const composed = loadParsed(await composeFiles(first, { overlays: [], set: new Map(), env: {} }));
      const plain = await loadText('lab.yaml', text);
      expect(composed.topology).toEqual(plain.topology);
      for (const { place } of plain.topology?.interfaces ?? [])
        expect(composed.source.locate(place)).toEqual(plain.source.locate(place));
    },
  );

  test.each([
    'name: lab\nnamespaces: { a: {} }\n# $schema=x, a list [1, 2] and "[fd00::1]:80"\n',
    'name: lab\nnamespaces: [a, b]\nlinks: [[a:eth0, b:eth0]]\nx-note: costs $5\n',
  ])('%j is one', (text) => {
    expect(mayCompose(text)).toBe(false);
  });

  test('notes are not read, but their anchors are', async () => {
    const text =
      'name: lab\nx-note: &a { forwarding: true, alias: "${NONE} h[1-2" }\nx-b[1-3]: 1\nx-c: &c { forwarding: true }\nnamespaces: { "h[1-2]": *c }\n';
    expect((await load(text)).namespaces).toEqual({ h1: { forwarding: true }, h2: { forwarding: true } });
  });

  test('definitions are found however they are written', async () => {
    expect((await load('{"name": "lab", "vars": {"a": 1}, "namespaces": ["x"]}')).namespaces).toEqual({
      x: {},
    });
    const text =
      '{"name": "lab", "templates" : {"t": {"forwarding": true}}, "namespaces": {"x": {"template" : "t"}}}';
    expect((await load(text)).namespaces).toEqual({ x: { forwarding: true } });
  });
});
