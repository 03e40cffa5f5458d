import type { Location, Place } from '../lib/diagnostic.ts';

/** A file with its text, which finds the line and column of any place in it. */
export interface Source {
  readonly path: string;
  readonly text: string;
  /** Where a place is. One that is not there is shown as its nearest ancestor that is. */
  readonly locate: (place: Place) => Location;
}

/** A place that is written somewhere else than where it counts: `usedAt` is the alias that leads there. */
export interface Trace {
  readonly location: Location;
  readonly usedAt: Location | undefined;
}

/** A source that knows aliases, and that can lose items of its lists. */
export interface TraceSource extends Source {
  readonly trace: (place: Place) => Trace;
  /** The same where lists lost items, by their pointer: where each item that is left was in the file. */
  readonly withKept: (kept: ReadonlyMap<string, readonly number[]>) => TraceSource;
}
