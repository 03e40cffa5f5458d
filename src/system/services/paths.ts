import { lstatSync, readdirSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { TopoweaveError } from '../../lib/errors.ts';
import { orMissing } from '../../lib/system-error.ts';
import type { Service } from '../../topology/model.ts';
import { makeFolder, recordFolder } from '../record.ts';

/**
 * The folders of services, where their users can get to them. Those above are root's, so nobody can put another in its
 * place; what else topoweave keeps of services is below /run/topoweave, where only root reads.
 */
export const FOLDERS = '/run/topoweave-services';

export function folderOf(lab: string, namespace: string, name: string): string {
  return join(FOLDERS, lab, namespace, name);
}

export function logPath(
  lab: string,
  namespace: string,
  { name, log }: Pick<Service, 'name' | 'log'>,
): string {
  if (log !== undefined && isAbsolute(log)) return log;
  return join(logFolder(lab), log === undefined ? `${namespace}:${name}.log` : `${namespace}:${log}`);
}

/** What was written before a log became as large as it may get. */
export function pieceBefore(log: string): string {
  return `${log}.1`;
}

/** Of a log: those of this start, and those of the start before. */
export function filesOfLog(log: string): string[] {
  return [`${log}.old.1`, `${log}.old`, pieceBefore(log), log];
}

/** Where the pipe to what writes a log has a name for a moment. */
export function pipePath(lab: string, namespace: string, name: string): string {
  return join(logFolder(lab), `${namespace}:${name}.${process.pid}.new`);
}

export function recordsFolder(lab: string): string {
  return `/run/topoweave/${lab}.services`;
}

export function logFolder(lab: string): string {
  return `/run/topoweave/${lab}.logs`;
}

/** A slash is in neither name. */
export function recordPath(lab: string, namespace: string, name: string): string {
  return join(recordsFolder(lab), `${namespace}:${name}.json`);
}

export function namesIn(folder: string): string[] {
  // Root's alone: for everyone else there is none.
  return orMissing(() => readdirSync(folder), [], ['EACCES']).sort();
}

export function privateFolder(folder: string): void {
  recordFolder();
  makeFolder(folder);
  const status = lstatSync(folder);
  if (status.isDirectory() && status.uid === process.getuid?.() && (status.mode & 0o077) === 0) return;
  throw new TopoweaveError('service-folder', `${folder} is open to others`, {
    hint: `look at it and remove it: rm -r ${folder}`,
  });
}
