import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { searchPath } from './run.ts';

/** The path of a program, or undefined where it is not installed. */
export function findProgram(name: string): string | undefined {
  return searchPath()
    .split(':')
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
