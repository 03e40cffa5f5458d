import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { NETNS_FOLDER, namespaceFiles } from './netns.ts';
import { recordFolder, writePrivateFile } from './record.ts';

/** A namespace that lost its name, by the number that /proc/PID/ns/net shows (namespaces(7)). */
export interface RemovedNamespace {
  readonly name: string;
  readonly inode: number;
}

const ENDING = '.left';

/**
 * Writes down which namespaces are about to lose their names: whoever is still in one of them keeps it, and only its
 * number tells then which one it was. Also for the run that comes after one that was killed.
 */
export function noteRemoval(lab: string, names: readonly string[]): void {
  const found = names.flatMap((name): RemovedNamespace[] => {
    const inode = inodeOf(name);
    return inode === undefined ? [] : [{ name, inode }];
  });
  if (found.length === 0) return;
  const inodes = new Set(found.map(({ inode }) => inode));
  keepNoted(lab, [...readNoted(lab).filter(({ inode }) => !inodes.has(inode)), ...found]);
}

/** Those of them that have no name any more. */
export function notedNamespaces(lab: string): RemovedNamespace[] {
  const noted = readNoted(lab);
  if (noted.length === 0) return noted;
  const named = namespaceFiles();
  return noted.filter(({ name, inode }) => !named.has(name) || inodeOf(name) !== inode);
}

/** Writes down these instead; nothing is left of the note without any. */
export function keepNoted(lab: string, namespaces: readonly RemovedNamespace[]): void {
  const path = join(recordFolder(), `${lab}${ENDING}`);
  if (namespaces.length > 0) {
    writePrivateFile(path, `${JSON.stringify({ version: 1, namespaces })}\n`);
    return;
  }
  try {
    unlinkSync(path);
  } catch {
    // Nothing there: as it should be.
  }
}

/** The labs that have such a note, by name. */
export function labsWithNotes(): string[] {
  try {
    return readdirSync(recordFolder()).flatMap((name) =>
      /^[a-z][a-z0-9-]*\.left$/.test(name) ? [name.slice(0, -ENDING.length)] : [],
    );
  } catch {
    return [];
  }
}

function readNoted(lab: string): RemovedNamespace[] {
  try {
    const path = join(recordFolder(), `${lab}${ENDING}`);
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      // A border: the file is ours, but may be of another version.
      const { namespaces } = JSON.parse(readFileSync(file, 'utf8')) as { namespaces?: unknown };
      return Array.isArray(namespaces) ? namespaces.filter(isNoted) : [];
    } finally {
      closeSync(file);
    }
  } catch {
    return [];
  }
}

function isNoted(value: unknown): value is RemovedNamespace {
  const { name, inode } = (value ?? {}) as Partial<RemovedNamespace>;
  return typeof name === 'string' && typeof inode === 'number';
}

/** The file system that namespaces are files of. */
let nsfs: number | undefined;

/** Undefined where there is none of this name, or only a file. */
function inodeOf(name: string): number | undefined {
  nsfs ??= statSync('/proc/self/ns/net').dev;
  const status = lstatSync(join(NETNS_FOLDER, name), { throwIfNoEntry: false });
  return status?.dev === nsfs ? status.ino : undefined;
}
