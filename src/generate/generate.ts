import { UsageError } from '../lib/errors.ts';
import { MAX_NODES } from './addresses.ts';
import { routedFile } from './routed.ts';
import { type ShapeSpec, shapes } from './shapes.ts';
import { switchedFile, switchedShapes } from './switched.ts';

export interface GenerateOptions {
  readonly shape: string;
  /** The sizes that were given, by the names of their options. */
  readonly sizes: Readonly<Record<string, number>>;
  /** Bridges instead of routers. */
  readonly isSwitched: boolean;
  /** The lab's name; the shape's when left out. */
  readonly name?: string;
}

/**
 * A topology file of a standard shape.
 *
 * @throws UsageError for sizes that the shape does not have or that are too large.
 */
export function generate({ shape, sizes: given, isSwitched, name = shape }: GenerateOptions): string {
  const spec = Object.hasOwn(shapes, shape) ? shapes[shape] : undefined;
  if (spec === undefined)
    throw new UsageError(`there is no shape '${shape}'`, `shapes are ${Object.keys(shapes).join(', ')}`);
  const sizes = sizesOf(shape, spec, given);
  const words = Object.entries(sizes).map(([size, value]) => ` --${size} ${value}`);
  const command = `topoweave generate ${shape}${words.join('')}${isSwitched ? ' --switched' : ''}`;
  if (shape === 'fat-tree' && (sizes['k'] ?? 0) % 2 !== 0) throw new UsageError('--k must be even');
  const count = countNodes(shape, sizes);
  if (count < 2) throw new UsageError(`${shape} needs two nodes at least`);
  if (count > MAX_NODES) throw new UsageError(`that is ${count} nodes; at most ${MAX_NODES} are generated`);
  if (!isSwitched) return routedFile(spec.build(sizes), { name, command });
  const build = Object.hasOwn(switchedShapes, shape) ? switchedShapes[shape] : undefined;
  if (build === undefined)
    throw new UsageError(
      `${shape} has no switched form`,
      `with bridges there are ${Object.keys(switchedShapes).join(', ')}`,
    );
  return switchedFile(build(sizes), { name, command });
}

function sizesOf(
  shape: string,
  { sizes: known }: ShapeSpec,
  given: Readonly<Record<string, number>>,
): Record<string, number> {
  const unknown = Object.keys(given).find((size) => !Object.hasOwn(known, size));
  if (unknown !== undefined) {
    const names = Object.keys(known).map((size) => `--${size}`);
    throw new UsageError(`${shape} has no --${unknown}`, `it takes ${names.join(', ')}`);
  }
  const sizes: Record<string, number> = {};
  for (const [size, { preset, least, most }] of Object.entries(known)) {
    const value = given[size] ?? preset;
    if (!Number.isSafeInteger(value) || value < least || value > most)
      throw new UsageError(`--${size} must be a whole number from ${least} to ${most}`);
    sizes[size] = value;
  }
  return sizes;
}

/** Before anything is built, which might be too large for the memory. */
function countNodes(
  shape: string,
  { nodes = 0, depth = 0, fanout = 0, ...rest }: Record<string, number>,
): number {
  const { rows = 0, columns = 0, k = 0, leaves = 0, spines = 0, hosts = 0 } = rest;
  switch (shape) {
    case 'tree': {
      let count = 0;
      for (let level = 0; level <= depth; level += 1) count += fanout ** level;
      return count;
    }
    case 'grid':
    case 'torus':
      return rows * columns;
    case 'fat-tree':
      return (5 * k * k) / 4 + k ** 3 / 4;
    case 'leaf-spine':
      return spines + leaves * (1 + hosts);
    default:
      return shape === 'star' ? nodes + 1 : nodes;
  }
}
