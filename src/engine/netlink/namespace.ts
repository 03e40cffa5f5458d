import { closeSync, constants, mkdirSync, openSync, readFileSync, unlinkSync } from 'node:fs';
import { exitCodes } from '../../lib/exit-codes.ts';
import { NETNS_FOLDER, netnsPath } from '../../system/netns.ts';
import { HOST } from '../../topology/model.ts';
import { CLONE_NEWNET, MNT_DETACH, MS_BIND, MS_REC, MS_SHARED, UMOUNT_NOFOLLOW } from './constants.ts';
import { errnoText, NotANamespace, SystemCallError } from './errors.ts';
import { type Libc, loadLibc } from './libc.ts';

/** The calling thread's own: /proc/self would be the main thread's. */
const OWN_NAMESPACE = '/proc/thread-self/ns/net';
const ENOENT = 2;
const EINVAL = 22;
/** Tries to come back: the system may be short of something for a moment. */
const ATTEMPTS = 100;

/** The namespace that the thread was in at its first visit, and comes back to. */
let home: number | undefined;

/** Open namespaces by name, between `holdNamespaces` and `releaseNamespaces`: opening one again and again takes time. */
let held: Map<string, number> | undefined;

/** Namespaces that lost their name, open until `releaseNamespaces`. */
const removed: number[] = [];

/** Keeps from now on what is opened, so a name means the same namespace until `releaseNamespaces`. */
export function holdNamespaces(): void {
  // Now, while a file can still be opened.
  fileBudget();
  held ??= new Map();
}

/** Lets go of everything that is open. */
export function releaseNamespaces(): void {
  closeAll();
  held = undefined;
}

/** Lets go of what is open, and keeps what is opened from now on. */
export function forgetNamespaces(): void {
  if (held === undefined) return;
  closeAll();
  held = new Map();
}

function closeAll(): void {
  for (const fd of [...(held?.values() ?? []), ...removed.splice(0)]) closeSync(fd);
}

/** Files of this process that are for others than namespaces. */
const OTHER_FILES = 256;

let budget: number | undefined;

/** Whether one namespace more may stay open. */
function mayHold(): boolean {
  return held !== undefined && !isLimited(1);
}

/** Whether so many more cannot be open at a time: the limit of open files is the process's (getrlimit(2)). */
export function isLimited(more: number): boolean {
  return (held?.size ?? 0) + removed.length + more > fileBudget();
}

function fileBudget(): number {
  budget ??=
    Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 1024) -
    OTHER_FILES;
  return budget;
}

/** An open namespace; `close` is for who opened it, and leaves one that is held open. */
export interface OpenNamespace {
  readonly fd: number;
  readonly close: () => void;
}

const nothing = () => {};

/**
 * Opens a namespace, for a visit or for a message that names it.
 *
 * @throws NodeJS.ErrnoException ENOENT when there is none.
 */
export function openNamespace(namespace: string): OpenNamespace {
  const path = netnsPath(namespace);
  // Inside of a visit, the thread's own would be the visited one.
  if (path === undefined) return { fd: rememberHome(), close: nothing };
  const known = held?.get(namespace);
  if (known !== undefined) return { fd: known, close: nothing };
  const fd = openFile(path);
  if (!mayHold()) return { fd, close: () => closeSync(fd) };
  held?.set(namespace, fd);
  return { fd, close: nothing };
}

/** Without waiting: what looked like a namespace a moment ago may be a FIFO now. */
function openFile(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    // A socket, a link that leads to itself, a folder in the way: none of them is a namespace.
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['ENXIO', 'ELOOP', 'ENOTDIR', 'ENODEV'].includes(code))
      throw new NotANamespace(`${path} is no network namespace: ${code}`);
    throw error;
  }
}

/**
 * Runs `work` with the thread inside of a network namespace (setns(2)), and brings it back whatever happens. `work` is
 * synchronous: anything that ran in between, or a thread or a child that started in there, would be in the wrong
 * namespace.
 *
 * @throws NodeJS.ErrnoException ENOENT when there is no such namespace; NotANamespace where the name stands for something
 *   else; SystemCallError when it cannot be entered; what `work` throws.
 */
export function visit<T>(namespace: string, work: () => T): T {
  if (namespace === HOST) return work();
  const libc = loadLibc();
  rememberHome();
  const { fd, close } = openNamespace(namespace);
  try {
    if (libc.setns(fd, CLONE_NEWNET) !== 0) {
      const errno = libc.errno();
      // setns(2): the file is no namespace, or one of another type.
      if (errno === EINVAL) throw new NotANamespace(`${netnsPath(namespace)} is no network namespace`);
      throw new SystemCallError(`cannot enter the namespace ${netnsPath(namespace)}`, errno);
    }
  } finally {
    close();
  }
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
 * @param made a new namespace that has no name yet, open: it is given this one, and closed in the end.
 * @throws NodeJS.ErrnoException EEXIST when the name is taken; SystemCallError. Nothing is left behind then.
 */
export function addNamespace(namespace: string, made?: number): void {
  let fd = made;
  try {
    const path = netnsPath(namespace);
    if (path === undefined) throw new Error(`${HOST} is not a namespace that can be made`);
    const libc = loadLibc();
    prepareFolder(libc);
    closeSync(openSync(path, constants.O_RDONLY | constants.O_CREAT | constants.O_EXCL, 0));
    try {
      fd ??= makeNamespace();
      if (libc.mount(`/proc/self/fd/${fd}`, path, 'none', MS_BIND, null) !== 0)
        throw new SystemCallError(`cannot mount the namespace on ${path}`, libc.errno());
    } catch (error) {
      unlinkSync(path);
      throw error;
    }
    if (!mayHold()) return;
    held?.set(namespace, fd);
    fd = undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/**
 * Makes a namespace without a name, which is gone when it is closed.
 *
 * @returns the open namespace.
 * @throws SystemCallError
 */
export function makeNamespace(): number {
  const libc = loadLibc();
  rememberHome();
  if (libc.unshare(CLONE_NEWNET) !== 0)
    throw new SystemCallError('cannot make a network namespace', libc.errno());
  try {
    return openSync(OWN_NAMESPACE, constants.O_RDONLY);
  } finally {
    comeBack(libc);
  }
}

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
  keepOpen(namespace);
  const libc = loadLibc();
  const refusal = libc.umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) === 0 ? 0 : libc.errno();
  // Where the file is only a file: that goes, too.
  if (refusal !== 0 && refusal !== EINVAL && refusal !== ENOENT)
    throw new SystemCallError(`cannot unmount the namespace ${path}`, refusal);
  unlinkSync(path);
}

function keepOpen(namespace: string): void {
  try {
    const { fd, close } = openNamespace(namespace);
    if (held?.delete(namespace)) removed.push(fd);
    else close();
  } catch {
    // Not there: what follows says so.
  }
}

function rememberHome(): number {
  home ??= openSync(OWN_NAMESPACE, constants.O_RDONLY);
  return home;
}

function comeBack(libc: Libc): void {
  for (let attempt = 0; home !== undefined && attempt < ATTEMPTS; attempt += 1)
    if (libc.setns(home, CLONE_NEWNET) === 0) return;
  // Whatever this process did next, it would do in a stranger's network. What it did is marked, or claimed in the record.
  const reason = errnoText(libc.errno());
  process.stderr.write(
    `error: cannot come back to the own network namespace: ${reason}; what was done stays\nhelp: run the command again\n`,
  );
  process.exit(exitCodes.failed);
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
