import type { Location, Place } from '../../lib/diagnostic.ts';
import { pointer, pointerParts } from '../../lib/pointer.ts';
import type { Source, Trace, TraceSource } from '../source.ts';
import { childOf, type Tree } from './tree.ts';

/** The places of a topology that was put together: each is in the file that says it. */
export class ComposedSource implements TraceSource {
  readonly path: string;
  readonly text: string;
  readonly tree: Tree;
  readonly #kept: ReadonlyMap<string, readonly number[]>;

  constructor(
    main: Pick<Source, 'path' | 'text'>,
    tree: Tree,
    kept: ReadonlyMap<string, readonly number[]> = new Map(),
  ) {
    this.path = main.path;
    this.text = main.text;
    this.tree = tree;
    this.#kept = kept;
  }

  locate(place: Place): Location {
    return this.trace(place).location;
  }

  trace({ pointer: path, part }: Place): Trace {
    let tree = this.tree;
    let prefix = '';
    for (const name of pointerParts(path)) {
      const original = String(this.#kept.get(prefix)?.[Number(name)] ?? name);
      const child = childOf(tree, original);
      if (child === undefined) break;
      tree = child;
      prefix += pointer(name);
    }
    const { source, pointer: at } = tree.origin;
    const place: Place = { pointer: at, part };
    return canTrace(source) ? source.trace(place) : { location: source.locate(place), usedAt: undefined };
  }

  withKept(kept: ReadonlyMap<string, readonly number[]>): ComposedSource {
    return new ComposedSource(this, this.tree, kept);
  }
}

function canTrace(source: Source): source is TraceSource {
  return 'trace' in source;
}
