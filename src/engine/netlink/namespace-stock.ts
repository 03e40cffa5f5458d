import { closeSync, existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { namespaceFiles } from '../../system/netns.ts';
import { isLimited, makeNamespace } from './namespace.ts';

/** Below, starting a thread costs more than it saves. */
const FEWEST = 100;

/** In milliseconds. A namespace takes about one; this long is waited only for a thread that was ended from outside. */
const PATIENCE = 5000;

/**
 * Places in the memory that both threads share. Behind them stand the open namespaces, in the order in which they were
 * made.
 */
const CLAIMED = 0;
const MADE = 1;
const ENDED = 2;
/** Counts what the second thread says, so that who waits for it misses nothing. */
const SAID = 3;
const FIRST = 4;

/** How many are to be made is the number of words behind FIRST. */
export type Shared = Int32Array;

interface Stock {
  readonly shared: Shared;
  /** Namespaces that were taken from it. */
  taken: number;
}

let stock: Stock | undefined;

/** What the second thread runs; undefined where the program was not built, in the tests say. */
function workerFile(): URL | undefined {
  const file = new URL('./namespace-worker.js', import.meta.url);
  return existsSync(fileURLToPath(file)) ? file : undefined;
}

/**
 * A second thread begins to make namespaces, for those names that do not exist yet: the kernel needs half a millisecond
 * for each (copy_net_ns in net/core/net_namespace.c), which goes by while this thread plans. They have no name, so nobody
 * sees them, and they are gone with this process. Must not be called inside of a visit.
 */
export function stockNamespaces(names: readonly string[]): void {
  const file = workerFile();
  if (stock !== undefined || file === undefined || names.length < FEWEST) return;
  const taken = namespaceFiles();
  const count = names.filter((name) => !taken.has(name)).length;
  // Those that are there will be open as well.
  if (count < FEWEST || availableParallelism() < 2 || isLimited(count + taken.size)) return;
  const shared = new Int32Array(new SharedArrayBuffer(4 * (FIRST + count)));
  const own: Stock = { shared, taken: 0 };
  let worker: Worker;
  try {
    // What it opens is closed here.
    worker = new Worker(file, { workerData: shared, trackUnmanagedFds: false });
  } catch {
    // No thread more can be had: one does it.
    return;
  }
  stock = own;
  worker.once('error', () => end(shared));
  worker.once('exit', () => {
    if (stock !== own) closeRest(own);
  });
}

/** A namespace without a name, open; undefined where the caller has to make one itself. Waits for one that is under way. */
export function takeNamespace(): number | undefined {
  if (stock === undefined) return undefined;
  const { shared, taken } = stock;
  for (;;) {
    const said = Atomics.load(shared, SAID);
    if (taken < Atomics.load(shared, MADE)) {
      stock.taken += 1;
      return shared[FIRST + taken];
    }
    if (claim(shared) || Atomics.load(shared, ENDED) === 1) return undefined;
    if (Atomics.wait(shared, SAID, said, PATIENCE) === 'timed-out') return undefined;
  }
}

/** No more are made, and what nobody took is let go of. */
export function clearStock(): void {
  const old = stock;
  if (old === undefined) return;
  stock = undefined;
  Atomics.store(old.shared, CLAIMED, old.shared.length - FIRST);
  if (Atomics.load(old.shared, ENDED) === 1) closeRest(old);
}

function closeRest(old: Stock): void {
  for (const made = Atomics.load(old.shared, MADE); old.taken < made; old.taken += 1)
    closeSync(old.shared[FIRST + old.taken] ?? -1);
}

/** The second thread: makes what nobody else makes, until there is nothing left. */
export function fillStock(shared: Shared): void {
  try {
    while (claim(shared)) {
      const made = Atomics.load(shared, MADE);
      shared[FIRST + made] = makeNamespace();
      say(shared, MADE, made + 1);
    }
  } catch {
    // Who makes the next one meets the same error, and can say for which name.
  } finally {
    end(shared);
  }
}

/** Whether there was one left to make. */
function claim(shared: Shared): boolean {
  return Atomics.add(shared, CLAIMED, 1) < shared.length - FIRST;
}

function end(shared: Shared): void {
  say(shared, ENDED, 1);
}

function say(shared: Shared, place: number, value: number): void {
  Atomics.store(shared, place, value);
  Atomics.add(shared, SAID, 1);
  Atomics.notify(shared, SAID);
}
