import { constants } from 'node:os';
import { dirname } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import { TopoweaveError } from './errors.ts';

/** What the operating system refused: of Node (fs, spawn), or of a system call that was made directly. */
interface SystemFault extends Error {
  readonly code: string;
  readonly path?: string;
  readonly syscall?: string;
  readonly dest?: string;
}

/** An errno by its name; Node's own errors, which are mistakes of a program, are called `ERR_…`. */
const errnoForm = /^E[A-Z0-9]+$/;

export function isSystemFault(error: unknown): error is SystemFault {
  if (!(error instanceof Error) || !('code' in error)) return false;
  if (errnoForm.test(String(error.code))) return true;
  // Node has no name for some (EDQUOT): only their numbers.
  const number = /^Unknown system error -(\d+)$/.exec(String(error.code))?.[1];
  if (number === undefined) return false;
  const known = Object.entries(constants.errno).find(([, value]) => value === Number(number));
  error.code = known?.[0] ?? `E${number}`;
  return true;
}

/** The name of an error's errno; undefined where it is none of the operating system. */
export function errnoOf(error: unknown): string | undefined {
  return isSystemFault(error) ? error.code : undefined;
}

/** For a look at what may not be there: every other error means that it is not known, and must not pass for "nothing". */
export function orMissing<T>(look: () => T, missing: T, alsoMissing: readonly string[] = []): T {
  try {
    return look();
  } catch (error) {
    const code = errnoOf(error) ?? '';
    if (code === 'ENOENT' || code === 'ENOTDIR' || alsoMissing.includes(code)) return missing;
    throw error;
  }
}

/** Runs `work`; where the operating system names no path in its error (of an open file, say), this one is put in. */
export function withPath<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (isSystemFault(error) && error.path === undefined) Object.assign(error, { path });
    throw error;
  }
}

/**
 * An error of the operating system as one that a user can mend: no mistake of topoweave, and none of the file. Everything
 * else stays what it is.
 */
export function asKnownError(error: unknown): unknown {
  if (error instanceof TopoweaveError || !isSystemFault(error)) return error;
  const hint = hintOf(error);
  return new TopoweaveError('system', describeFault(error), {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** What an error says, for a line of its own. */
export function messageOf(error: unknown): string {
  if (isSystemFault(error)) return describeFault(error);
  return error instanceof Error ? error.message : String(error);
}

/** What was tried, with what, and what the system says: `cannot write /run/topoweave/x.json: no space left on device`. */
export function describeFault(error: SystemFault): string {
  const { syscall, path, dest, code } = error;
  // A system call of our own says what it was about.
  if (syscall === undefined) return error.message;
  const [call = '', program] = syscall.split(' ');
  const verb = verbs[call] ?? `do '${call}' with`;
  const what = [path ?? program, ...(dest === undefined ? [] : ['to', dest])].filter(Boolean).join(' ');
  return `cannot ${verb} ${what === '' ? 'a file' : what}: ${words(code)}`;
}

/** The system calls as Node names them, where their names are no words. */
const verbs: Readonly<Record<string, string>> = {
  access: 'read',
  chmod: 'change the rights of',
  chown: 'change the owner of',
  copyfile: 'copy',
  fchmod: 'change the rights of',
  fchown: 'change the owner of',
  fstat: 'look at',
  fsync: 'write',
  ftruncate: 'write',
  lstat: 'look at',
  mkdir: 'make the folder',
  mkdtemp: 'make the folder',
  open: 'open',
  opendir: 'list',
  read: 'read',
  readlink: 'read',
  rename: 'rename',
  rmdir: 'remove the folder',
  rm: 'remove',
  scandir: 'list',
  spawn: 'start',
  spawnSync: 'start',
  stat: 'look at',
  statfs: 'look at',
  symlink: 'link',
  unlink: 'remove',
  write: 'write',
};

/** The words for an errno, by its name. */
export function words(code: string): string {
  byName ??= new Map([...getSystemErrorMap().values()]);
  return byName.get(code) ?? otherWords[code] ?? code;
}

const otherWords: Readonly<Record<string, string>> = { EDQUOT: 'disk quota exceeded' };

let byName: ReadonlyMap<string, string> | undefined;

const again = 'then run the command again: it goes on from there';

export const processLimitHint = `the limit of processes is reached: look at ulimit -u and at pids.max of the control group, ${again}`;

/** What to do about an error of the operating system. */
export function hintOf(error: unknown): string | undefined {
  if (!isSystemFault(error)) return undefined;
  const { code, syscall = '', path } = error;
  const isStart = syscall.startsWith('spawn');
  if (code === 'EAGAIN' || (code === 'ENOMEM' && isStart)) return processLimitHint;
  if (code === 'ENOSPC')
    return `free some space${path === undefined ? '' : `: df -h ${folder(path)}; df -i ${folder(path)}`}; ${again}`;
  return hints[code];
}

/** The folder of a file, fit for a command line to copy. */
function folder(file: string): string {
  const path = dirname(file);
  return /^[\w./:@%+,=-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

const refused =
  'root lacks a right here: a capability, an immutable file (lsattr), or a policy (AppArmor, SELinux, seccomp) forbids it';

const hints: Readonly<Record<string, string>> = {
  EACCES: refused,
  EPERM: refused,
  EDQUOT: `a quota is used up: free some space, ${again}`,
  EFBIG: `the limit of the size of files is reached: ulimit -f unlimited, ${again}`,
  EIO: `the device failed: look at dmesg, ${again}`,
  EMFILE: `too many files are open: raise the limit, ulimit -n 65536, ${again}`,
  ENFILE: `too many files are open on this machine: raise fs.file-max, ${again}`,
  ENOBUFS: `the kernel is short of memory for messages: wait, ${again}`,
  ENOMEM: `the machine is short of memory: free some, ${again}`,
  EROFS: `the file system can only be read: mount it to be written, ${again}`,
};
