import type { ErrorObject } from 'ajv';
import type { TopologyFile } from '../generated/topology-file.ts';
import validate from '../generated/validate-topology.js';
import { pointerParts } from '../lib/pointer.ts';

/**
 * A copy without the parts that the schema refuses: the smallest part that is wrong goes, then the larger ones around it
 * as far as they depend on it, until the rest is valid. undefined where an item in the middle of a list is wrong: the
 * later ones would move, and with them the places that later problems are shown at.
 */
export function prune(data: object, errors: readonly ErrorObject[]): TopologyFile | undefined {
  const copy = structuredClone(data) as Record<string, unknown>;
  if (typeof copy['name'] !== 'string' || !/^[a-z][a-z0-9-]{0,31}$/.test(copy['name']))
    copy['name'] = 'invalid';
  let found = errors;
  for (let round = 0; round < 20; round += 1) {
    for (const path of wrongPaths(found)) if (!remove(copy, path)) return undefined;
    if (validate(copy)) return copy as unknown as TopologyFile;
    found = validate.errors ?? [];
  }
  return undefined;
}

/** The deepest places of the errors: an error of a wrapper (anyOf) says nothing that those of its branches do not. */
function wrongPaths(errors: readonly ErrorObject[]): string[][] {
  const paths = errors
    .filter(({ keyword, instancePath }) => instancePath !== '' || keyword === 'additionalProperties')
    .map(({ keyword, instancePath, params }) => [
      ...pointerParts(instancePath),
      ...(keyword === 'additionalProperties' ? [String(params['additionalProperty'])] : []),
    ]);
  const texts = new Set(paths.map((path) => path.join('\0')));
  return paths.filter((path) => {
    const prefix = `${path.join('\0')}\0`;
    return ![...texts].some((text) => text.startsWith(prefix));
  });
}

function remove(root: Record<string, unknown>, path: readonly string[]): boolean {
  let parent: unknown = root;
  for (const part of path.slice(0, -1)) {
    if (typeof parent !== 'object' || parent === null) return true;
    parent = Object.hasOwn(parent, part) ? (parent as Record<string, unknown>)[part] : undefined;
  }
  const last = path.at(-1);
  if (last === undefined || typeof parent !== 'object' || parent === null) return true;
  if (Array.isArray(parent)) {
    if (Number(last) < parent.length - 1) return false;
    parent.length = Math.min(parent.length, Number(last));
  } else {
    delete (parent as Record<string, unknown>)[last];
  }
  return true;
}
