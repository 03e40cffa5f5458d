import { tagsOf } from '../kinds/marks.ts';
import type { ExtraTable, Mark } from '../observe/live.ts';
import type { ReadRequest } from './engine.ts';

const none: ReadonlySet<ExtraTable> = new Set();
const onlyRules: ReadonlySet<ExtraTable> = new Set(['rules']);
const all: readonly ExtraTable[] = ['neighbors', 'nexthops'];

/**
 * The neighbours and nexthop objects of a namespace are read only where the file wants some, or where the mark on its `lo`
 * says that the lab made some: most namespaces have none, and a thousand dumps would be felt. Its rules are read in each
 * namespace of the lab: without the kernel's own three nothing leaves it.
 */
export function extraTables(
  { name, mark }: { readonly name: string; readonly mark: Mark | undefined },
  { lab, extra }: ReadRequest,
): ReadonlySet<ExtraTable> {
  const wanted = extra?.get(name) ?? none;
  if (lab === undefined || mark?.lab !== lab) return wanted;
  if (mark.tag === '' && wanted.size === 0) return onlyRules;
  const tags = tagsOf(mark);
  return new Set(['rules', ...all.filter((table) => wanted.has(table) || tags.includes(table))]);
}
