import type { ReadRequest } from '../engine.ts';
import type { Failure } from './namespace-team.ts';
import type { Part, Progress } from './perform.ts';
import type { Reading } from './read.ts';

/** What the second thread is asked to do, by kind. What is in here is copied to it. */
export interface Questions {
  readonly addNamespaces: readonly string[];
  readonly perform: readonly Part[];
  readonly read: { readonly names: readonly string[]; readonly request: ReadRequest };
}

/** What it gives back: of each item in turn, or of the first one that failed. */
export interface Answers {
  readonly addNamespaces: Failure | undefined;
  readonly perform: readonly Progress[];
  /** undefined: cannot be read. */
  readonly read: readonly (Reading | undefined)[];
}

export type Question = {
  readonly [Kind in keyof Questions]: { readonly kind: Kind; readonly question: Questions[Kind] };
}[keyof Questions];

export interface Answer {
  readonly answer: Answers[keyof Answers];
  /** Netlink messages that were sent for it. */
  readonly messages: number;
}
