import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { addNamespace } from './namespace.ts';

/** Below, starting a thread costs more than it saves. */
const FEWEST = 200;

/** What the second thread is told, and what both of them share. */
export interface Share {
  readonly names: readonly string[];
  /** The index of the next namespace that nobody has taken yet. */
  readonly next: Int32Array;
}

/** A namespace that could not be made, by its index. */
export interface Failure {
  readonly index: number;
  readonly message: string;
}

/** What the second thread runs; undefined where the program was not built, in the tests say. */
function workerFile(): URL | undefined {
  const file = new URL('../namespace-worker.js', import.meta.url);
  return existsSync(fileURLToPath(file)) ? file : undefined;
}

/** Whether two threads make them faster. */
export function isWorthTwo(count: number): boolean {
  return count >= FEWEST && availableParallelism() > 1 && workerFile() !== undefined;
}

/**
 * Makes namespaces with two threads, which takes three fifths of the time of one: what the kernel does for a new
 * namespace needs its common locks only now and then (copy_net_ns in net/core/net_namespace.c). Whoever is free takes
 * the next one, so that nobody waits for the start of the second thread.
 *
 * @param pause called between two namespaces; whether to go on.
 * @returns the first failure, by index; what comes behind it may have been made or not.
 */
export async function addNamespaces(
  names: readonly string[],
  pause: () => Promise<boolean>,
): Promise<{ readonly failure: Failure | undefined; readonly isStopped: boolean }> {
  const share: Share = { names, next: new Int32Array(new SharedArrayBuffer(4)) };
  const file = workerFile();
  const other = file === undefined ? undefined : helper(file, share);
  const failures: Failure[] = [];
  let isStopped = false;
  for (let index = take(share); index < names.length; index = take(share)) {
    const failure = addOne(share, index);
    if (failure !== undefined) failures.push(failure);
    if (await pause()) continue;
    isStopped = true;
    stop(share);
  }
  const theirs = await other;
  if (theirs !== undefined) failures.push(theirs);
  return { failure: failures.sort((a, b) => a.index - b.index)[0], isStopped };
}

/** The part of one thread, until there is nothing left or one fails. */
export function addShare(share: Share): Failure | undefined {
  for (let index = take(share); index < share.names.length; index = take(share)) {
    const failure = addOne(share, index);
    if (failure !== undefined) return failure;
  }
  return undefined;
}

function addOne(share: Share, index: number): Failure | undefined {
  try {
    addNamespace(share.names[index] ?? '');
    return undefined;
  } catch (error) {
    stop(share);
    return { index, message: (error as Error).message };
  }
}

function take({ next }: Share): number {
  return Atomics.add(next, 0, 1);
}

function stop({ next, names }: Share): void {
  Atomics.store(next, 0, names.length);
}

/** Starts the second thread, which begins in the namespace of the calling one: outside of any visit. */
function helper(file: URL, share: Share): Promise<Failure | undefined> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(file, { workerData: share });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => resolve(undefined));
  });
}
