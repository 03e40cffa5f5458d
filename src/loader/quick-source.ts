import type { Location, Place } from '../lib/diagnostic.ts';
import { pointerParts } from '../lib/pointer.ts';
import { plainValue, type QuickDocument, SPAN } from './quick-yaml.ts';
import type { Source } from './source.ts';

/** The entries of a map by key, or of a list in its order, by their indexes in the spans. */
type Children = ReadonlyMap<string, number> | readonly number[];

/** The places of a file that was read quickly: the same ones that the package's document has. */
export class QuickSource implements Source {
  readonly path: string;
  readonly text: string;
  readonly #spans: readonly number[];
  /** Made at the first look-up, so that many look-ups in a large map stay linear. */
  readonly #children = new Map<number, Children>();
  #lines: readonly number[] | undefined;

  constructor(path: string, text: string, { spans }: QuickDocument) {
    this.path = path;
    this.text = text;
    this.#spans = spans;
  }

  locate({ pointer, part }: Place): Location {
    let at = 0;
    for (const name of pointerParts(pointer)) {
      const children = this.#childrenOf(at);
      const child = children instanceof Map ? children.get(name) : (children as number[])[Number(name)];
      if (child === undefined) break;
      at = child;
    }
    const [keyStart = -1, keyEnd = 0, start = 0, end = 0] = this.#spans.slice(at, at + SPAN);
    // A value that is not written at all has no place of its own.
    const isKey = keyStart !== -1 && (part === 'key' || start === end);
    return isKey ? this.#range(keyStart, keyEnd) : this.#range(start, end);
  }

  #childrenOf(at: number): Children {
    const known = this.#children.get(at);
    if (known !== undefined) return known;
    const indexes: number[] = [];
    for (let child = at + SPAN; child < this.#next(at); child = this.#next(child)) indexes.push(child);
    const isList = this.#spans[at + SPAN] === -1;
    const children = isList ? indexes : new Map(indexes.map((child) => [this.#keyOf(child), child]));
    this.#children.set(at, children);
    return children;
  }

  /** The entry behind this one and all that is in it. */
  #next(at: number): number {
    return this.#spans[at + SPAN - 1] ?? 0;
  }

  #keyOf(at: number): string {
    const text = this.text.slice(this.#spans[at], this.#spans[at + 1]);
    if (text.startsWith("'")) return text.slice(1, -1).replaceAll("''", "'");
    return text.startsWith('"') ? text.slice(1, -1) : String(plainValue(text));
  }

  #range(start: number, end: number): Location {
    // A block may go on with blanks and line ends, which are not meant.
    const last = start + this.text.slice(start, end).trimEnd().length;
    const [from, to] = [this.#lineOf(start), this.#lineOf(last)];
    return {
      file: this.path,
      line: from.line,
      column: from.column,
      endLine: to.line,
      endColumn: to.column,
    };
  }

  #lineOf(offset: number): { line: number; column: number } {
    this.#lines ??= lineStarts(this.text);
    let low = 0;
    let high = this.#lines.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#lines[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: offset - (this.#lines[low] ?? 0) + 1 };
  }
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', end + 1)) starts.push(end + 1);
  return starts;
}
