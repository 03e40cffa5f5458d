import { lstatSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Resource } from '../kinds/resource.ts';
import type { EtcFolder } from '../observe/live.ts';
import type { Step } from '../plan/step.ts';

const ROOT = '/etc/netns';
/** In a list of folders, /etc/netns itself. */
const ALL = '.';

/**
 * Folders below /etc/netns that are about to be made, or are the lab's by the mark of a file in them. The files say so no
 * more where a run is killed before it writes them, or where somebody removes them: the record does.
 */
export function etcFolders(
  steps: readonly Step[],
  etc: ReadonlyMap<string, EtcFolder> | undefined,
): readonly string[] {
  const changed = new Set(steps.flatMap(({ kind, namespace }) => (kind === 'file' ? [namespace] : [])));
  if (changed.size === 0) return [];
  const there = foldersThere();
  const words = (name: string) => [...(etc?.get(name)?.values() ?? [])].flatMap((file) => file.words);
  const isOurs = (name: string) => there?.has(name) !== true || words(name).includes('folder');
  const found = [...changed].filter(isOurs).sort();
  const isRootOurs = there === undefined || [...changed].some((name) => words(name).includes('root'));
  return isRootOurs ? [ALL, ...found] : found;
}

/** Of the folders that a lab made, those that the file still wants files in, and the others. */
export function etcInUse(
  names: readonly string[],
  desired: readonly Resource[],
): { readonly etc?: readonly string[]; readonly unused: readonly string[] } {
  if (names.length === 0) return { unused: [] };
  const wanted = new Set(desired.flatMap(({ kind, namespace }) => (kind === 'file' ? [namespace] : [])));
  if (wanted.size > 0) wanted.add(ALL);
  const etc = names.filter((name) => wanted.has(name));
  const unused = names.filter((name) => !wanted.has(name));
  return etc.length === 0 ? { unused } : { etc, unused };
}

/** Removes those that are empty. */
export function removeEtcFolders(names: readonly string[]): void {
  for (const name of names) if (name !== ALL) removeEmpty(join(ROOT, name));
  if (names.includes(ALL)) removeEmpty(ROOT);
}

function foldersThere(): ReadonlySet<string> | undefined {
  if (lstatSync(ROOT, { throwIfNoEntry: false }) === undefined) return undefined;
  try {
    return new Set(readdirSync(ROOT));
  } catch {
    return new Set();
  }
}

function removeEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Something is in it, or it is gone.
  }
}
