import { tagsOf } from '../kinds/marks.ts';
import type { ExtraTable, Mark } from '../observe/live.ts';
import type { ReadRequest } from './engine.ts';

const none: ReadonlySet<ExtraTable> = new Set();
const all: readonly ExtraTable[] = ['rules', 'neighbors', 'nexthops'];

/**
 * The rules, neighbours and nexthop objects of a namespace are read only where the file wants some, or where the mark on
 * its `lo` says that the lab made some: most namespaces have none, and a thousand dumps would be felt.
 */
export function extraTables(
  { name, mark }: { readonly name: string; readonly mark: Mark | undefined },
  { lab, extra }: ReadRequest,
): ReadonlySet<ExtraTable> {
  const wanted = extra?.get(name) ?? none;
  if (lab === undefined || mark?.lab !== lab || mark.tag === '') return wanted;
  const tags = tagsOf(mark);
  return new Set(all.filter((table) => wanted.has(table) || tags.includes(table)));
}
