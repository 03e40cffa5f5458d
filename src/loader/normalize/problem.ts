import type { Place } from '../../lib/diagnostic.ts';

/** A problem at a place of the document; load.ts turns it into a diagnostic with line and column. */
export interface Problem {
  /** `error` when left out. */
  readonly severity?: 'error' | 'warning';
  readonly code: string;
  readonly message: string;
  readonly place: Place;
  readonly help?: string;
  readonly related?: readonly { readonly message: string; readonly place: Place }[];
}

export type Report = (problem: Problem) => void;
