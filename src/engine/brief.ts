import { HOST } from '../topology/model.ts';
import type { ReadRequest } from './engine.ts';

/** Whether only the links of a namespace are read; of the host, whatever goes is removed in its own right. */
export function isBrief(name: string, { onlyLinks }: ReadRequest): boolean {
  return onlyLinks === true && name !== HOST;
}
