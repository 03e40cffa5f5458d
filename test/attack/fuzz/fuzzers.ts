import fc from 'fast-check';
import { parse } from 'yaml';
import { stringifyYaml } from '../../../src/loader/stringify.ts';
import { topologyFile } from '../../unit/loader/topology-file.ts';
import type { Random } from '../random.ts';
import { fromSchema, type Schema } from './grammar.ts';
import { oddValues, pieces } from './values.ts';

/** What the inputs are made from. */
export interface Material {
  readonly examples: readonly string[];
  readonly schema: Schema;
}

type Fuzzer = (random: Random, material: Material) => string;

/** By name, what makes one input. */
export const fuzzers = { grammar, trees, lines, bytes } as const satisfies Readonly<Record<string, Fuzzer>>;

/** A valid file, with parts that the schema allows and nobody has thought of. */
function grammar(random: Random, { schema }: Material): string {
  const [base] = fc.sample(topologyFile, { seed: random.below(2 ** 31), numRuns: 1 });
  const file = JSON.parse(JSON.stringify(base)) as Record<string, unknown>;
  const count = random.below(4);
  for (let left = count; left > 0; left -= 1) addPart(file, schema, random);
  return stringifyYaml(file);
}

function addPart(file: Record<string, unknown>, schema: Schema, random: Random): void {
  const names = Object.keys(schema.properties ?? {}).filter((name) => !['name', 'include'].includes(name));
  const name = random.pick(names);
  const part = fromSchema(schema, schema.properties?.[name] ?? {}, random);
  const old = file[name];
  if (Array.isArray(old) && Array.isArray(part)) file[name] = [...old, ...part];
  else if (isMap(old) && isMap(part)) {
    // Into a namespace, bridge or tunnel that is there: then it is in use.
    const inner = random.pick(Object.keys(old).concat('extra'));
    const addition = random.pick(Object.values(part).concat([{}]));
    const target = old[inner];
    if (isMap(target) && isMap(addition)) Object.assign(target, addition);
    else Object.assign(old, part);
  } else file[name] = part;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An example whose tree was changed: parts deleted, doubled, swapped, replaced, or grafted from another example. */
function trees(random: Random, { examples }: Material): string {
  const tree: unknown = parse(random.pick(examples));
  const other: unknown = parse(random.pick(examples));
  for (let left = 1 + random.below(2); left > 0; left -= 1) {
    const place = random.pick(placesOf(tree));
    const value = random.pick<() => unknown>([
      () => random.pick(oddValues),
      () => valueAt(random.pick(placesOf(other))),
      () => valueAt(random.pick(placesOf(tree))),
      () => undefined,
    ])();
    change(place, structuredClone(value), random);
  }
  return stringifyYaml(tree as object);
}

interface TreePlace {
  readonly parent: Record<string, unknown> | unknown[];
  readonly key: string;
}

function placesOf(tree: unknown): TreePlace[] {
  if (typeof tree !== 'object' || tree === null) return [];
  const parent = tree as Record<string, unknown>;
  return Object.keys(parent).flatMap((key) => [{ parent, key }, ...placesOf(parent[key])]);
}

function valueAt({ parent, key }: TreePlace): unknown {
  return (parent as Record<string, unknown>)[key];
}

function change({ parent, key }: TreePlace, value: unknown, random: Random): void {
  if (Array.isArray(parent)) {
    if (value === undefined) parent.splice(Number(key), 1);
    else if (random.chance(0.3)) parent.splice(Number(key), 0, value);
    else parent[Number(key)] = value;
    return;
  }
  const old = parent[key];
  if (value === undefined) delete parent[key];
  else
    random.pick<() => void>([
      () => {
        // The key is what is odd.
        delete parent[key];
        parent[String(random.pick(oddValues))] = old;
      },
      () => {
        parent[`${key}x`] = value;
      },
      ...Array.from({ length: 4 }, () => () => {
        parent[key] = value;
      }),
    ])();
}

/** An example whose lines were deleted, doubled, swapped, joined or moved. */
function lines(random: Random, { examples }: Material): string {
  const text = random.pick(examples).split('\n');
  const other = random.pick(examples).split('\n');
  for (let left = 1 + random.below(2); left > 0; left -= 1) {
    const at = random.below(text.length);
    const line = text[at] ?? '';
    const to = random.below(text.length);
    random.pick<() => void>([
      () => void text.splice(at, 1),
      () => void text.splice(at, 0, line),
      () => void text.splice(at, 1, `  ${line}`),
      () => void text.splice(at, 1, line.replace(/^ {2}/, '')),
      () => void text.splice(at, 1, text[to] ?? ''),
      () => void text.splice(at, 0, random.pick(other)),
      () => void text.splice(at, 1 + random.below(8)),
      () => void text.splice(at, 2, `${line}${text[at + 1] ?? ''}`),
      () => void text.splice(at, 1, line.replace(/: .*/, `: ${String(random.pick(oddValues))}`)),
    ])();
  }
  return text.join('\n');
}

/** An example with bytes flipped, inserted, cut out or cut off. */
function bytes(random: Random, { examples }: Material): string {
  let text = Buffer.from(random.pick(examples));
  for (let left = 1 + random.below(3); left > 0; left -= 1) {
    const at = random.below(text.length);
    const length = 1 + random.below(20);
    const [before, behind] = [text.subarray(0, at), text.subarray(at)];
    text = random.pick<() => Buffer<ArrayBuffer>>([
      () => {
        const flipped = Buffer.from(text);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << random.below(8));
        return flipped;
      },
      () => Buffer.concat([before, Buffer.from(random.pick(pieces)), behind]),
      () => Buffer.concat([before, behind.subarray(length)]),
      () => Buffer.concat([before, behind.subarray(0, length), behind]),
      () => Buffer.from(random.chance(0.1) ? before : text),
    ])();
  }
  return text.toString('utf8');
}
