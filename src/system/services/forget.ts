import { spawnSync } from 'node:child_process';
import { rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { TopoweaveError } from '../../lib/errors.ts';
import { orMissing } from '../../lib/system-error.ts';
import type { Service, Topology } from '../../topology/model.ts';
import { countProcesses, searchPath } from '../run.ts';
import { FOLDERS, filesOfLog, folderOf, logFolder, logPath, namesIn, recordsFolder } from './paths.ts';
import { recordsOf, writeServiceRecord } from './record.ts';

/** As every program that changes something (spawnSync has it, its types do not). */
const ownSession = { detached: true };

/** What is kept of services that no topology has: their logs and folders; of the whole lab without one. */
export function forgetServices(lab: string, topology: Topology | undefined): void {
  const wanted = new Set<string>();
  for (const { name, services = [] } of topology?.namespaces ?? []) {
    for (const service of services) {
      for (const file of filesOfLog(logPath(lab, name, service))) wanted.add(file);
      wanted.add(folderOf(lab, name, service.name));
    }
  }
  for (const { record } of recordsOf(lab)) {
    for (const file of filesOfLog(record.log)) wanted.add(file);
    wanted.add(folderOf(lab, record.namespace, record.name));
    const service = servicesOf(topology, record.namespace).find(({ name }) => name === record.name);
    // How to stop it is not a thing that it would have to be started again for.
    if (service !== undefined && service.stopWithin !== record.stopWithin)
      writeServiceRecord({ ...record, stopWithin: service.stopWithin });
  }
  removeOthers(logFolder(lab), wanted);
  for (const namespace of namesIn(join(FOLDERS, lab))) removeOthers(join(FOLDERS, lab, namespace), wanted);
  removeEmpty(recordsFolder(lab));
  removeEmpty(join(FOLDERS, lab));
  removeEmpty(FOLDERS);
}

function servicesOf(topology: Topology | undefined, namespace: string): readonly Service[] {
  return topology?.namespaces.find(({ name }) => name === namespace)?.services ?? [];
}

function removeOthers(folder: string, wanted: ReadonlySet<string>): void {
  const others = namesIn(folder)
    .map((name) => join(folder, name))
    .filter((path) => !wanted.has(path));
  // What is in the folder of a service may belong to a user who still changes it: unlike a walk over paths, `rm` goes by
  // open folders and cannot be led elsewhere by a link.
  if (others.length > 0) {
    countProcesses(1);
    const { error, status, stderr } = spawnSync('rm', ['-rf', '--', ...others], {
      env: { PATH: searchPath(), LC_ALL: 'C' },
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
      ...ownSession,
    });
    if (error !== undefined) throw error;
    if (status !== 0)
      throw new TopoweaveError('service-folder', `cannot remove what services left: ${stderr.trim()}`, {
        hint: 'mend the cause, then run the command again: all else is done',
      });
  }
  removeEmpty(folder);
}

function removeEmpty(path: string): void {
  // Something is in it: the next one that goes takes it along.
  orMissing(() => rmdirSync(path), undefined, ['ENOTEMPTY', 'EEXIST']);
}
