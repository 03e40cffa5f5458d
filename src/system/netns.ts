import { type Dirent, lstatSync, readdirSync, statfsSync } from 'node:fs';
import { compareNames } from '../lib/collections.ts';
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

/** The names that are taken, by a namespace or by what is none. */
export function namespaceFiles(): Set<string> {
  return new Set(orMissing(() => readdirSync(NETNS_FOLDER), []));
}

/**
 * The named namespaces of this machine, and the files of that folder that are none.
 *
 * @param isKnown names that were namespaces a moment ago, and are not looked at again.
 */
export function listNamespaces(isKnown: (name: string) => boolean = () => false): {
  names: string[];
  stale: StaleFile[];
} {
  const entries = orMissing<Dirent[]>(() => readdirSync(NETNS_FOLDER, { withFileTypes: true }), []);
  const names: string[] = [];
  const stale: StaleFile[] = [];
  for (const entry of entries.sort((a, b) => compareNames(a.name, b.name))) {
    const path = `${NETNS_FOLDER}/${entry.name}`;
    // The folder itself says what is a file, and no symbolic link.
    if (entry.isFile() && (isKnown(entry.name) || isNamespace(path))) names.push(entry.name);
    else stale.push({ name: entry.name, empty: isEmptyFile(path) });
  }
  return { names, stale };
}

function isNamespace(path: string): boolean {
  return orMissing(() => statfsSync(path).type === NSFS_MAGIC, false);
}

function isEmptyFile(path: string): boolean {
  const status = orMissing(() => lstatSync(path), undefined);
  return status?.isFile() === true && status.size === 0;
}
