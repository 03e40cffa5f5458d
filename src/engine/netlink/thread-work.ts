import type { Command } from '../../kinds/resource.ts';
import type { LiveNamespace } from '../../observe/live.ts';
import type { ReadRequest } from '../engine.ts';
import type { CommandFailure } from './transaction.ts';

/** A namespace that could not be made, by its index. */
export interface Failure {
  readonly index: number;
  readonly message: string;
}

/** What the engine needs of a batch. */
export interface Part {
  readonly namespace: string;
  readonly commands: readonly Command[];
}

/** Where a run through a batch stands. */
export interface Progress {
  /** The first command that is not done. */
  next: number;
  failure: CommandFailure | undefined;
  /** The command at `next` has no encoder. */
  needsProgram: boolean;
  readonly sysctlsBefore: Map<string, string>;
}

/** `unknown`: takes a program. */
export type Reading = LiveNamespace | 'gone' | 'unknown';

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
