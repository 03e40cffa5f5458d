import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where iproute2 keeps its tables: in lib, or below it by architecture, as Debian does. */
const folders = ['/usr/lib', '/usr/lib64', '/lib', '/usr/local/lib'];

const tables = new Map<string, Buffer | undefined>();

/**
 * A table of iproute2 (`normal.dist`) as the kernel takes it: numbers of 16 bits; undefined where there is none, and `tc`
 * has to look for it.
 */
export function distributionTable(name: string): Buffer | undefined {
  if (!tables.has(name)) tables.set(name, readTable(name));
  return tables.get(name);
}

function readTable(name: string): Buffer | undefined {
  for (const folder of folders.flatMap(candidates)) {
    try {
      const text = readFileSync(join(folder, `${name}.dist`), 'utf8');
      const numbers = text.replace(/#.*$/gm, '').trim().split(/\s+/).map(Number);
      if (numbers.every(Number.isInteger)) return Buffer.from(Int16Array.from(numbers).buffer);
    } catch {
      // Not there.
    }
  }
  return undefined;
}

function candidates(folder: string): string[] {
  const own = join(folder, 'tc');
  try {
    return [
      own,
      ...readdirSync(folder)
        .filter(isArchitecture)
        .map((entry) => join(folder, entry, 'tc')),
    ];
  } catch {
    return [own];
  }
}

/** `x86_64-linux-gnu` */
function isArchitecture(entry: string): boolean {
  return /-linux-/.test(entry);
}
