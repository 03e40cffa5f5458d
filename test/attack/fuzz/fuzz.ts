import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Live } from '../../../src/observe/live.ts';
import { randomOf } from '../random.ts';
import { examine, type Verdict } from './examine.ts';
import { fuzzers, type Material } from './fuzzers.ts';
import type { Schema } from './grammar.ts';

export type FuzzerName = keyof typeof fuzzers;

export const fuzzerNames = Object.keys(fuzzers) as FuzzerName[];

export interface FuzzFinding {
  readonly wrong: NonNullable<Verdict>['wrong'] | 'hangs';
  readonly text: string;
  readonly seed: number;
  /** The text itself. */
  readonly input: string;
}

export interface FuzzReport {
  /** Inputs by fuzzer; those that were valid are counted once more, as such. */
  readonly counts: Readonly<Record<string, number>>;
  readonly findings: readonly FuzzFinding[];
}

export interface FuzzOptions {
  readonly root: string;
  /** Of the first input; each adds one. */
  readonly seed: number;
  readonly inputs: number;
  readonly lives: readonly Live[];
  /** Before each input is tried. */
  readonly onInput?: (input: string) => void;
}

/** Tries inputs of every fuzzer, one after the other. */
export async function fuzz({ root, seed, inputs, lives, onInput }: FuzzOptions): Promise<FuzzReport> {
  const material = readMaterial(root);
  const counts: Record<string, number> = {};
  const findings: FuzzFinding[] = [];
  for (let done = 0; done < inputs; done += 1) {
    for (const name of fuzzerNames) {
      const input = fuzzers[name](randomOf(seed + done), material);
      onInput?.(input);
      const { verdict, isValid } = await examine(input, lives);
      counts[name] = (counts[name] ?? 0) + 1;
      if (isValid) counts[`${name}, valid`] = (counts[`${name}, valid`] ?? 0) + 1;
      if (verdict !== undefined)
        findings.push({ ...verdict, text: `${name}: ${verdict.text}`, seed: seed + done, input });
    }
  }
  return { counts, findings };
}

function readMaterial(root: string): Material {
  const folders = ['topologies', 'test/attack/labs'];
  const examples = folders.flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.yaml'))
      .sort()
      .map((name) => readFileSync(join(root, folder, name), 'utf8')),
  );
  const schema = JSON.parse(readFileSync(join(root, 'schemas/topology.schema.json'), 'utf8')) as Schema;
  return { examples, schema };
}
