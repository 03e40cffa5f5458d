import type { Random } from '../random.ts';
import { oddValues } from './values.ts';

/** As much of JSON Schema as the schema of topologies uses. */
export interface Schema {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly examples?: readonly unknown[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** Names and addresses of a small world, so that parts refer to each other. */
const names = [
  'a',
  'b',
  'host',
  'n0',
  'n1',
  'n2',
  'eth0',
  'eth1',
  'br0',
  'lo',
  'n0:eth0',
  'a:eth0',
  'b:eth1',
  'tcp',
  'wan',
];
const words = [
  '10.0.0.1/24',
  '10.0.0.2',
  'default',
  '10.0.0.0/8',
  'fd00::1/64',
  'fd00::2',
  '02:00:00:00:00:07',
  '1s',
  '80',
  'x',
];

/** Some value that the schema allows; now and then one that it does not. */
export function fromSchema(root: Schema, schema: Schema, random: Random, depth = 0): unknown {
  if (random.chance(0.01)) return random.pick(oddValues);
  if (schema.$ref !== undefined) {
    const name = schema.$ref.replace('#/$defs/', '');
    return fromSchema(root, root.$defs?.[name] ?? {}, random, depth);
  }
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return random.pick(schema.enum);
  if (schema.examples !== undefined && random.chance(0.5)) return random.pick(schema.examples);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return fromSchema(root, random.pick(choices), random, depth);
  return ofType({ root, schema, random, depth });
}

interface Making {
  readonly root: Schema;
  readonly schema: Schema;
  readonly random: Random;
  readonly depth: number;
}

function ofType(making: Making): unknown {
  const { schema, random } = making;
  const types = [schema.type ?? (schema.properties === undefined ? 'string' : 'object')].flat();
  switch (random.pick(types)) {
    case 'object':
      return someObject(making);
    case 'array':
      return someArray(making);
    case 'integer':
    case 'number':
      return someNumber(making);
    case 'boolean':
      return random.chance(0.5);
    case 'null':
      return null;
    default:
      return random.pick(random.chance(0.5) ? names : words);
  }
}

function someObject({ root, schema, random, depth }: Making): object {
  const made: Record<string, unknown> = {};
  const keys = Object.keys(schema.properties ?? {});
  const share = depth > 5 ? 0 : Math.min(0.5, 3 / (keys.length + 1));
  for (const key of keys) {
    if (schema.required?.includes(key) !== true && !random.chance(share)) continue;
    made[key] = fromSchema(root, schema.properties?.[key] ?? {}, random, depth + 1);
  }
  const more = schema.additionalProperties;
  if (typeof more !== 'object' || depth > 6) return made;
  for (let left = random.below(3); left > 0; left -= 1)
    made[random.pick(names)] = fromSchema(root, more, random, depth + 1);
  return made;
}

function someArray({ root, schema, random, depth }: Making): unknown[] {
  const length = (schema.minItems ?? 0) + (depth > 6 ? 0 : random.below(3));
  return Array.from({ length }, () => fromSchema(root, schema.items ?? {}, random, depth + 1));
}

function someNumber({ schema, random }: Making): number {
  const [least, most] = [schema.minimum ?? 0, schema.maximum ?? 70_000];
  return random.chance(0.3)
    ? random.pick([least, most])
    : least + random.below(Math.min(most - least + 1, 2 ** 31));
}
