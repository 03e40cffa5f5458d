import type { Engine } from '../engine/engine.ts';
import { TopoweaveError } from '../lib/errors.ts';
import { suggest } from '../loader/suggest.ts';
import { listLabs } from '../observe/labs.ts';
import type { Live } from '../observe/live.ts';
import { observeMarks } from '../observe/observe.ts';
import { recordedLabs } from '../system/record.ts';

/** The labs of this machine by name: those whose marks the kernel has, and those with a record. */
export async function knownLabs(engine: Engine): Promise<string[]> {
  return labsIn(await observeMarks(engine));
}

/** The same, where the marks are read already. */
export function labsIn(live: Live): string[] {
  return [...new Set([...listLabs(live).map(({ name }) => name), ...recordedLabs()])].sort();
}

export function noSuchLab(name: string, labs: readonly string[]): TopoweaveError {
  const near = suggest(name, labs);
  return new TopoweaveError('no-lab', `there is no lab '${name}' on this machine`, {
    hint: near === undefined ? "'topoweave status' lists the labs" : `did you mean '${near}'?`,
  });
}
