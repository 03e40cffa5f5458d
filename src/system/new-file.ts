import { linkSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { TopoweaveError } from '../lib/errors.ts';

/**
 * Writes a file as a whole or not at all: under another name beside it, which then becomes its own. Without `force`, a
 * link takes the name, which fails where there is something already.
 *
 * @throws TopoweaveError when the file is there, or the folder cannot be written.
 */
export function writeNewFile(
  path: string,
  text: string,
  { shown, force }: { readonly shown: string; readonly force: boolean },
): void {
  const temporary = `${path}.${process.pid}.new`;
  try {
    writeFileSync(temporary, text, { flag: 'wx' });
    if (force) {
      renameSync(temporary, path);
      return;
    }
    try {
      linkSync(temporary, path);
    } finally {
      unlinkSync(temporary);
    }
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && !force)
      throw new TopoweaveError('file-exists', `${shown} is there already; nothing was written`, {
        hint: 'choose another name, or write over it with --force',
      });
    throw new TopoweaveError('write', `cannot write ${shown}: ${code}`);
  }
}
