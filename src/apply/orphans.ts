import { listLabs } from '../observe/labs.ts';
import type { Live } from '../observe/live.ts';
import type { Plan } from '../plan/step.ts';
import { type LabRecord, peekRecord, recordedLabs } from '../system/record.ts';
import { HOST } from '../topology/model.ts';

/**
 * Where the record does not know any more which objects of the host are the lab's, marks tell: what has topoweave's protocol
 * number, and is no other lab's, is this lab's if its file wants it, or if there is nobody else whose it can be.
 */
export function withOrphans(record: LabRecord, live: Live): LabRecord {
  if (!hasLostObjects(record)) return record;
  const others = recordedLabs().flatMap((lab) => (lab === record.lab ? [] : [peekRecord(lab)]));
  const known = new Set([record.lab, ...others.map(({ lab }) => lab)]);
  const isAlone = !others.some(hasLostObjects) && listLabs(live).every(({ name }) => known.has(name));
  return {
    ...record,
    orphans: { named: new Set(others.flatMap(({ hostObjects }) => hostObjects)), isAlone },
  };
}

export function hasLostObjects({ damage }: LabRecord): boolean {
  return damage?.lost.includes('hostObjects') === true;
}

/** What the file wants of that: it is there and the lab's, or the plan would have a conflict. */
export function foundByMarks(record: LabRecord, { desired }: Plan): string[] {
  if (!hasLostObjects(record)) return [];
  return desired.flatMap(({ kind, namespace, id }) => (namespace === HOST && marked.has(kind) ? [id] : []));
}

/** The kinds that carry the number. */
const marked: ReadonlySet<string> = new Set(['route', 'rule', 'neighbor', 'nexthop']);
