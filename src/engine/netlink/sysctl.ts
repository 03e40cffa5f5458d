import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { sysctlPath, sysctlValue } from '../../lib/sysctl.ts';
import { withPath } from '../../lib/system-error.ts';
import { HOST } from '../../topology/model.ts';
import { loadLibc } from './libc.ts';

/** linux/mount.h; the same numbers on every architecture, since Linux 5.2. */
const SYS_FSOPEN = 430;
const SYS_FSCONFIG = 431;
const SYS_FSMOUNT = 432;
const FSCONFIG_CMD_CREATE = 6;
const CLOEXEC = 1;

/** Namespaces that share one instance of procfs; from 16 to 64 it makes no difference (measured on 6.18). */
const NAMESPACES_PER_INSTANCE = 32;

/** A value has at most a page. */
const buffer = Buffer.alloc(4096);

let instance: { readonly fd: number; uses: number; last: string } | undefined;
let isRefused = false;

/**
 * The value of a parameter in the namespace that the thread is in.
 *
 * @throws NodeJS.ErrnoException when there is no such parameter.
 */
export function readSysctl(namespace: string, name: string): string {
  const path = sysctlFile(namespace, name);
  return sysctlValue(withPath(`/proc/sys/${sysctlPath(name)}`, () => readFileSync(path, 'utf8')));
}

/**
 * Sets a parameter in the namespace that the thread is in, and returns its value from before.
 *
 * @throws Error that names the value and the file.
 */
export function writeSysctl(namespace: string, name: string, value: string): string {
  try {
    const fd = openSync(sysctlFile(namespace, name), 'r+');
    try {
      const before = buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, 0));
      writeSync(fd, `${value}\n`, 0);
      return sysctlValue(before);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new Error(`cannot write ${value} to /proc/sys/${sysctlPath(name)}: ${code}`);
  }
}

/**
 * Where a namespace's parameters are. The directory cache keeps an entry for each namespace under one name, in one chain
 * that each first look-up goes through (proc_sys_compare in fs/proc/proc_sysctl.c): with 4,000 namespaces two parameters
 * each take 5.6 s. An instance of procfs of our own, mounted nowhere and replaced after some namespaces, has short
 * chains: 0.27 s.
 */
function sysctlFile(namespace: string, name: string): string {
  const root = namespace === HOST ? undefined : privateProc(namespace);
  return `${root ?? '/proc'}/sys/${sysctlPath(name)}`;
}

function privateProc(namespace: string): string | undefined {
  if (isRefused) return undefined;
  if (instance !== undefined && instance.last !== namespace) {
    instance.uses += 1;
    instance.last = namespace;
    if (instance.uses > NAMESPACES_PER_INSTANCE) releaseProc();
  }
  if (instance === undefined) {
    const fd = makeProc();
    // An older kernel, or a user namespace that may not mount procfs: the common instance is only slower.
    if (fd === undefined) isRefused = true;
    else instance = { fd, uses: 1, last: namespace };
  }
  return instance === undefined ? undefined : `/proc/self/fd/${instance.fd}`;
}

/** Gives the instance back. */
export function releaseProc(): void {
  if (instance !== undefined) closeSync(instance.fd);
  instance = undefined;
}

/** fsopen(2), fsconfig(2), fsmount(2): called by number, because the C library has them only since glibc 2.36. */
function makeProc(): number | undefined {
  const { syscall, syscallWithName } = loadLibc();
  const context = syscallWithName(SYS_FSOPEN, 'proc', CLOEXEC);
  if (context < 0) return undefined;
  try {
    if (syscall(SYS_FSCONFIG, context, FSCONFIG_CMD_CREATE, 0, 0, 0) < 0) return undefined;
    const fd = syscall(SYS_FSMOUNT, context, CLOEXEC, 0, 0, 0);
    return fd < 0 ? undefined : fd;
  } finally {
    closeSync(context);
  }
}
