import type { Location, Place } from '../lib/diagnostic.ts';

/** A file with its text, which finds the line and column of any place in it. */
export interface Source {
  readonly path: string;
  readonly text: string;
  /** Where a place is. One that is not there is shown as its nearest ancestor that is. */
  readonly locate: (place: Place) => Location;
}
