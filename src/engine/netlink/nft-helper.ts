import { closeSync, openSync } from 'node:fs';
import { CLONE_NEWNET } from './constants.ts';
import { SystemCallError } from './errors.ts';
import { loadLibc } from './libc.ts';
import { runInProcess } from './libnftables.ts';
import { readFrame, writeFrame } from './nft-frame.ts';

/** What is asked of the helper, which is in the namespace of who asks. */
export interface NftQuestion {
  readonly script: string;
  readonly json: boolean;
}

/** Its only open file, but for the streams and the lock. */
export const HELPER_FD = 3;

/** The process of nft-process.ts: an entry of its own, which the build puts beside the others. Ends with who started it. */
export function serve(): void {
  for (;;) {
    // A border: it is topoweave that writes there.
    const question = readFrame(HELPER_FD) as NftQuestion | undefined;
    if (question === undefined) return;
    follow(process.ppid);
    writeFrame(HELPER_FD, runInProcess(question.script, question.json));
  }
}

/** Whoever asks waits in the namespace that it is about. */
function follow(pid: number): void {
  const libc = loadLibc();
  const fd = openSync(`/proc/${pid}/ns/net`, 'r');
  try {
    if (libc.setns(fd, CLONE_NEWNET) !== 0)
      throw new SystemCallError('cannot enter the namespace', libc.errno());
  } finally {
    closeSync(fd);
  }
}
