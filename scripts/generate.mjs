// Makes src/generated from schemas/: the validator as plain code (compiling it at run time costs 190 ms of
// start-up) and the TypeScript types of the raw file.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import standalone from 'ajv/dist/standalone/index.js';
import { compile } from 'json-schema-to-typescript';

const schema = JSON.parse(readFileSync('schemas/topology.schema.json', 'utf8'));
mkdirSync('src/generated', { recursive: true });

const ajv = new Ajv2020({
  strict: true,
  strictTypes: false,
  // Of a choice by `type`, only the errors of the branch that is meant.
  discriminator: true,
  allErrors: true,
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
