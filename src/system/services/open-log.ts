import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  type Stats,
} from 'node:fs';
import { basename, isAbsolute } from 'node:path';
import { TopoweaveError } from '../../lib/errors.ts';
import type { Service } from '../../topology/model.ts';
import { accountName, findUser } from '../accounts.ts';
import { openParent } from '../open-folder.ts';
import type { ServiceStart } from './launch.ts';
import { logFolder, logPath, pieceBefore, privateFolder } from './paths.ts';

/** Bytes of a log and the piece before it, where the file does not say: a folder below /run is memory. */
export const DEFAULT_LIMIT = 1024 * 1024;

/** A log that is open, and the folder that it is in. */
export interface OpenLog {
  readonly path: string;
  readonly fd: number;
  readonly folder: number;
  /** In the folder. */
  readonly name: string;
  /** Bytes that are in it already. */
  readonly size: number;
}

/** A log of our own begins anew, and the one before is kept; one that the file names by a path goes on. */
export function openLog({ lab, namespace, service }: ServiceStart): OpenLog {
  const path = logPath(lab, namespace, service);
  if (service.log !== undefined && isAbsolute(service.log)) return openOwn(path, service);
  privateFolder(logFolder(lab));
  renameOrRemove(path, `${path}.old`);
  renameOrRemove(pieceBefore(path), pieceBefore(`${path}.old`));
  const { O_DIRECTORY, O_RDONLY, O_NOFOLLOW, O_EXCL } = constants;
  const folder = openSync(logFolder(lab), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  return { path, fd: openSync(path, WRITE_FLAGS | O_EXCL, 0o600), folder, name: basename(path), size: 0 };
}

export function closeLog({ fd, folder }: OpenLog): void {
  closeSync(fd);
  closeSync(folder);
}

/** Bytes that a log and the piece before it may take together; undefined where it has no end. */
export function limitOf({ log, logLimit }: Service): number | undefined {
  if (logLimit !== undefined) return logLimit === 'none' || log === NOTHING ? undefined : logLimit;
  return log !== undefined && isAbsolute(log) ? undefined : DEFAULT_LIMIT;
}

const NOTHING = '/dev/null';
const WRITE_FLAGS =
  constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NOCTTY;

function renameOrRemove(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch {
    // There is none, so what is left of an earlier start belongs to nothing any more.
    rmSync(to, { force: true });
  }
}

/**
 * Looks at a log that the file names by a path, as it is opened later.
 *
 * @throws TopoweaveError as openLog.
 */
export function checkOwnLog(path: string, service: Service): void {
  const { fd: folder, name } = openOwnFolder(path, service);
  try {
    const status = lstatSync(`/proc/self/fd/${folder}/${name}`, { throwIfNoEntry: false });
    if (status !== undefined) refuseOthers(status, path, service);
  } finally {
    closeSync(folder);
  }
}

/**
 * A file of the user's: neither a link to somewhere else, nor a pipe that nobody reads, nor what another user made to read
 * or to change what root writes.
 */
function openOwn(path: string, service: Service): OpenLog {
  const { fd: folder, name } = openOwnFolder(path, service);
  let fd: number | undefined;
  try {
    fd = openNoLink(`/proc/self/fd/${folder}/${name}`, path);
    const status = fstatSync(fd);
    refuseOthers(status, path, service);
    return { path, fd, folder, name, size: status.size };
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    closeSync(folder);
    throw error;
  }
}

function openOwnFolder(path: string, service: Service) {
  const parent = openParent(path);
  if (parent.isTrusted || limitOf(service) === undefined) return parent;
  closeSync(parent.fd);
  throw new TopoweaveError(
    'service-log',
    `the log ${path} is in a folder that others than root can write, so it cannot have a log-limit`,
    { hint: 'put it in a folder of root, such as /var/log' },
  );
}

function refuseOthers(status: Stats, path: string, service: Service): void {
  const problem = problemOf(status, path, service);
  if (problem !== undefined) throw new TopoweaveError('service-log', problem);
}

function problemOf(status: Stats, path: string, { user = 'root' }: Service): string | undefined {
  if (path === NOTHING && status.isCharacterDevice()) return undefined;
  if (status.isSymbolicLink()) return linkProblem(path);
  if (!status.isFile()) return `the log ${path} is not a file`;
  if (status.nlink > 1) return `the log ${path} has other names (hard links), which may be files of others`;
  if (status.uid === process.getuid?.() || status.uid === findUser(user)?.uid) return undefined;
  return `the log ${path} belongs to the user ${accountName('user', status.uid)}, and not to root or ${user}`;
}

function linkProblem(path: string): string {
  return `the log ${path} is a symbolic link, which is not followed`;
}

function openNoLink(path: string, shown: string): number {
  try {
    return openSync(path, WRITE_FLAGS | constants.O_NONBLOCK, 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new TopoweaveError(
      'service-log',
      code === 'ELOOP'
        ? linkProblem(shown)
        : code === 'ENXIO' || code === 'EISDIR'
          ? `the log ${shown} is not a file`
          : `cannot open the log ${shown}: ${code}`,
    );
  }
}
