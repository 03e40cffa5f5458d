import type { ErrorObject } from 'ajv';
import type { TopologyFile } from '../generated/topology-file.ts';
import validate from '../generated/validate-topology.js';
import { pointer, pointerParts } from '../lib/pointer.ts';
import { suggest } from './suggest.ts';

type Path = readonly string[];

/** More than the depth of a file: each round may take away one level. */
const MAX_ROUNDS = 20;

/**
 * A copy without what the schema refuses: the smallest part that is wrong goes, then the larger ones around it as far
 * as they need it, until the rest is valid.
 */
export function prune(
  data: object,
): { data: TopologyFile; kept: ReadonlyMap<string, readonly number[]> } | undefined {
  const kept = new Map<string, readonly number[]>();
  const origins = new Map<unknown, number[]>();
  const root = copy(data) as Record<string, unknown>;
  if (typeof root['name'] !== 'string' || !/^[a-z][a-z0-9-]{0,31}$/.test(root['name']))
    root['name'] = 'invalid';
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    if (validate(root)) {
      collectKept(root, '', { origins, kept });
      return { data: root as unknown as TopologyFile, kept };
    }
    const paths = wrongPaths(validate.errors ?? []);
    for (const path of paths) remove(root, path, origins);
    // Without its namespaces, every other line of the file would seem wrong.
    const isLost = paths.some(([name = '', deeper]) => deeper === undefined && isNamespaces(name));
    if (isLost && !Object.hasOwn(root, 'namespaces')) return undefined;
  }
  return undefined;
}

/** What aliases share becomes separate, and `__proto__` stays an ordinary key. */
function copy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copy);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, copy(child)]));
}

/** The deepest places of the errors, in an order in which removing one does not move another. */
function wrongPaths(errors: readonly ErrorObject[]): Path[] {
  const paths = new Map<string, Path>();
  const ancestors = new Set<string>();
  for (const { keyword, instancePath, params } of errors) {
    const parts = pointerParts(instancePath);
    const path =
      keyword === 'additionalProperties' ? [...parts, String(params['additionalProperty'])] : parts;
    for (let depth = 0; depth < path.length; depth += 1) ancestors.add(pointer(...path.slice(0, depth)));
    // A check without its one action would be reported once more, as a check without an action.
    const whole = path[0] === 'checks' && path.length === 3 && path[2] !== 'name' ? path.slice(0, 2) : path;
    if (path.length > 0) paths.set(pointer(...path), whole);
  }
  const deepest = [...paths].filter(([path]) => !ancestors.has(path)).map(([, path]) => path);
  const unique = [...new Map(deepest.map((path) => [pointer(...path), path])).values()];
  const index = (path: Path) => (/^\d+$/.test(path.at(-1) ?? '') ? Number(path.at(-1)) : -1);
  return unique.sort((a, b) => b.length - a.length || index(b) - index(a));
}

function remove(root: object, path: Path, origins: Map<unknown, number[]>): void {
  let parent: unknown = root;
  for (const part of path.slice(0, -1)) parent = childOf(parent, part);
  const last = path.at(-1) ?? '';
  if (Array.isArray(parent)) {
    const indexes = origins.get(parent) ?? [...parent.keys()];
    origins.set(parent, indexes);
    indexes.splice(Number(last), 1);
    parent.splice(Number(last), 1);
  } else if (typeof parent === 'object' && parent !== null) {
    const standIn = standInFor(path);
    const entries = parent as Record<string, unknown>;
    if (standIn === undefined || JSON.stringify(childOf(parent, last)) === JSON.stringify(standIn))
      delete entries[last];
    else entries[last] = standIn;
  }
}

/** What is named elsewhere in the file stays there without its settings: else each mention would be an error too. */
function standInFor(path: Path): unknown {
  const named = ['namespaces', 'bridges', 'ports', 'endpoints', 'interfaces', 'members'];
  if (named.includes(path.at(-2) ?? '')) return {};
  return path.length === 3 && path[0] === 'tunnels' && path[2] === 'id' ? 16_777_215 : undefined;
}

function childOf(parent: unknown, key: string): unknown {
  const isContainer = typeof parent === 'object' && parent !== null && Object.hasOwn(parent, key);
  return isContainer ? (parent as Record<string, unknown>)[key] : undefined;
}

function isNamespaces(key: string): boolean {
  return key === 'namespaces' || suggest(key, ['namespaces']) !== undefined;
}

function collectKept(
  value: unknown,
  path: string,
  found: { origins: ReadonlyMap<unknown, number[]>; kept: Map<string, readonly number[]> },
): void {
  if (typeof value !== 'object' || value === null || found.origins.size === 0) return;
  const indexes = found.origins.get(value);
  if (indexes !== undefined) found.kept.set(path, indexes);
  for (const [key, child] of Object.entries(value)) collectKept(child, path + pointer(key), found);
}

/** JSON pointers of what an error takes away. An unknown key is cut out itself; of a value of a wrong type, all that could have been in it is missing. */
export function cutPaths({ keyword, instancePath, params }: ErrorObject): string[] {
  if (keyword === 'additionalProperties') return [instancePath + pointer(params['additionalProperty'])];
  return keyword === 'type' ? [instancePath, `${instancePath}/-`] : [instancePath];
}
