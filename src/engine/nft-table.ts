import type { Mark } from '../observe/live.ts';
import { HOST } from '../topology/model.ts';
import type { ReadRequest } from './engine.ts';

/** The host is always asked; a namespace only where the file or the mark on its `lo` says that there is a table. */
export function mayHaveTable(
  { name, mark }: { readonly name: string; readonly mark: Mark | undefined },
  { lab, nat }: ReadRequest,
): boolean {
  if (lab === undefined) return false;
  if (nat.has(name) || name === HOST) return true;
  return mark?.lab === lab && mark.tag.includes('nft');
}
