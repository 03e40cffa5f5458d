import type { Location, Place } from '../../lib/diagnostic.ts';
import type { Source } from '../source.ts';

/** The places of a topology whose networks are written out: what is new has the place of what stands for it. */
export class LoweredSource implements Source {
  readonly path: string;
  readonly text: string;
  readonly #inner: Source;
  readonly #origins: ReadonlyMap<string, string>;

  constructor(inner: Source, origins: ReadonlyMap<string, string>) {
    this.path = inner.path;
    this.text = inner.text;
    this.#inner = inner;
    this.#origins = origins;
  }

  locate({ pointer, part }: Place): Location {
    return this.#inner.locate({ pointer: this.originOf(pointer), part });
  }

  /** The pointer of the file itself. */
  originOf(pointer: string): string {
    let [start, rest] = [pointer, ''];
    for (;;) {
      const origin = this.#origins.get(start);
      if (origin !== undefined) return origin + rest;
      const slash = start.lastIndexOf('/');
      if (slash < 0) return pointer;
      [start, rest] = [start.slice(0, slash), start.slice(slash) + rest];
    }
  }
}
