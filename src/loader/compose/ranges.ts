import type { Binding } from './expressions.ts';

/** One `[1-50]` of a name. */
export interface Range {
  /** How expressions call it: `n`, or what stands before the equals sign. */
  readonly name: string;
  readonly size: number;
  /** Its values; not made before it is known that they are not too many. */
  readonly values: () => Binding[];
}

export interface RangedName {
  /** The name with an expression in place of each range. */
  readonly pattern: string;
  readonly ranges: readonly Range[];
}

/** Words and numbers: an IPv6 address in brackets is no range. */
const bracket = /\[(?:([a-z]\w*)=)?([\w.-]+(?:,[\w.-]+)*)\]/g;

/** The ranges of a name; undefined: it has none. A single word in brackets is none. */
export function rangesOf(text: string): RangedName | undefined {
  if (!text.includes('[')) return undefined;
  const ranges: Range[] = [];
  const pattern = text.replaceAll(bracket, (whole, name: string | undefined, list: string) => {
    const items = list.split(',').map(itemOf);
    const isRange = items.length > 1 || name !== undefined || items.some(({ to }) => to !== undefined);
    if (!isRange) return whole;
    const size = items.reduce((sum, item) => sum + sizeOf(item), 0);
    ranges.push({ name: name ?? 'n', size, values: () => valuesOf(items) });
    return `<${name ?? 'n'}>`;
  });
  return ranges.length === 0 ? undefined : { pattern, ranges };
}

interface Item {
  readonly text: string;
  readonly from?: number;
  readonly to?: number;
  /** Digits, where it begins with a zero. */
  readonly width?: number;
}

function itemOf(text: string): Item {
  const [, from, to] = /^(\d{1,9})-(\d{1,9})$/.exec(text) ?? [];
  if (from === undefined || to === undefined) return { text };
  const width = from.length > 1 && from.startsWith('0') ? from.length : 0;
  return { text, from: Number(from), to: Number(to), width };
}

function sizeOf({ from = 0, to = 0 }: Item): number {
  return Math.abs(to - from) + 1;
}

function valuesOf(items: readonly Item[]): Binding[] {
  const values: Binding[] = [];
  const add = (text: string) => {
    const number = /^\d{1,15}$/.test(text) ? Number(text) : undefined;
    values.push({ text, number, position: values.length + 1 });
  };
  for (const item of items) {
    const { text, from, to = 0, width = 0 } = item;
    if (from === undefined) add(text);
    else {
      const step = to < from ? -1 : 1;
      for (let i = 0; i < sizeOf(item); i += 1) add(String(from + i * step).padStart(width, '0'));
    }
  }
  return values;
}
