// Makes src/generated from schemas/: the validator as plain code (compiling it at run time costs 190 ms of
// start-up) and the TypeScript types of the raw file.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import standalone from 'ajv/dist/standalone/index.js';
import { compile } from 'json-schema-to-typescript';

const file = 'schemas/topology.schema.json';
const before = readFileSync(file, 'utf8');
const text = shareInterfaceSettings(before);
if (text !== before) writeFileSync(file, text);
const schema = JSON.parse(text);
mkdirSync('src/generated', { recursive: true });

const ajv = new Ajv2020({
  strict: true,
  strictTypes: false,
  // Of a choice by `type`, only the errors of the branch that is meant.
  discriminator: true,
  allErrors: true,
  // Definitions that stand in many places become functions: less to read at each start.
  inlineRefs: false,
  // The errors carry the part of the schema that they come from: its keys become suggestions.
  verbose: true,
  code: { source: true, esm: true, lines: true },
});
// What json-schema-to-typescript is told where it cannot follow: a choice by if, then and else.
ajv.addKeyword('tsType');
const validate = ajv.compile(schema);
writeFileSync('src/generated/validate-topology.js', (standalone.default ?? standalone)(ajv, validate));
writeFileSync(
  'src/generated/validate-topology.d.ts',
  `import type { ErrorObject } from 'ajv';
declare const validate: { (data: unknown): boolean; errors?: ErrorObject[] | null };
export default validate;
`,
);
writeFileSync(
  'src/generated/topology-file.ts',
  await compile(schema, 'TopologyFile', {
    bannerComment: '// Generated from schemas/topology.schema.json by scripts/generate.mjs.',
    additionalProperties: false,
    unreachableDefinitions: true,
    maxItems: -1,
  }),
);

/**
 * Every object with a `state` is an interface and takes all settings of interfaceSettings. Additional properties are
 * refused, and neither editors nor the generator of types can put objects together, so each object has to list them: the
 * references are written here, into the text, so that its form stays.
 */
function shareInterfaceSettings(source) {
  const ovsMade = ['ovsBridge', 'ovsInternal'];
  const { interfaceSettings, impairment } = JSON.parse(source).$defs;
  const shared = Object.keys(interfaceSettings.properties);
  const impairments = [...Object.keys(impairment.properties), 'ingress'];
  const lines = source.split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const [, indent] = /^( +)"state": \{ "\$ref": "#\/\$defs\/state" \},?$/.exec(lines[at]) ?? [];
    if (indent === undefined) continue;
    const isInside = (line) => line?.startsWith(indent) === true;
    let [first, last] = [at, at];
    while (isInside(lines[first - 1])) first -= 1;
    while (isInside(lines[last + 1])) last += 1;
    const keys = lines
      .slice(first, last + 1)
      .flatMap((line) => (line[indent.length] === '"' ? line.split('"')[1] : []));
    const definition = lines
      .slice(0, first)
      .findLast((line) => /^ {4}"/.test(line))
      ?.split('"')[1];
    // Not every interface has all of these, so they are written by hand; `lo` and an adopted one carry no mark of ours.
    const isOurs = keys.includes('alias');
    const without = [
      ...['addresses', 'macaddress', 'mtu', 'alias'],
      ...(isOurs ? [] : ['was', 'options']),
      // A tunnel's name stands at the tunnel.
      ...(keys.includes('local') ? ['was'] : []),
      // Open vSwitch finds the interfaces that it makes by their names.
      ...(ovsMade.includes(definition) ? ['was'] : []),
      // A bridge's own traffic leaves by its ports.
      ...(isOurs && !keys.includes('ports') && !ovsMade.includes(definition) ? [] : impairments),
    ];
    const missing = shared.filter((key) => !keys.includes(key) && !without.includes(key));
    if (missing.length === 0) continue;
    lines[last] += ',';
    const added = missing.map(
      (key) => `${indent}"${key}": { "$ref": "#/$defs/interfaceSettings/properties/${key}" }`,
    );
    lines.splice(last + 1, 0, ...added.join(',\n').split('\n'));
  }
  return lines.join('\n');
}
