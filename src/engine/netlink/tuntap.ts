import { closeSync, constants, openSync } from 'node:fs';
import { accountId } from '../../system/accounts.ts';
import { errnoText, NeedsProgram } from './errors.ts';
import { loadLibc } from './libc.ts';

/** linux/if_tun.h. */
const TUNSETIFF = 0x400454ca;
const TUNSETPERSIST = 0x400454cb;
const TUNSETOWNER = 0x400454cc;
const TUNSETGROUP = 0x400454ce;
const IFF = { TUN: 0x1, TAP: 0x2, MULTI_QUEUE: 0x100, NO_PI: 0x1000, TUN_EXCL: 0x8000 } as const;

/** struct ifreq: the name in 16 bytes, then the flags. */
const IFREQ_SIZE = 40;
const IFNAMSIZ = 16;

/**
 * `ip tuntap add dev NAME mode tap|tun [user USER] [group GROUP] [multi_queue]` (iproute2 6.1, ip/iptuntap.c), in the
 * namespace that this thread is in.
 *
 * @throws NeedsProgram for other words, Error with what the kernel says.
 */
export function performTuntap(words: readonly string[]): void {
  const { name, flags, settings } = parse(words);
  const file = openSync('/dev/net/tun', constants.O_RDWR);
  try {
    const request = Buffer.alloc(IFREQ_SIZE);
    request.write(name, 0, IFNAMSIZ - 1);
    request.writeUInt16LE(flags, IFNAMSIZ);
    control(file, TUNSETIFF, request);
    for (const [operation, value] of settings) controlNumber(file, operation, value);
    // Until here it goes with this file.
    controlNumber(file, TUNSETPERSIST, 1);
  } finally {
    closeSync(file);
  }
}

interface Wanted {
  readonly name: string;
  readonly flags: number;
  readonly settings: readonly (readonly [operation: number, value: number])[];
}

function parse([verb, dev, name = '', word, mode, ...rest]: readonly string[]): Wanted {
  const isKnown = verb === 'add' && dev === 'dev' && word === 'mode' && (mode === 'tap' || mode === 'tun');
  if (!isKnown || Buffer.byteLength(name) >= IFNAMSIZ) throw new NeedsProgram(`ip tuntap ${verb ?? ''}`);
  let flags = (mode === 'tap' ? IFF.TAP : IFF.TUN) | IFF.NO_PI | IFF.TUN_EXCL;
  const settings: [number, number][] = [];
  for (let at = 0; at < rest.length; at += 1) {
    const option = rest[at];
    if (option === 'multi_queue') {
      flags |= IFF.MULTI_QUEUE;
    } else if (option === 'user' || option === 'group') {
      at += 1;
      const account = rest[at] ?? '';
      const id = accountId(option, account);
      // It may be one of a directory service, which the program asks.
      if (id === undefined) throw new NeedsProgram(`${option} ${account}`);
      settings.push([option === 'user' ? TUNSETOWNER : TUNSETGROUP, id]);
    } else throw new NeedsProgram(`ip tuntap ${option ?? ''}`);
  }
  return { name, flags, settings };
}

function control(file: number, operation: number, argument: Uint8Array): void {
  const libc = loadLibc();
  if (libc.ioctl(file, operation, argument) < 0) throw new Error(errnoText(libc.errno()));
}

function controlNumber(file: number, operation: number, value: number): void {
  const libc = loadLibc();
  if (libc.ioctlNumber(file, operation, value) < 0) throw new Error(errnoText(libc.errno()));
}
