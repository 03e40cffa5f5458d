import { readlinkSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { orMissing } from '../../lib/system-error.ts';
import type { LiveService } from '../../observe/live.ts';
import { netnsPath } from '../netns.ts';
import { linkOrEmpty } from '../proc.ts';
import { isSame, type Process } from '../processes.ts';
import { readNoLink, writePrivateFile } from '../record.ts';
import { namesIn, privateFolder, recordPath, recordsFolder } from './paths.ts';

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
}

/** The services of one lab, or of all, with what became of their processes. */
export function readServices(lab?: string): LiveService[] {
  return recordsOf(lab).map(({ record }) => {
    const { process, namespace, name, attributes, log } = record;
    const isAlive = process !== undefined && isSame(process);
    const state = !isAlive ? 'dead' : isIn(process.pid, namespace) ? 'running' : 'elsewhere';
    return { lab: record.lab, namespace, name, attributes, state, pid: process?.pid, log };
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
      const record = name.endsWith('.json') ? readServiceRecord(path) : undefined;
      return record === undefined ? [] : [{ path, record }];
    }),
  );
}

export function readServiceRecord(path: string): ServiceRecord | undefined {
  // What is there and cannot be read must not pass for a service that is gone: its process may run.
  const text = orMissing(() => readNoLink(path), '', ['ELOOP', 'EACCES']);
  try {
    // A border: the folder is root's, but the file may be of another version.
    const value = JSON.parse(text) as Partial<ServiceRecord>;
    return value.version === 1 ? (value as ServiceRecord) : undefined;
  } catch {
    return undefined;
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
