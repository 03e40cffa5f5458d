import {
  closeSync,
  constants,
  type Dirent,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { TopoweaveError } from '../lib/errors.ts';
import { errnoOf, orMissing, withPath } from '../lib/system-error.ts';
import type { EtcFolder, EtcName, LiveEtcFile } from '../observe/live.ts';

/** Where `ip netns exec` finds a namespace's own files for /etc (ip-netns(8)). */
const ROOT = '/etc/netns';
/** A new file before it has its name, of whoever has topoweave's lock: a run that was killed leaves it there. */
const UNFINISHED = '.topoweave.new';
/** Bytes. No file of ours has so many. */
const MOST = 16 * 1024 * 1024;

export const etcNames: readonly EtcName[] = ['hostname', 'hosts', 'resolv.conf'];

/**
 * The first line of a file of ours: the lab, the names of ours that can have no such line (`hostname`), and which folders
 * did not exist before (`folder`: the namespace's own, `root`: /etc/netns).
 */
const markForm = /^# topoweave:([a-z][a-z0-9-]*)((?: [a-z]+)*)$/;

export function etcPath(namespace: string, name: EtcName): string {
  return join(ROOT, namespace, name);
}

/** The files below /etc/netns by namespace: those that topoweave can write, whosever they are. */
export function readEtcFiles(): ReadonlyMap<string, EtcFolder> {
  const found = new Map<string, EtcFolder>();
  const known = new Map<string, string>();
  for (const entry of entriesOf(ROOT)) {
    if (!entry.isDirectory()) continue;
    const files = readFolder(join(ROOT, entry.name), known);
    if (files.size > 0) found.set(entry.name, files);
  }
  return found;
}

function entriesOf(folder: string): Dirent[] {
  return orMissing(() => readdirSync(folder, { withFileTypes: true }), [], ['EACCES']);
}

/** `known`: lines that were read before. In a large lab each namespace has those of all others. */
function readFolder(folder: string, known = new Map<string, string>()): EtcFolder {
  const files = new Map<EtcName, LiveEtcFile>();
  let marked: { readonly lab: string; readonly words: readonly string[] } | undefined;
  for (const name of etcNames) {
    const text = readPlainFile(join(folder, name));
    if (text === undefined) continue;
    const lines = text === 'other' ? [] : linesOf(text, known);
    const [, lab, words = ''] = markForm.exec(lines[0] ?? '') ?? [];
    if (lab === undefined) files.set(name, { lines, lab: undefined, words: [] });
    else {
      marked = { lab, words: words.trim().split(' ') };
      files.set(name, { lines: lines.slice(1), lab, words: marked.words });
    }
  }
  const hostname = files.get('hostname');
  // It has one line, the name: what stands beside it says whose it is.
  if (hostname !== undefined && marked?.words.includes('hostname'))
    files.set('hostname', { ...hostname, lab: marked.lab, words: marked.words });
  return files;
}

function linesOf(text: string, known: Map<string, string>): string[] {
  return text
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => {
      const same = known.get(line);
      if (same === undefined) known.set(line, line);
      return same ?? line;
    });
}

/** A symbolic link, a socket, what root itself must not read. */
const foreign: ReadonlySet<string> = new Set(['ELOOP', 'ENXIO', 'EACCES', 'EPERM']);

/** The text of a file; `other`: something else has the name; undefined: nothing has. */
function readPlainFile(path: string): string | 'other' | undefined {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const status = fstatSync(fd);
      if (!status.isFile() || status.size > MOST) return 'other';
      return withPath(path, () => readFileSync(fd, 'utf8'));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const code = errnoOf(error) ?? '';
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    // A file of ours that cannot be read now must not pass for a stranger's, which stays.
    if (!foreign.has(code)) throw error;
    return 'other';
  }
}

export interface EtcWrite {
  readonly lab: string;
  readonly namespace: string;
  readonly name: EtcName;
  readonly lines: readonly string[];
  /** Whether the namespace has a hostname file too, for the mark. */
  readonly hasHostname: boolean;
}

/** Whether /etc/netns was made for a lab, this one or another; undefined: not looked yet. */
let madeRoot: boolean | undefined;

function isRootOfLabs(): boolean {
  return [...readEtcFiles().values()].some((folder) =>
    [...folder.values()].some(({ words }) => words.includes('root')),
  );
}

/**
 * Writes a file of a namespace: a new one, renamed over the old one. The folders are opened without following symbolic
 * links and reached by their descriptors, so nobody can put others in their place on the way.
 *
 * @throws TopoweaveError when a folder can be written by others, or the file is not ours.
 */
export function writeEtcFile({ lab, namespace, name, lines, hasHostname }: EtcWrite): void {
  madeRoot = makeFolder(ROOT) || (madeRoot ?? isRootOfLabs());
  const root = openFolder(ROOT);
  try {
    const isNew = makeFolder(within(root, namespace));
    const folder = openFolder(within(root, namespace), join(ROOT, namespace));
    try {
      const files = readFolder(within(folder));
      const old = files.get(name);
      if (old !== undefined && old.lab !== lab) throw inTheWay(etcPath(namespace, name));
      const before = [...files.values()].flatMap((file) => (file.lab === lab ? file.words : []));
      const has = (word: string, isTrue: boolean) => (isTrue || before.includes(word) ? [word] : []);
      const words = [...(hasHostname ? ['hostname'] : []), ...has('folder', isNew), ...has('root', madeRoot)];
      const mark = [`# topoweave:${lab}`, ...words].join(' ');
      const text = `${[...(name === 'hostname' ? [] : [mark]), ...lines].join('\n')}\n`;
      // Not in the folder itself: `ip netns exec` would take it for a file of the namespace.
      const shown = etcPath(namespace, name);
      replaceFile({ temporary: within(root, UNFINISHED), path: within(folder, name), shown }, text);
    } finally {
      closeSync(folder);
    }
  } finally {
    closeSync(root);
  }
}

/** Removes a file of a namespace, and the folders that were made for it when nothing is left in them. */
export function removeEtcFile(lab: string, namespace: string, name: EtcName): void {
  const path = join(ROOT, namespace);
  const file = readFolder(path).get(name);
  if (file === undefined) return;
  if (file.lab !== lab) throw inTheWay(etcPath(namespace, name));
  const folder = openFolder(path);
  try {
    const own = within(folder, name);
    const text = readFileSync(own, 'utf8');
    unlinkSync(own);
    try {
      if (file.words.includes('folder')) removeEmpty(path);
      if (file.words.includes('root')) {
        removeFile(join(ROOT, UNFINISHED));
        removeEmpty(ROOT);
      }
    } catch (error) {
      // The mark in it is all that says whose the folder is: the next run tries again.
      putBack({ path, name, text });
      throw error;
    }
  } finally {
    closeSync(folder);
  }
}

/** Its own folder is gone where only the one above could not be removed. */
function putBack({ path, name, text }: { path: string; name: EtcName; text: string }): void {
  try {
    makeFolder(path);
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const fd = openSync(join(path, name), flags, 0o644);
    try {
      writeFileSync(fd, text);
    } finally {
      closeSync(fd);
    }
  } catch {
    // What is reported is why it was to be put back.
  }
}

/** Fails where the folder is empty and stays. */
function removeEmpty(path: string): void {
  // Not empty: somebody else has something in it.
  orMissing(() => rmdirSync(path), undefined, ['ENOTEMPTY', 'EEXIST']);
  if (path === ROOT) madeRoot = undefined;
}

function removeFile(path: string): void {
  orMissing(() => unlinkSync(path), undefined);
}

interface Replacement {
  readonly temporary: string;
  readonly path: string;
  /** The path by its names, for messages. */
  readonly shown: string;
}

function replaceFile({ temporary, path, shown }: Replacement, text: string): void {
  removeFile(temporary);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const fd = openSync(temporary, flags, 0o644);
  try {
    // Whatever the umask is: every user of the namespace reads it.
    fchmodSync(fd, 0o644);
    withPath(shown, () => writeFileSync(fd, text));
    renameSync(temporary, path);
  } catch (error) {
    removeFile(temporary);
    throw error;
  } finally {
    closeSync(fd);
  }
}

/** Gives back whether it was missing. */
function makeFolder(path: string): boolean {
  try {
    mkdirSync(path, { mode: 0o755 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function openFolder(path: string, shown = path): number {
  const fd = openPlainFolder(path, shown);
  const { uid, mode } = fstatSync(fd);
  if (uid === process.getuid?.() && (mode & 0o022) === 0) return fd;
  closeSync(fd);
  throw new TopoweaveError('etc-folder', `${shown} can be written by others`, {
    hint: `look at it, then: chown root ${shown}; chmod go-w ${shown}`,
  });
}

function openPlainFolder(path: string, shown: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    if (!['ENOTDIR', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    throw new TopoweaveError('etc-folder', `${shown} is not a folder`, {
      hint: `look at it and remove it: rm ${shown}`,
    });
  }
}

/** A path below an open folder. */
function within(fd: number, ...names: string[]): string {
  return join('/proc/self/fd', String(fd), ...names);
}

function inTheWay(path: string): TopoweaveError {
  return new TopoweaveError('in-the-way', `${path} belongs to somebody else`);
}

/** Whether `exec` finds a hostname for a namespace, and which one. */
export function etcHostname(namespace: string): string | undefined {
  const path = etcPath(namespace, 'hostname');
  try {
    const status = lstatSync(path);
    if (!status.isFile() || status.size > MOST) return undefined;
    const name = readFileSync(path, 'utf8').split('\n')[0]?.trim() ?? '';
    return /^[A-Za-z0-9_.-]{1,64}$/.test(name) ? name : undefined;
  } catch {
    return undefined;
  }
}
