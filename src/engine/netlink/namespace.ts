import { closeSync, constants, mkdirSync, openSync, unlinkSync } from 'node:fs';
import { NETNS_FOLDER, netnsPath } from '../../system/netns.ts';
import { HOST } from '../../topology/model.ts';
import { CLONE_NEWNET, MNT_DETACH, MS_BIND, MS_REC, MS_SHARED } from './constants.ts';
import { SystemCallError } from './errors.ts';
import { type Libc, loadLibc } from './libc.ts';

/** The calling thread's own: /proc/self would be the main thread's. */
const OWN_NAMESPACE = '/proc/thread-self/ns/net';
const EINVAL = 22;

/** The namespace that the thread was in at its first visit, and comes back to. */
let home: number | undefined;

/**
 * Runs `work` with the thread inside of a network namespace (setns(2)), and brings it back whatever happens. `work` is
 * synchronous: anything that ran in between, or a thread or a child that started in there, would be in the wrong
 * namespace.
 *
 * @throws NodeJS.ErrnoException ENOENT when there is no such namespace; SystemCallError when it cannot be entered; what
 *   `work` throws.
 */
export function visit<T>(namespace: string, work: () => T): T {
  const path = netnsPath(namespace);
  if (path === undefined) return work();
  const libc = loadLibc();
  rememberHome();
  enter(libc, path);
  try {
    return work();
  } finally {
    comeBack(libc);
  }
}

/**
 * Makes a named namespace as `ip netns add` does (iproute2 6.1, ip/ipnetns.c): an empty file under /run/netns, with the
 * new namespace mounted on it.
 *
 * @throws NodeJS.ErrnoException EEXIST when the name is taken; SystemCallError. Nothing is left behind then.
 */
export function addNamespace(namespace: string): void {
  const path = netnsPath(namespace);
  if (path === undefined) throw new Error(`${HOST} is not a namespace that can be made`);
  const libc = loadLibc();
  prepareFolder(libc);
  rememberHome();
  closeSync(openSync(path, constants.O_RDONLY | constants.O_CREAT | constants.O_EXCL, 0));
  try {
    if (libc.unshare(CLONE_NEWNET) !== 0)
      throw new SystemCallError('cannot make a network namespace', libc.errno());
    try {
      if (libc.mount(OWN_NAMESPACE, path, 'none', MS_BIND, null) !== 0)
        throw new SystemCallError(`cannot mount the namespace on ${path}`, libc.errno());
    } finally {
      comeBack(libc);
    }
  } catch (error) {
    unlinkSync(path);
    throw error;
  }
}

/** Namespaces without a name that are kept until `releaseNamespaces`. */
const removed: number[] = [];

/**
 * Takes a namespace's name away, as `ip netns del` does: with its last user the namespace goes, in the background. That
 * user is this process, until `releaseNamespaces`: the kernel takes namespaces apart with the same locks that every
 * further removal and reading waits for (cleanup_net in net/core/net_namespace.c).
 *
 * @throws NodeJS.ErrnoException ENOENT when there is none.
 */
export function removeNamespace(namespace: string): void {
  const path = netnsPath(namespace);
  if (path === undefined) throw new Error(`${HOST} is not a namespace that can be removed`);
  keepOpen(path);
  // Fails where the file is only a file: that goes, too.
  loadLibc().umount2(path, MNT_DETACH);
  unlinkSync(path);
}

/**
 * Opens a namespace, for a message that names it.
 *
 * @throws NodeJS.ErrnoException ENOENT when there is none.
 */
export function openNamespace(namespace: string): number {
  return openSync(netnsPath(namespace) ?? OWN_NAMESPACE, constants.O_RDONLY | constants.O_NOFOLLOW);
}

/** Lets go of the namespaces that were removed. */
export function releaseNamespaces(): void {
  for (const fd of removed.splice(0)) closeSync(fd);
}

function keepOpen(path: string): void {
  try {
    removed.push(openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW));
  } catch {
    // Not there, or too many open files: it only goes earlier then.
  }
}

function enter(libc: Libc, path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    if (libc.setns(fd, CLONE_NEWNET) !== 0)
      throw new SystemCallError(`cannot enter the namespace ${path}`, libc.errno());
  } finally {
    closeSync(fd);
  }
}

function rememberHome(): void {
  home ??= openSync(OWN_NAMESPACE, constants.O_RDONLY);
}

function comeBack(libc: Libc): void {
  if (home !== undefined && libc.setns(home, CLONE_NEWNET) === 0) return;
  // Whatever this process did next, it would do in a stranger's network.
  process.stderr.write('topoweave: cannot come back to its own network namespace\n');
  process.abort();
}

let isPrepared = false;

/** The folder is a shared mount, so that namespaces made in one mount namespace are seen in the others. */
function prepareFolder(libc: Libc): void {
  if (isPrepared) return;
  mkdirSync(NETNS_FOLDER, { recursive: true, mode: 0o755 });
  const share = () => libc.mount('', NETNS_FOLDER, 'none', MS_SHARED | MS_REC, null);
  if (share() !== 0) {
    const bind = MS_BIND | MS_REC;
    const isBound =
      libc.errno() === EINVAL && libc.mount(NETNS_FOLDER, NETNS_FOLDER, 'none', bind, null) === 0;
    if (!isBound || share() !== 0)
      throw new SystemCallError(`cannot share the mount ${NETNS_FOLDER}`, libc.errno());
  }
  isPrepared = true;
}
