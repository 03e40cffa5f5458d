import { createRequire } from 'node:module';
import { UnavailableError } from '../../lib/errors.ts';

/** The system calls that Node does not offer, as the C library has them: each returns -1 and sets errno on failure. */
export interface Libc {
  readonly setns: (fd: number, type: number) => number;
  readonly unshare: (flags: number) => number;
  readonly mount: (source: string, target: string, type: string, flags: number, data: null) => number;
  readonly umount2: (target: string, flags: number) => number;
  readonly socket: (domain: number, type: number, protocol: number) => number;
  readonly setsockopt: (
    fd: number,
    level: number,
    option: number,
    value: Uint8Array,
    length: number,
  ) => number;
  readonly socketpair: (domain: number, type: number, protocol: number, fds: Uint8Array) => number;
  readonly send: (fd: number, bytes: Uint8Array, length: number, flags: number) => number;
  readonly recv: (fd: number, bytes: Uint8Array, length: number, flags: number) => number;
  readonly flock: (fd: number, operation: number) => number;
  readonly ioctl: (fd: number, request: number, argument: Uint8Array) => number;
  /** The same call, for requests whose argument is a number. */
  readonly ioctlNumber: (fd: number, request: number, value: number) => number;
  readonly close: (fd: number) => number;
  readonly strerror: (errno: number) => string;
  /** A system call by number, with plain numbers. */
  readonly syscall: (number: number, ...values: [number, number, number, number, number]) => number;
  /** The same, with a text and a number. */
  readonly syscallWithName: (number: number, name: string, flags: number) => number;
  /** The errno of the last call. */
  readonly errno: () => number;
}

/** A loaded library: C prototypes to functions. */
export interface Library {
  readonly func: <T>(prototype: string) => T;
}

interface Koffi {
  load(path: string | null): { func(prototype: string): unknown };
  errno(): number;
}

let koffi: Koffi | undefined;
let libc: Libc | undefined;

/**
 * Loads a shared library; `null` is what the process itself is linked to.
 *
 * @throws UnavailableError when the package koffi is not installed, or has no build for this machine.
 */
export function loadLibrary(path: string | null): Library {
  const library = loadKoffi().load(path);
  return { func: <T>(prototype: string) => library.func(prototype) as T };
}

/**
 * The system calls, bound at first use: 15 ms, so that only commands that touch the kernel pay for it.
 *
 * @throws UnavailableError as loadLibrary.
 */
export function loadLibc(): Libc {
  if (libc !== undefined) return libc;
  const { func } = loadLibrary(null);
  libc = {
    setns: func('int setns(int fd, int nstype)'),
    unshare: func('int unshare(int flags)'),
    mount: func(
      'int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)',
    ),
    umount2: func('int umount2(const char *target, int flags)'),
    socket: func('int socket(int domain, int type, int protocol)'),
    setsockopt: func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)'),
    socketpair: func('int socketpair(int domain, int type, int protocol, void *fds)'),
    send: func('long send(int fd, const void *buffer, size_t length, int flags)'),
    recv: func('long recv(int fd, void *buffer, size_t length, int flags)'),
    flock: func('int flock(int fd, int operation)'),
    ioctl: func('int ioctl(int fd, unsigned long request, void *argument)'),
    ioctlNumber: func('int ioctl(int fd, unsigned long request, unsigned long value)'),
    close: func('int close(int fd)'),
    strerror: func('const char *strerror(int errnum)'),
    syscall: func('long syscall(long number, long a, long b, long c, long d, long e)'),
    syscallWithName: func('long syscall(long number, const char *name, long flags)'),
    errno: () => loadKoffi().errno(),
  };
  return libc;
}

function loadKoffi(): Koffi {
  if (koffi !== undefined) return koffi;
  try {
    // An optional package: not there for each processor, and a user may leave it out.
    koffi = createRequire(import.meta.url)('koffi') as Koffi;
    return koffi;
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    const reason =
      code === 'MODULE_NOT_FOUND' ? 'the package koffi is not installed' : message.split('\n')[0];
    throw new UnavailableError(
      'no-system-calls',
      `system calls cannot be made: ${reason}`,
      'npm install koffi',
    );
  }
}
