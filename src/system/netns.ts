import {
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statfsSync,
  statSync,
} from 'node:fs';
import { compareNames } from '../lib/collections.ts';
import { TopoweaveError } from '../lib/errors.ts';
import { orMissing } from '../lib/system-error.ts';
import type { StaleFile } from '../observe/live.ts';
import { HOST } from '../topology/model.ts';

/** Where iproute2 keeps named namespaces (ip-netns(8)). */
export const NETNS_FOLDER = '/run/netns';

/** NSFS_MAGIC of linux/magic.h: what statfs(2) says of a file that a namespace is mounted on. */
const NSFS_MAGIC = 0x6e736673;

export function netnsPath(namespace: string): string | undefined {
  return namespace === HOST ? undefined : `${NETNS_FOLDER}/${namespace}`;
}

/**
 * The same, for who opens it: what is no namespace may be a FIFO, which an open(2) waits at for ever, or a device, which
 * does something when it is opened.
 *
 * @throws TopoweaveError
 */
export function enterablePath(namespace: string): string | undefined {
  const path = netnsPath(namespace);
  if (path === undefined || isNamespace(path)) return path;
  const what = describeFile(path);
  // Who enters what is not there is told so.
  if (what === undefined) return path;
  throw new TopoweaveError('no-namespace', `${path} is no network namespace: it is ${what}`);
}

/**
 * Where namespaces are about to be made.
 *
 * @throws TopoweaveError when something else is there.
 */
export function requireNetnsFolder(): void {
  const what = statusOf(NETNS_FOLDER, statSync)?.isDirectory() ? undefined : describeFile(NETNS_FOLDER);
  if (what === undefined) return;
  throw new TopoweaveError('netns-folder', `${NETNS_FOLDER} is no folder for namespaces: it is ${what}`, {
    hint: `look at it and remove it: topoweave and ip make the folder`,
  });
}

/** The names that are taken, by a namespace or by what is none. */
export function namespaceFiles(): Set<string> {
  return new Set(orMissing(() => readdirSync(NETNS_FOLDER), []));
}

export interface ListedNamespaces {
  readonly names: string[];
  /** Those of them that are symbolic links: another name for what somebody else holds. */
  readonly links: ReadonlySet<string>;
  readonly stale: StaleFile[];
}

/**
 * The named namespaces of this machine, and the files of that folder that are none. Nothing is opened: a namespace of
 * another type (`net` is one of eight) shows only when it is entered, see `namespaceType`.
 *
 * @param isKnown names that were namespaces a moment ago, and are not looked at again.
 */
export function listNamespaces(isKnown: (name: string) => boolean = () => false): ListedNamespaces {
  const names: string[] = [];
  const links = new Set<string>();
  const stale: StaleFile[] = [];
  for (const { name, isPlain, isLink } of entriesOf(NETNS_FOLDER)) {
    const path = `${NETNS_FOLDER}/${name}`;
    // The folder itself says what is a file. A link may lead to /proc/PID/ns/net, as for a container.
    if ((isPlain && isKnown(name)) || ((isPlain || isLink) && isNamespace(path))) {
      names.push(name);
      if (isLink) links.add(name);
    } else {
      const what = describeFile(path) ?? (isText(name) ? undefined : 'a name that is not UTF-8');
      if (what !== undefined) stale.push({ name, empty: isEmptyFile(path), what });
    }
  }
  return { names, links, stale };
}

interface Entry {
  readonly name: string;
  readonly isPlain: boolean;
  readonly isLink: boolean;
}

function entriesOf(folder: string): Entry[] {
  return (
    orMissing(() => readdirSync(folder, { withFileTypes: true }), [])
      // The word for the machine's own namespace: nobody can mean another one by it.
      .filter(({ name }) => name !== HOST)
      .map((entry) => ({ name: entry.name, isPlain: entry.isFile(), isLink: entry.isSymbolicLink() }))
      .sort((a, b) => compareNames(a.name, b.name))
  );
}

/** Whether a namespace, of any type, is at this path, or behind this link. */
function isNamespace(path: string): boolean {
  return orMissing(() => statfsSync(path).type === NSFS_MAGIC, false, ['ELOOP']);
}

/** What bytes that are not UTF-8 become: such a name cannot be opened by its text. */
function isText(name: string): boolean {
  return !name.includes('\ufffd');
}

/**
 * The type of a namespace (`net`, `mnt`, `uts`…), for what could not be entered as one of the network. undefined: not
 * known, or gone.
 */
export function namespaceType(name: string): string | undefined {
  try {
    const path = realpathOf(`${NETNS_FOLDER}/${name}`);
    // A link to /proc/PID/ns/TYPE, which reads as `net:[4026531840]`.
    const text = path === undefined ? mountedType(`${realpathSync(NETNS_FOLDER)}/${name}`) : path;
    return /^([a-z_]+):\[\d+\]$/.exec(text ?? '')?.[1];
  } catch {
    return undefined;
  }
}

/** What a link of /proc says, of a name that leads to one. */
function realpathOf(path: string): string | undefined {
  if (!lstatSync(path).isSymbolicLink()) return undefined;
  const target = readlinkSync(path);
  try {
    return readlinkSync(target.startsWith('/') ? target : `${NETNS_FOLDER}/${target}`);
  } catch {
    return mountedType(realpathSync(path));
  }
}

/** The fourth and fifth words of a line of mountinfo (proc(5)): what is mounted, and where, with octal escapes. */
function mountedType(path: string): string | undefined {
  let found: string | undefined;
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [, , , root, target = ''] = line.split(' ');
    if (
      target.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))) === path
    )
      found = root;
  }
  return found;
}

/** Files of the folder that must not be opened: who opens all of them, as `ip netns list-id` does, would wait for ever. */
export function unopenable(): string[] {
  return entriesOf(NETNS_FOLDER).flatMap(({ name, isPlain }) => {
    const path = `${NETNS_FOLDER}/${name}`;
    if (isPlain) return [];
    const status = statusOf(path, statSync);
    return status?.isFIFO() || status?.isCharacterDevice() || status?.isBlockDevice() ? [path] : [];
  });
}

/** `a FIFO`: what stands at a path where a namespace could be; undefined where nothing does. */
export function describeFile(path: string): string | undefined {
  const status = statusOf(path, lstatSync);
  if (status === undefined) return undefined;
  if (!status.isSymbolicLink()) return wordsOf(status);
  const target = statusOf(path, statSync);
  return target === undefined
    ? 'a symbolic link that leads nowhere'
    : `a symbolic link to ${wordsOf(target)}`;
}

function wordsOf(status: Stats): string {
  if (status.isFIFO()) return 'a FIFO';
  if (status.isDirectory()) return 'a directory';
  if (status.isSocket()) return 'a socket';
  if (status.isCharacterDevice() || status.isBlockDevice()) return 'a device';
  return status.size === 0 ? 'an empty file' : 'a file';
}

function statusOf(path: string, stat: (path: string) => Stats): Stats | undefined {
  try {
    return stat(path);
  } catch {
    return undefined;
  }
}

function isEmptyFile(path: string): boolean {
  const status = statusOf(path, lstatSync);
  return status?.isFile() === true && status.size === 0;
}
