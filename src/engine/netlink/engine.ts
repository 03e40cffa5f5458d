import { endianness } from 'node:os';
import '../../kinds/registry.ts';
import type { Engine } from '../engine.ts';
import { loadLibc } from './libc.ts';
import { holdNamespaces, releaseNamespaces } from './namespace.ts';
import { clearStock, stockNamespaces } from './namespace-stock.ts';
import { releaseNft } from './nft-process.ts';
import { perform } from './perform.ts';
import { readPortUse } from './port-use.ts';
import { read } from './read.ts';
import { releaseProc } from './sysctl.ts';

/** sys/file.h. */
const LOCK_EX = 2;
const LOCK_NB = 4;

/** The kernel's own interface, in this process: no program is started for what it knows. */
export const netlinkEngine: Engine = {
  name: 'netlink',
  read,
  readPortUse,
  perform,
  lock: (fd) => loadLibc().flock(fd, LOCK_EX | LOCK_NB) === 0,
  hold: holdNamespaces,
  expect: stockNamespaces,
  release: () => {
    clearStock();
    releaseProc();
    releaseNft();
    releaseNamespaces();
  },
};

/** Why it cannot be used here, or undefined where it can. */
export function netlinkObstacle(): string | undefined {
  if (endianness() !== 'LE')
    return 'this machine is big-endian, and the messages are written for little-endian ones';
  try {
    loadLibc();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
