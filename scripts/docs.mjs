// docs.mjs [--check]: makes docs/language.md and schemas/parts.schema.json from the schema, docs/cli.md and man/topoweave.1
// from the table of commands, and docs/changes.md from the kinds. With --check it writes nothing, and exits with 1 if a file
// differs from what it would write.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { stringify } from 'yaml';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const schema = JSON.parse(readFileSync(join(root, 'schemas/topology.schema.json'), 'utf8'));

const fixedTypes = new Set(['integer', 'number', 'boolean']);
const { commands, exitCodes, buildProgram } = await importSources();
const globalOptions = readGlobalOptions();
const files = {
  'docs/language.md': languagePage(),
  'docs/cli.md': cliPage(),
  'man/topoweave.1': manPage(),
  'docs/changes.md': await changesPage(),
  'schemas/parts.schema.json': partsSchema(),
};

if (process.argv.includes('--check')) {
  const stale = Object.entries(files).filter(([path, text]) => readOrEmpty(join(root, path)) !== text);
  for (const [path] of stale) process.stderr.write(`${path} is not up to date; run: node scripts/docs.mjs\n`);
  process.exitCode = stale.length > 0 ? 1 : 0;
} else {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

function readOrEmpty(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

// --- sources ---

/** The table of commands and the parser, without the commands themselves: those are imported only when they run. */
function importSources() {
  return importBundle(
    `export { commands } from './src/cli/commands.ts';
export { buildProgram } from './src/cli/parse.ts';
export { exitCodes } from './src/lib/exit-codes.ts';`,
    [
      {
        name: 'commands-stay-outside',
        setup: ({ onResolve }) =>
          onResolve({ filter: /./ }, ({ kind, path }) =>
            kind === 'dynamic-import' ? { path, external: true } : undefined,
          ),
      },
    ],
  );
}

async function importBundle(contents, plugins = []) {
  const folder = mkdtempSync(join(tmpdir(), 'topoweave-docs-'));
  try {
    const outfile = join(folder, 'sources.mjs');
    await build({
      stdin: { contents, resolveDir: root },
      outfile,
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      banner: {
        js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
      },
      plugins,
      logLevel: 'warning',
    });
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readGlobalOptions() {
  const nothing = () => {};
  const program = buildProgram({ stdout: nothing, stderr: nothing, columns: 80, env: {} }, nothing);
  const options = program.options.map(({ flags, description, argChoices, defaultValue }) => ({
    flags,
    description: [
      description,
      argChoices === undefined ? '' : `: ${argChoices.join(', ')}`,
      defaultValue === undefined ? '' : ` (default: ${defaultValue})`,
    ].join(''),
  }));
  return [...options, { flags: '-h, --help', description: 'print the help of topoweave or of a command' }];
}

/** The meaning of each exit code, by its name in src/lib/exit-codes.ts. */
function exitCodeTable() {
  const meanings = {
    done: 'done, or no difference',
    failed: 'failed: a step, a check, a name that is taken, or a result that could not be written',
    differences: 'there are differences; only plan and status with --detailed-exitcode',
    usage: 'wrong usage',
    invalidFile: 'the file is not valid',
    unavailable: 'the machine lacks a privilege, a tool or a kernel feature; the message says what brings it',
    interrupted: 'interrupted by SIGINT',
    terminated: 'ended by SIGTERM',
  };
  return Object.entries(exitCodes).map(([name, code]) => {
    if (meanings[name] === undefined) throw new Error(`scripts/docs.mjs has no text for exit code ${name}`);
    return { code, means: meanings[name] };
  });
}

function usage({ name, arguments: args = [], options = [], passThrough }) {
  const words = ['topoweave', name];
  if (options.length > 0) words.push('[options]');
  words.push(...args.map((argument) => argument.name));
  if (passThrough) words.push(args.length > 0 ? '-- <command...>' : '[-- <command...>]');
  return words.join(' ');
}

function argumentsOf({ arguments: args = [], passThrough }) {
  const rest = { name: '<command...>', description: 'the command and its arguments, behind --' };
  return passThrough ? [...args, rest] : args;
}

function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
}

// --- schemas/parts.schema.json ---

/**
 * The schema of what is not complete yet, for editors: a part that another file includes has no name, and a variable or
 * an expression may stand where in the end a number or a word of a list is.
 */
function partsSchema() {
  const variable = { type: 'string', pattern: String.raw`\$\{|<[^<>]*>` };
  const isLimited = ({ type, enum: choices, pattern }) => {
    const types = [type].flat();
    const isNoText = types.some((each) => fixedTypes.has(each)) && !types.includes('string');
    return choices !== undefined || pattern !== undefined || isNoText;
  };
  const widen = (node) => {
    const inner = { ...node };
    for (const key of ['properties', 'patternProperties', '$defs'])
      if (inner[key] !== undefined)
        inner[key] = Object.fromEntries(
          Object.entries(inner[key]).map(([name, each]) => [name, widen(each)]),
        );
    for (const key of ['items', 'additionalProperties'])
      if (typeof inner[key] === 'object') inner[key] = widen(inner[key]);
    for (const key of ['anyOf', 'oneOf']) if (inner[key] !== undefined) inner[key] = inner[key].map(widen);
    if (!isLimited(inner) || [inner.type].flat().some((each) => each === 'object' || each === 'array'))
      return inner;
    const { description, ...rest } = inner;
    return { ...(description === undefined ? {} : { description }), anyOf: [rest, variable] };
  };
  const { required: _, ...whole } = widen(schema);
  const id = 'https://topoweave.dev/schemas/parts.schema.json';
  return `${JSON.stringify({ ...whole, $id: id, title: 'TopologyPart' })}\n`;
}

// --- docs/language.md ---

function languagePage() {
  const sections = collectSections();
  const lines = [
    '# The topology language',
    '',
    '<!-- Generated from schemas/topology.schema.json by scripts/docs.mjs; do not edit. -->',
    '',
    'A topology is one YAML 1.2 file. This page lists every key. Complete files are in',
    '[`topologies/`](../topologies); [scenarios.md](scenarios.md) says which one shows what.',
    '',
    'An editor with a YAML language server completes and checks the keys with this first line:',
    '',
    '```yaml',
    '# yaml-language-server: $schema=../schemas/topology.schema.json',
    '```',
    '',
    '## Rules',
    '',
    '- An unknown key, an undeclared namespace or a name that the kernel refuses is an error. `topoweave validate` shows',
    '  every error with its place, and nothing is touched before the whole file is valid.',
    '- Each interface is defined in one place: a veth end at its link or at its bridge, a tunnel end at its tunnel, `lo`',
    '  at its namespace.',
    '- `NAMESPACE:INTERFACE` names an interface. `host` is the namespace of the machine itself. What is not named is not',
    '  touched.',
    '- What the file does not set stays the choice of the kernel, unless a default stands here.',
    '- Anchors, aliases and merge keys work. Duplicate keys are an error. Keys that begin with `x-` are not read: a place',
    '  for anchors.',
    '- `topoweave render FILE` prints the long form with every default.',
    '- A topology is as powerful as a script that root runs: apply only files that you would run as root. `validate`,',
    '  `render` and `plan` start nothing that it names.',
    '',
    '## Short forms',
    '',
    '| Short | Long |',
    '|---|---|',
    '| `namespaces: [a, b]` | `namespaces: { a: {}, b: {} }` |',
    '| `a:eth0: 10.0.0.1/24` | `a:eth0: { addresses: [10.0.0.1/24] }` |',
    '| `addresses: 10.0.0.1/24` | `addresses: [10.0.0.1/24]` |',
    '| `links: [[a:eth0, b:eth0]]` | `links: [{ endpoints: { a:eth0: {}, b:eth0: {} } }]` |',
    '| `ports: [a:eth0, b:eth0]` | `ports: { a:eth0: {}, b:eth0: {} }` |',
    '| `routes: { default: 10.0.0.1 }` | `routes: [{ to: default, via: 10.0.0.1 }]` |',
    '| `publish: ["8080:web:80/tcp"]` | `publish: [{ port: 8080, to: web, to-port: 80, protocol: tcp }]` |',
    '| `forwarding: [ipv4]` | IPv4 is forwarded; nothing is said about IPv6 |',
    '',
    ...largerFiles(),
    '## Sections',
    '',
    ...sections.map(({ title, depth }) => `${'  '.repeat(depth)}- [${title}](#${slug(title)})`),
    '',
  ];
  for (const section of sections) lines.push(...sectionLines(section, sections));
  return `${lines.join('\n').trimEnd()}\n`;
}

function largerFiles() {
  return `## Larger files

Fifty equal hosts on a bridge, each with its address:

~~~yaml
templates:
  host: { routes: { default: 10.0.0.254 } }
namespaces:
  h[1-50]: { template: host }
bridges:
  lan: { addresses: 10.0.0.254/24, ports: { "h[1-50]:eth0": 10.0.0.<n>/24 } }
~~~

**Ranges.** A key with a range stands for one entry for each of its values, and an item of a list for one item for each:
\`h[1-50]\`, \`h[01-50]\` (with leading zeros), \`[alice,bob]\`, \`h[1-6,8-50]\`. A link or a check with a range in an
endpoint stands for a link or a check for each value. Within, \`<n>\` is the value as it is written, and an expression
is worked out with whole numbers:

| Expression | For the value 7 of \`h[1-50]\` |
|---|---|
| \`10.0.0.<n>/24\` | \`10.0.0.7/24\` |
| \`<n+1>\`, \`<n*4-3>\`, \`<(n-1)/2>\`, \`<n%4>\` | \`8\`, \`25\`, \`3\`, \`3\`; \`/\` rounds down |
| \`<n:02x>\`, \`<n:03d>\` | \`07\`, \`007\` |
| \`<#n>\` | \`7\`, the position in the range, also where the values are words |

A second range needs a name: \`["leaf[1-4]:up<s>", "spine[s=1-2]:down<n>"]\` is eight links. YAML has no meaning for \`<\`
and \`>\` inside a value, so an expression needs no quotes, also within \`{…}\`; a range does there. Outside of ranges,
\`<\` is an ordinary character. At most 100,000 entries may come from ranges.

**Templates.** What several namespaces have in common stands under \`templates\`. The namespace's own keys win; maps
become one, lists do not. With \`template: [a, b]\` the later wins; a template may itself have a template.

**Variables.** \`\${NAME}\` in a value or key is the variable's value: that of \`--set NAME=VALUE\`, or else of the
environment, or else of \`vars\`. \`\${NAME:-VALUE}\` has a default, \`\${NAME:?MESSAGE}\` must be given (without the colon
an empty value counts as one), \`$$\` is a dollar sign. Within \`{…}\` it needs quotes. They are put in after the YAML is
read, so a value cannot add keys; a number stays one. Only variables that a file names are read from the environment
(with \`sudo\`, pass them on: \`sudo mtu=1400 topoweave …\`, or use \`--set\`).

**Several files.** \`include\` names files that this one is laid over, and \`-f base.yaml -f site.yaml\` lays the second over
the first. Maps become one, \`links\` and \`checks\` follow one another, and of all else the later file wins: an address, a
list of routes. Two files that define one interface, such as two links with the same endpoint, are an error.
\`topoweave validate\` shows each value that is used instead of another, with both places. A file that is named twice is
read once. Ranges are written out in each file by itself, so a file can change one of fifty: \`h7: { forwarding: true }\`.

For an editor, \`parts.schema.json\` in place of \`topology.schema.json\` takes parts without a name, and variables in the
place of numbers.

A lab that was applied remembers its files and its \`--set\`, so \`topoweave status NAME\` reads them again; values from
the environment are not kept. \`topoweave destroy NAME\` needs no file.
`
    .replaceAll('~~~', '```')
    .split('\n');
}

/** Every object of the schema that has keys of its own, in the order of the file, each definition once. */
function collectSections() {
  const sections = [];
  const seen = new Set();
  const visit = (node, title, depth) => {
    for (const { target, name } of objectsIn(node)) {
      if (seen.has(target)) continue;
      // It can stand at every interface: one section for all of them, behind the others.
      if (name === 'impairment' && title !== name) continue;
      seen.add(target);
      const isRoot = target === schema;
      const type = target.properties.type?.const;
      const own = type === undefined ? title : `${title} (${type})`;
      sections.push({ target, title: isRoot ? 'The file' : own, name, depth: isRoot ? 0 : depth });
      for (const [key, child] of Object.entries(target.properties)) {
        if (isImpairment(child) && target !== schema.$defs.impairment) continue;
        // Both makers of bridges have `ports`.
        const below = isRoot ? key : `${type === 'ovs' ? own : title}.${key}`;
        visit(child, pathOf(below, child), depth + (isRoot ? 0 : 1));
      }
    }
  };
  visit(schema, '', 0);
  visit({ $ref: '#/$defs/impairment' }, 'impairment', 0);
  return sections;
}

/** Whether a key is one of those of an impairment, beside the other settings of an interface. */
function isImpairment({ $ref = '' }) {
  return $ref.startsWith('#/$defs/impairment/properties/');
}

/** `namespaces` → `namespaces.NAME`, `links` → `links[]`: how one gets from a key to the object below it. */
function pathOf(path, node) {
  const resolved = resolve(node);
  for (const alternative of resolved.anyOf ?? [resolved]) {
    const inner = resolve(alternative);
    const value = inner.additionalProperties;
    if (typeof value === 'object' && objectsIn(value).length > 0) return `${path}.NAME`;
    if (inner.items !== undefined && objectsIn(inner.items).length > 0) return `${path}[]`;
  }
  return path;
}

/** The objects with keys that a value may be or contain. */
function objectsIn(node) {
  const found = [];
  const look = (raw) => {
    const target = resolve(raw);
    if (target.properties !== undefined) found.push({ target, name: raw.$ref?.split('/').at(-1) });
    const choices = [...(target.anyOf ?? []), ...(target.oneOf ?? []), target.else, target.then];
    for (const alternative of choices) if (alternative !== undefined) look(alternative);
    if (target.items !== undefined) look(target.items);
    if (typeof target.additionalProperties === 'object') look(target.additionalProperties);
  };
  look(node);
  // A route of a map is a route of a list without its destination: one section is enough.
  return found.filter(
    ({ target }) => !found.some((other) => other.target !== target && covers(other.target, target)),
  );
}

function covers(larger, smaller) {
  // Each kind of a choice by type has a section of its own.
  if (smaller.properties.type?.const !== undefined) return false;
  const keys = Object.keys(smaller.properties);
  return keys.length < Object.keys(larger.properties).length && keys.every((key) => key in larger.properties);
}

function resolve(node) {
  if (node.$ref === undefined) return node;
  let target = schema;
  for (const part of node.$ref.replace(/^#\//, '').split('/')) target = target[part];
  if (target === undefined) throw new Error(`the schema has no ${node.$ref}`);
  const { $ref: _, ...own } = node;
  return Object.keys(own).length === 0 ? resolve(target) : { ...resolve(target), ...own };
}

function sectionLines({ target, title }, sections) {
  const lines = [`## ${title === 'The file' ? title : `\`${title}\``}`, ''];
  if (target.description !== undefined) lines.push(target.description, '');
  const required = new Set(target.required ?? []);
  lines.push('| Key | Value | Default | Meaning |', '|---|---|---|---|');
  const impairments = Object.keys(target.properties).filter((key) => isImpairment(target.properties[key]));
  for (const [key, raw] of Object.entries(target.properties)) {
    if (impairments.includes(key)) {
      if (key !== impairments[0]) continue;
      lines.push(
        '| `delay`, `loss`, `rate` … | | | What happens to packets on purpose: every key of [impairment](#impairment). |',
      );
      continue;
    }
    if (raw.$ref === '#/$defs/impairment') {
      lines.push(`| \`${key}\` | keys | | The same for what it receives: see [impairment](#impairment). |`);
      continue;
    }
    const node = resolve(raw);
    const preset = node.default !== undefined ? code(node.default) : required.has(key) ? '**required**' : '';
    const meaning = [node.description ?? ''];
    const links = objectsIn(raw)
      .map(({ target: object }) => sections.find((section) => section.target === object))
      .filter((section) => section !== undefined)
      .map((section) => `[${section.title}](#${slug(section.title)})`);
    if (links.length > 0) meaning.push(`See ${links.join(', ')}.`);
    const examples = (node.examples ?? []).map(code);
    if (examples.length > 0) meaning.push(`For example: ${examples.join(', ')}.`);
    lines.push(
      `| \`${key}\` | ${cell(valueText(raw))} | ${cell(preset)} | ${cell(meaning.filter(Boolean).join(' '))} |`,
    );
  }
  for (const [pattern, { description = '' }] of Object.entries(target.patternProperties ?? {}))
    lines.push(`| \`${pattern.replace(/^\^/, '')}…\` | anything | | ${cell(description)} |`);
  lines.push('');
  return lines;
}

/** The value that a key takes, in words: `an address or a list of texts`. */
function valueText(raw) {
  const node = resolve(raw);
  if (node.oneOf !== undefined || node.then !== undefined) return 'keys';
  if (node.anyOf !== undefined) return [...new Set(node.anyOf.map(valueText))].join(' or ');
  if (node.enum !== undefined) return node.enum.map(code).join(', ');
  if (node.const !== undefined) return code(node.const);
  const types = [node.type ?? []].flat();
  return types.map((type) => typeText(type, node)).join(' or ');
}

function typeText(type, node) {
  switch (type) {
    case 'integer':
      return `number${rangeText(node)}`;
    case 'number':
      return `number${rangeText(node)}`;
    case 'boolean':
      return '`true`, `false`';
    case 'string':
      return node.maxLength === undefined ? 'text' : `text, at most ${node.maxLength} characters`;
    case 'null':
      return 'nothing';
    case 'array':
      return node.items === undefined ? 'list' : `list of ${pluralText(node.items)}`;
    case 'object':
      if (node.properties !== undefined) return 'keys';
      if (typeof node.additionalProperties !== 'object') return 'map';
      return `map of ${pluralText(node.additionalProperties)}`;
    default:
      return 'anything';
  }
}

function pluralText(raw) {
  const text = valueText(raw);
  return text.includes(' or ') ? `(${text})` : text;
}

function rangeText({ minimum, maximum }) {
  if (minimum === undefined && maximum === undefined) return '';
  if (maximum === undefined) return ` from ${minimum}`;
  if (minimum === undefined) return ` up to ${maximum}`;
  return ` ${minimum}–${maximum}`;
}

function code(value) {
  return `\`${stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trim()}\``;
}

function cell(text) {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

/** The anchor that GitHub gives a heading. */
function slug(title) {
  return title
    .toLowerCase()
    .replace(/[^a-z0-9 _-]/g, '')
    .replaceAll(' ', '-');
}

// --- docs/cli.md ---

function cliPage() {
  const lines = [
    '# The commands',
    '',
    '<!-- Generated from src/cli/commands.ts by scripts/docs.mjs; do not edit. -->',
    '',
    '| Command | What it does |',
    '|---|---|',
    ...commands.map(({ name, summary }) => `| [\`${name}\`](#${slug(name)}) | ${cell(summary)} |`),
    '',
    'Results go to standard output; progress, warnings and errors go to standard error. With `--json`, one JSON document',
    'is on standard output and nothing else.',
    '',
    '## Options of every command',
    '',
    ...globalOptions.map(({ flags, description }) => `- \`${flags}\`: ${description}`),
    '',
    'Colours are used on terminals only. `NO_COLOR` turns them off, `FORCE_COLOR` turns them on, and `--color` is',
    'stronger than both.',
    '',
    '## Exit codes',
    '',
    '| Code | Meaning |',
    '|---|---|',
    ...exitCodeTable().map(({ code: number, means }) => `| ${number} | ${cell(means)} |`),
    '',
    'The commands below list what a code means for them, where that says more.',
    '',
    'A reader that goes away (`topoweave plan | head`) and a terminal that is closed change none of them: every command runs to',
    'its end without a word. A result that cannot be written, because the disk is full, is a failure, as with the programs of',
    'coreutils: 0 and 2 become 1, and standard error says that the command itself was performed. Progress and messages that',
    'cannot be written to standard error are left out.',
    '',
  ];
  for (const command of commands) lines.push(...commandLines(command));
  return `${lines.join('\n').trimEnd()}\n`;
}

function commandLines(command) {
  const { name, summary, description, options = [], examples, exitCodes: codes = [] } = command;
  const lines = [`## ${name}`, '', sentence(summary), '', '```', usage(command), '```', ''];
  if (description !== undefined) lines.push(description, '');
  const words = [
    ...argumentsOf(command).map((argument) => [argument.name, argument.description]),
    ...options.map(({ flags, description: text, choices }) => [flags, withChoices(text, choices)]),
  ];
  if (words.length > 0) lines.push(...words.map(([word, text]) => `- \`${word}\`: ${text}`), '');
  lines.push('```sh');
  for (const example of examples) lines.push(`# ${example.explains}`, example.command);
  lines.push('```', '');
  if (codes.length > 0) {
    lines.push('| Exit code | Meaning |', '|---|---|');
    lines.push(...codes.map(({ code: number, means }) => `| ${number} | ${cell(means)} |`), '');
  }
  return lines;
}

function withChoices(text, choices) {
  return choices === undefined ? text : `${text}: ${choices.join(', ')}`;
}

// --- docs/changes.md ---

/** What the kernel does with a changed attribute, for each kind, from the kinds themselves and the examples. */
async function changesPage() {
  const { kinds, kindOf, loadText, lower } = await importBundle(
    `export { kinds, kindOf } from './src/kinds/registry.ts';
export { loadText } from './src/loader/load.ts';
export { lower } from './src/plan/plan.ts';`,
  );
  // What makes an object another one stands in its identity; the rest of these says the same in other words, or is how a kind
  // compares what it has.
  const identity = new Set([
    'first',
    'devs',
    'family',
    'to',
    'table',
    'metric',
    'dev',
    'address',
    'name',
    'mark',
    'isExact',
  ]);
  const internal = new Set([
    ...['early', 'vlan-default', 'bridge-port', 'master-kind', 'nodad', 'handle', 'queue', 'discipline'],
    ...[
      'seal',
      'objects',
      'part',
      'types',
      'hook',
      'order',
      'entry',
      'content',
      'comment',
      'lab',
      'form',
      'interface',
    ],
  ]);
  const attributes = new Map(kinds.map((kind) => [kind, new Set(Object.keys(kind.changes))]));
  for (const file of readdirSync(join(root, 'topologies'))
    .filter((name) => name.endsWith('.yaml'))
    .sort()) {
    const path = join(root, 'topologies', file);
    const { topology } = await loadText(path, readFileSync(path, 'utf8'));
    for (const resource of topology === undefined ? [] : lower(topology))
      for (const name of Object.keys(resource.attributes)) attributes.get(kindOf(resource)).add(name);
  }
  const common = Object.keys(kinds.find(({ name }) => name === 'dummy').changes);
  const isLink = (kind) => common.every((name) => name in kind.changes);
  const lines = [
    '# What a change does',
    '',
    '<!-- Generated from src/kinds by scripts/docs.mjs; do not edit. -->',
    '',
    'A changed attribute is changed on the running object (**in place**), with the interface down for a moment',
    '(**bounce**), or it takes a new object (**replaced**). `plan` says which, and what it does to traffic. Addresses, routes',
    'and whatever else the kernel drops along is put back in the same run.',
    '',
    `Every interface: ${common
      .filter((name) => name !== 'mark' && !internal.has(name))
      .map(code)
      .join(', ')} in place. Before Linux 6.2, a new name is a bounce.`,
    '',
    '| Kind | In place | Bounce | Replaced |',
    '|---|---|---|---|',
  ];
  const described = kinds.filter((kind) => attributes.get(kind).size > 0);
  for (const kind of described.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const of = { 'in-place': [], bounce: [], replace: [] };
    for (const name of [...attributes.get(kind)].sort()) {
      if (isLink(kind) && common.includes(name)) continue;
      const isIdentity = identity.has(name) && !(isLink(kind) && name === 'table');
      if (
        internal.has(name) ||
        (kind.name === 'address' && name === 'duplicate') ||
        (isIdentity && !(name in kind.changes))
      )
        continue;
      // As the mark of others: it says whose a row of the database is.
      if (name === 'owner') continue;
      of[kind.changes[name] ?? 'replace'].push(code(name));
    }
    const cells = Object.values(of).map((list) => list.join(', ') || '–');
    lines.push(`| ${kind.name} | ${cells.map(cell).join(' | ')} |`);
  }
  return `${lines.join('\n')}\n`;
}

// --- man/topoweave.1 ---

function manPage() {
  const lines = [
    '.\\" Generated from src/cli/commands.ts by scripts/docs.mjs; do not edit.',
    `.TH TOPOWEAVE 1 "" "topoweave ${roff(version)}" "User Commands"`,
    '.SH NAME',
    'topoweave \\- keep the network of a Linux machine as one YAML file says',
    '.SH SYNOPSIS',
    '.B topoweave',
    '.RI [ options ]',
    '.I command',
    '.RI [ arguments ]',
    '.SH DESCRIPTION',
    roff(
      'topoweave compares a topology file with the live kernel, shows what is different, and does what is missing:',
    ),
    roff('network namespaces, bridges, veth links, addresses, routes, NAT, tunnels and sysctls.'),
    roff('What it makes is marked as its own in the kernel; what it did not make it does not touch.'),
    '.PP',
    roff('Results go to standard output; progress, warnings and errors go to standard error.'),
    '.SH OPTIONS',
    ...globalOptions.flatMap(({ flags, description }) => tagged(flags, sentence(description))),
    '.SH COMMANDS',
  ];
  for (const command of commands) lines.push(...manCommand(command));
  lines.push(
    '.SH EXIT STATUS',
    ...exitCodeTable().flatMap(({ code: number, means }) => tagged(String(number), sentence(means))),
    '.SH ENVIRONMENT',
    ...tagged('NO_COLOR', 'If set, and not empty, the output has no colours.'),
    ...tagged(
      'FORCE_COLOR',
      'If set, and neither empty nor 0, the output has colours, even if it is no terminal.',
    ),
    '.SH FILES',
    ...tagged(
      '/run/topoweave/LAB.json',
      'What the kernel cannot carry: the values of sysctls from before, and the path of the file. Its loss is survivable.',
    ),
    ...tagged('/run/topoweave/lock', 'Held while a run changes the machine.'),
    ...tagged('/run/netns/NAME', 'A named network namespace, as ip\u2010netns(8) makes it.'),
    '.SH SEE ALSO',
    ...['ip 8', 'ip-netns 8', 'bridge 8', 'nft 8', 'unshare 1'].map((page, index, all) => {
      const [name, number] = page.split(' ');
      return `.BR ${roff(name)} (${number})${index === all.length - 1 ? '' : ','}`;
    }),
  );
  return `${lines.join('\n')}\n`;
}

function manCommand(command) {
  const { name, summary, description, options = [], examples, exitCodes: codes = [] } = command;
  const lines = [`.SS ${roff(name)}`, `.B ${roff(usage(command))}`, '.PP', roff(sentence(summary))];
  if (description !== undefined) lines.push(roff(description));
  for (const argument of argumentsOf(command))
    lines.push(...tagged(argument.name, sentence(argument.description)));
  for (const { flags, description: text, choices } of options)
    lines.push(...tagged(flags, sentence(withChoices(text, choices))));
  for (const { code: number, means } of codes)
    lines.push(...tagged(`Exit status ${number}`, sentence(means)));
  lines.push('.PP', examples.length === 1 ? 'Example:' : 'Examples:');
  for (const example of examples)
    lines.push('.PP', '.RS 4', '.nf', roff(`# ${example.explains}`), roff(example.command), '.fi', '.RE');
  return lines;
}

function tagged(tag, text) {
  return ['.TP', `.B ${roff(tag)}`, roff(text)];
}

/** Text as roff takes it: no line begins with a control character, and a dash stays the dash of an option. */
function roff(text) {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('\u2010', '\\-')
    .replaceAll('~', '\\(ti')
    .replaceAll('^', '\\(ha')
    .replaceAll("'", '\\(aq')
    .replaceAll('"', '\\(dq')
    .replace(/^\./, '\\&.');
}
