import { readlinkSync, statSync, unlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { TopoweaveError } from '../../lib/errors.ts';
import { orMissing } from '../../lib/system-error.ts';
import type { LiveService } from '../../observe/live.ts';
import { noteDamage, notedDamage, putAside } from '../damage.ts';
import { netnsPath } from '../netns.ts';
import { linkOrEmpty } from '../proc.ts';
import { isSame, type Process } from '../processes.ts';
import { writePrivateFile } from '../record.ts';
import { readStateFile } from '../state-file.ts';
import { readLease } from './lease.ts';
import { logPath, namesIn, privateFolder, recordPath, recordsFolder } from './paths.ts';
import { type ShapedService, shapeServiceRecord, unknownService } from './record-shape.ts';

/** Bytes. The arguments and the environment of one program. */
const MOST = 4 * 1024 * 1024;

/** A slash is in no name, and a colon not in that of a namespace. */
const pathForm = /^\/run\/topoweave\/([^/]+)\.services\/([^/:]+):([^/]+)\.json$/;

/** What a start leaves behind: enough to know the process again, and to stop what it started. */
export interface ServiceRecord {
  readonly version: 1;
  readonly lab: string;
  readonly namespace: string;
  readonly name: string;
  readonly attributes: LiveService['attributes'];
  readonly log: string;
  /** Milliseconds. */
  readonly stopWithin: number;
  /** What is in the environment of its processes; without a pid, all that tells them. */
  readonly token: string;
  readonly process?: Process;
  /** What writes its log, where that has a limit. */
  readonly writer?: Process;
}

/** The services of one lab, or of all, with what became of their processes. */
export function readServices(lab?: string): LiveService[] {
  return recordsOf(lab).map(({ record }) => {
    const { process, namespace, name, attributes, log } = record;
    const isAlive = process !== undefined && isSame(process);
    const state = !isAlive ? 'dead' : isIn(process.pid, namespace) ? 'running' : 'elsewhere';
    const lease =
      state === 'running' && process !== undefined && attributes['dev']
        ? readLease(record, process.pid)
        : undefined;
    const found = { lab: record.lab, namespace, name, attributes, state, pid: process?.pid, log } as const;
    return lease === undefined ? found : { ...found, lease };
  });
}

/** Whether a process is in the network namespace that has the name now. */
export function isIn(pid: number, namespace: string): boolean {
  const path = netnsPath(namespace);
  const wanted =
    path === undefined
      ? readlinkSync('/proc/self/ns/net')
      : orMissing(() => `net:[${statSync(path).ino}]`, undefined);
  return wanted !== undefined && linkOrEmpty(`/proc/${pid}/ns/net`) === wanted;
}

export function recordsOf(
  lab: string | undefined,
): { readonly path: string; readonly record: ServiceRecord }[] {
  const folders =
    lab === undefined
      ? namesIn('/run/topoweave').filter((name) => name.endsWith('.services'))
      : [`${lab}.services`];
  return folders.flatMap((folder) =>
    namesIn(join('/run/topoweave', folder)).flatMap((name) => {
      const path = join('/run/topoweave', folder, name);
      if (!name.endsWith('.json')) return [];
      const record = lab === undefined ? peekServiceRecord(path) : readServiceRecord(path);
      return record === undefined ? [] : [{ path, record }];
    }),
  );
}

/** For a list of labs: one that cannot be read is noted. */
function peekServiceRecord(path: string): ServiceRecord | undefined {
  try {
    return readServiceRecord(path);
  } catch (error) {
    if (!(error instanceof TopoweaveError)) throw error;
    noteDamage({ path, problem: error.message, isForeign: true });
    return undefined;
  }
}

/**
 * The record of a service, or what is left of a damaged one, which is noted.
 *
 * @throws TopoweaveError for one that a newer topoweave wrote, or that the machine does not let us read.
 */
export function readServiceRecord(path: string): ServiceRecord | undefined {
  const shaped = inspectServiceRecord(path);
  if (shaped?.problem !== undefined) noteDamage({ path, problem: shaped.problem });
  return shaped?.record;
}

function inspectServiceRecord(path: string): ShapedService | undefined {
  const found = readStateFile(path, MOST);
  const [, lab, namespace, name] = pathForm.exec(path) ?? [];
  if (found === undefined || lab === undefined || namespace === undefined || name === undefined)
    return undefined;
  const identity = { lab, namespace, name, log: logPath(lab, namespace, { name, log: undefined }) };
  return 'problem' in found
    ? { record: unknownService(identity), problem: found.problem }
    : shapeServiceRecord(found.text, identity, path);
}

/** Puts damaged records that were found aside, and writes what is left of them. The lock is held. */
export function repairServiceRecords(lab: string): void {
  for (const { path, kept, isForeign = false } of notedDamage()) {
    if (kept !== undefined || isForeign || !path.startsWith(`${recordsFolder(lab)}/`)) continue;
    const shaped = inspectServiceRecord(path);
    if (shaped?.problem === undefined) continue;
    // Not in its own folder, which goes with the lab.
    const base = `${recordsFolder(lab)}.${basename(path)}`;
    const aside = putAside(path, { stays: true, base });
    writeServiceRecord(shaped.record);
    noteDamage({ path, problem: shaped.problem, kept: aside });
  }
}

export function writeServiceRecord(record: ServiceRecord): void {
  privateFolder(recordsFolder(record.lab));
  writePrivateFile(
    recordPath(record.lab, record.namespace, record.name),
    `${JSON.stringify(record, null, 1)}\n`,
  );
}

export function forgetServiceRecord({ lab, namespace, name }: ServiceRecord): void {
  orMissing(() => unlinkSync(recordPath(lab, namespace, name)), undefined);
}
