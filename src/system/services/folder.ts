import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { TopoweaveError } from '../../lib/errors.ts';
import type { Account } from '../accounts.ts';
import type { ServiceStart } from './launch.ts';
import { folderOf } from './paths.ts';

/** Makes the service's own folder with its files. */
export function makeFolder({ lab, namespace, service }: ServiceStart, { uid, gid }: Account): string {
  const path = folderOf(lab, namespace, service.name);
  let parent = '';
  for (const part of path.split('/').slice(1)) {
    parent = `${parent}/${part}`;
    if (parent === '/run') continue;
    const isOwn = parent === path;
    makePlainFolder(parent, isOwn ? 0o700 : 0o711, isOwn);
  }
  // Not the user's while files are written: somebody who still runs could put links in their place.
  chownSync(path, 0, 0);
  chmodSync(path, 0o700);
  for (const [name, text] of Object.entries(service.files))
    writeNew(join(path, name), text.replaceAll('{folder}', path), { uid, gid });
  chownSync(path, uid, gid);
  return path;
}

function writeNew(file: string, text: string, { uid, gid }: Pick<Account, 'uid' | 'gid'>): void {
  try {
    unlinkSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const fd = openSync(file, flags, 0o600);
  try {
    writeFileSync(fd, text);
    fchownSync(fd, uid, gid);
  } finally {
    closeSync(fd);
  }
}

function makePlainFolder(path: string, mode: number, isOwn: boolean): void {
  const isNew = mkdirSync(path, { recursive: true, mode }) !== undefined;
  // Whatever the umask is: the users of services go through it.
  if (isNew) chmodSync(path, mode);
  const status = lstatSync(path);
  // What is in it belongs to the service's user, who may have been another one before.
  const isTrusted = isOwn || (status.uid === process.getuid?.() && (status.mode & 0o022) === 0);
  if (status.isDirectory() && isTrusted) return;
  throw new TopoweaveError('service-folder', `${path} can be written by others`, {
    hint: `look at it and remove it: rm -r ${path}`,
  });
}
