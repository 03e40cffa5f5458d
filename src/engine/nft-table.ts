import { tagsOf } from '../kinds/marks.ts';
import type { Mark } from '../observe/live.ts';
import { HOST } from '../topology/model.ts';
import type { ReadRequest } from './engine.ts';

/** The same of the tables with the packet filter. */
export function mayHaveFirewall(
  { name, mark }: { readonly name: string; readonly mark: Mark | undefined },
  { lab, firewall }: ReadRequest,
): boolean {
  if (lab === undefined) return false;
  if (firewall?.has(name) || name === HOST) return true;
  return mark?.lab === lab && tagsOf(mark).includes('filter');
}

/** The host is always asked; a namespace only where the file or the mark on its `lo` says that there is a table. */
export function mayHaveTable(
  { name, mark }: { readonly name: string; readonly mark: Mark | undefined },
  { lab, nat }: ReadRequest,
): boolean {
  if (lab === undefined) return false;
  if (nat.has(name) || name === HOST) return true;
  return mark?.lab === lab && tagsOf(mark).includes('nft');
}
