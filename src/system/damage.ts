import { linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import { orMissing } from '../lib/system-error.ts';

/** A file of ours that is not as we write it. */
export interface Damage {
  readonly path: string;
  /** What is wrong: 'it is cut off'. */
  readonly problem: string;
  /** Where it is now; not yet set where nothing was changed. */
  readonly kept?: string | undefined;
  /** What is not known any more, in words. */
  readonly lost?: string | undefined;
  /** It is not damaged, but not for this topoweave: the problem is a whole sentence. */
  readonly isForeign?: boolean;
}

const noted = new Map<string, Damage>();

/** Remembers it for whoever tells the user, once for each file. */
export function noteDamage(damage: Damage): void {
  const before = noted.get(damage.path);
  if (before?.kept === undefined || damage.kept !== undefined) noted.set(damage.path, damage);
}

export function notedDamage(): readonly Damage[] {
  return [...noted.values()];
}

/** What was noted; from then on it is told. */
export function takeDamage(): readonly Damage[] {
  const all = notedDamage();
  noted.clear();
  return all;
}

export function damageText({ path, problem, lost, isForeign = false }: Damage): string {
  if (isForeign) return problem;
  return `${path} is damaged: ${problem}${lost === undefined ? '' : `; not known any more: ${lost}`}`;
}

export function damageHelp({ kept, isForeign = false }: Damage): string {
  if (isForeign) return 'the file stays as it is';
  return kept === undefined
    ? 'nothing was changed; the next apply or destroy puts it aside and goes on with what is left of it'
    : `the damaged one is kept as ${kept}, until you remove it`;
}

/**
 * Gives a damaged file another name, which nothing has yet: beside it, or beside `base`. The lock is held, so nobody else looks for one.
 * With `stays`, a regular file keeps its own name too, until another is renamed over it: there is no moment without.
 */
export function putAside(
  path: string,
  { stays = false, base = path }: { readonly stays?: boolean; readonly base?: string } = {},
): string {
  let kept = `${base}.damaged`;
  for (let count = 1; isThere(kept); count += 1) kept = `${base}.damaged.${count}`;
  if (stays && lstatSync(path).isFile()) linkSync(path, kept);
  else renameSync(path, kept);
  return kept;
}

/** Whatever it is, also a link to nowhere. */
export function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

export function removeIfThere(path: string): void {
  orMissing(() => unlinkSync(path), undefined);
}
