// The kernel takes namespaces apart in the background, long after `netns del`: wait until it has, so that no run pays
// for the one before it.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const NAMESPACE = 'bench-canary';
const DEVICE = 'bench-canary';
const DEADLINE = 300_000;

/**
 * The kernel has one worker for this, which takes all namespaces that wait, one batch after the other. A namespace made
 * and removed now goes at the latest with the batch that waits now; when its veth end has vanished here, that batch is
 * under way. The second one goes with a later batch: when it has vanished, the batch before is done. The third one is
 * for the memory, which the kernel frees one batch later.
 */
export async function settle() {
  for (let i = 0; i < 3; i += 1) await canary();
}

/** Namespaces; of fewer, what the kernel does in the background is not felt. */
const MANY = 500;

/**
 * The kernel looks for duplicates of each IPv6 address (addrconf_dad_start in net/ipv6/addrconf.c): up to a second until
 * it begins, and a second more; the reports of groups go on for as long.
 */
const DETECTION_MS = 3000;

/** Waits until the kernel has done what a new lab makes it do in the background. */
export async function rest({ namespaces }) {
  if (Object.keys(namespaces).length >= MANY) await sleep(DETECTION_MS);
}

async function canary() {
  const ip = (...args) => execFileSync('ip', args);
  ip('netns', 'add', NAMESPACE);
  ip('link', 'add', DEVICE, 'type', 'veth', 'peer', 'name', 'far', 'netns', NAMESPACE);
  ip('netns', 'del', NAMESPACE);
  const start = Date.now();
  while (readFileSync('/proc/self/net/dev', 'utf8').includes(DEVICE)) {
    if (Date.now() - start > DEADLINE) throw new Error('the kernel does not take a namespace apart');
    await sleep(20);
  }
}

/** Removes what a failed candidate left in this throw-away host. */
export async function sweep() {
  execFileSync('ip', ['-all', 'netns', 'del']);
  await settle();
}
