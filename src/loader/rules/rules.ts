import type { Topology } from '../../topology/model.ts';
import type { Network } from '../normalize/network.ts';
import type { Report } from '../normalize/problem.ts';

/** What a rule looks at. */
export interface Subject {
  readonly topology: Topology;
  readonly network: Network;
}

export type Rule = (subject: Subject, report: Report) => void;

const rules: readonly Rule[] = [];

/** Everything that a schema cannot say: each rule reports what it finds, and none stops the others. */
export function checkRules(subject: Subject, report: Report): void {
  for (const rule of rules) rule(subject, report);
}
