import { parseIp } from '../../lib/ip.ts';
import type { Context } from './context.ts';

/** A GRE key is a number; four bytes with dots are another way to write it. */
export function expandKey(
  context: Context,
  key: number | string | undefined,
  at: string,
): number | undefined {
  if (key === undefined || typeof key === 'number') return key;
  const ip = parseIp(key);
  if (ip?.family === 4) return Number(ip.value);
  if (/^(0|[1-9][0-9]{0,9})$/.test(key) && Number(key) <= 0xffffffff) return Number(key);
  context.report({
    code: 'tunnel',
    message: `'${key}' is not a GRE key; write a number up to 4294967295, or four bytes such as 0.0.0.42`,
    place: { pointer: at, part: 'value' },
  });
  return undefined;
}
