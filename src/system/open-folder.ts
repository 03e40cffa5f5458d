import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync } from 'node:fs';
import { TopoweaveError } from '../lib/errors.ts';

/** As many links as the kernel follows (path_resolution(7)). */
const MOST_LINKS = 40;

export interface OpenFolder {
  readonly fd: number;
  /** Whether only root can make, rename or remove what is in it. */
  readonly isTrusted: boolean;
}

/**
 * Opens a folder by an absolute path, part by part, each below the open one before it: so nobody can put a link in the
 * place of a part that was looked at. A link is followed only where nobody but root can have put it, as `/var/run`.
 *
 * @throws TopoweaveError naming the part that is missing, no folder, or a link that others could have put there.
 */
export function openFolder(path: string): OpenFolder {
  let parts = partsOf(path);
  let links = 0;
  let current = openRoot();
  let shown = '';
  try {
    for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
      const below = `/proc/self/fd/${current.fd}/${part}`;
      shown = `${shown}/${part}`;
      const status = statusOf(below, shown);
      if (status.isSymbolicLink()) {
        links += 1;
        if (!current.isTrusted || links > MOST_LINKS) throw refusedLink(shown);
        const target = readlinkSync(below);
        parts = [...partsOf(target), ...parts];
        shown = shown.slice(0, -part.length - 1);
        if (target.startsWith('/')) {
          current = replaceBy(current, openRoot());
          shown = '';
        }
        continue;
      }
      if (!status.isDirectory()) throw new TopoweaveError('path', `${shown} is not a folder`);
      current = replaceBy(current, openBelow(below, shown));
    }
    return current;
  } catch (error) {
    closeSync(current.fd);
    throw error;
  }
}

/** The same for the folder that something is in, and the name that it has there. */
export function openParent(path: string): OpenFolder & { readonly name: string } {
  const parts = partsOf(path);
  const name = parts.pop();
  if (name === undefined || name === '..') throw new TopoweaveError('path', `${path} is not a file`);
  return { ...openFolder(`/${parts.join('/')}`), name };
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

function openRoot(): OpenFolder {
  return openBelow('/', '/');
}

function openBelow(path: string, shown: string): OpenFolder {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    const { uid, mode } = fstatSync(fd);
    return { fd, isTrusted: uid === 0 && (mode & 0o022) === 0 };
  } catch (error) {
    throw failed(error, shown);
  }
}

function replaceBy(before: OpenFolder, next: OpenFolder): OpenFolder {
  closeSync(before.fd);
  return next;
}

function statusOf(path: string, shown: string) {
  try {
    return lstatSync(path);
  } catch (error) {
    throw failed(error, shown);
  }
}

function failed(error: unknown, shown: string): TopoweaveError {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ELOOP') return refusedLink(shown);
  return code === 'ENOENT'
    ? new TopoweaveError('path', `there is no folder ${shown}`, { hint: `make it: mkdir -p ${shown}` })
    : new TopoweaveError('path', `cannot open ${shown}: ${code}`);
}

function refusedLink(shown: string): TopoweaveError {
  return new TopoweaveError(
    'path',
    `${shown} is a symbolic link that others than root could have put there`,
    {
      hint: 'give the path that it leads to, if that is what you mean',
    },
  );
}
