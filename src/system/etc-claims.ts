import { lstatSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import type { EtcFolder } from '../observe/live.ts';
import type { Step } from '../plan/step.ts';

const ROOT = '/etc/netns';
/** In a list of folders, /etc/netns itself. */
const ALL = '.';

/**
 * Folders below /etc/netns that are empty for a moment while the steps are done, and that are ours: one that is made has
 * no file with a mark yet, one that is removed has none any more. A run that is killed then leaves them.
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
