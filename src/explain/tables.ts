import { closeSync, constants, existsSync, openSync, readFileSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { inNamespace } from '../check/agents.ts';
import { TopoweaveError } from '../lib/errors.ts';
import { withLock } from '../system/lock.ts';
import { listNamespaces, netnsPath } from '../system/netns.ts';
import { recordFolder, writePrivateFile } from '../system/record.ts';
import { run } from '../system/run.ts';
import { HOST } from '../topology/model.ts';
import { removalScript, TRACE_TABLE } from './trace-table.ts';

/** The tables of one run, which are taken away when it ends, however it ends. */
export interface TraceTables {
  /** Loads a script that makes them; gives nft's message where it fails. */
  readonly load: (where: Where, script: string) => Promise<string | undefined>;
}

interface Where {
  readonly namespace: string;
  readonly withBridge: boolean;
}

/** Milliseconds. */
const WAIT_FOR_OTHERS = 10_000;
const NFT_PATIENCE = 10_000;
const REMOVALS = 3;

/**
 * One run at a time has the tables: they have one name. Before a namespace gets them it is written down, so that the next
 * run takes away what one that was killed left.
 */
export async function withTraceTables<T>(
  work: (tables: TraceTables) => Promise<T>,
  { lock, signal }: { readonly lock: ((fd: number) => boolean) | undefined; readonly signal: AbortSignal },
): Promise<T> {
  const deadline = Date.now() + WAIT_FOR_OTHERS;
  for (;;) {
    try {
      return await withLock(() => useTables(work), lock, 'explain.lock');
    } catch (error) {
      const isHeld = error instanceof TopoweaveError && error.code === 'locked';
      if (!isHeld || Date.now() > deadline) throw error;
      signal.throwIfAborted();
      await setTimeout(100);
    }
  }
}

async function useTables<T>(work: (tables: TraceTables) => Promise<T>): Promise<T> {
  const path = join(recordFolder(), 'explain.tables');
  const places = new Map(readPlaces(path).map((where) => [where.namespace, where]));
  const remove = async () => {
    for (const where of [...places.values()]) if (await removeTables(where)) places.delete(where.namespace);
    if (places.size === 0) forget(path);
    else writePlaces(path, [...places.values()]);
  };
  if (places.size > 0) await remove();
  const load: TraceTables['load'] = async (where, script) => {
    if (!places.has(where.namespace)) {
      places.set(where.namespace, where);
      writePlaces(path, [...places.values()]);
    }
    return loadScript(where.namespace, script);
  };
  let result: T;
  try {
    result = await work({ load });
  } finally {
    await remove();
  }
  if (places.size > 0)
    throw new TopoweaveError(
      'explain',
      `nft does not take the table ${TRACE_TABLE} away in ${[...places.keys()].join(', ')}`,
      { hint: 'the next explain tries again' },
    );
  return result;
}

/** Whether they are gone. */
async function removeTables({ namespace, withBridge }: Where): Promise<boolean> {
  for (let left = REMOVALS; left > 0; left -= 1) {
    const path = netnsPath(namespace);
    if (path !== undefined && !existsSync(path)) return true;
    try {
      if ((await loadScript(namespace, removalScript(withBridge))) === undefined) return true;
    } catch {
      // Without nft: the next run finds it written down.
    }
  }
  return false;
}

async function loadScript(namespace: string, script: string): Promise<string | undefined> {
  // Ctrl-C goes to all programs of the terminal's group, and these have to end what they began.
  const options = { input: script, timeout: NFT_PATIENCE } as const;
  const { code, stderr } = await run(inNamespace(namespace, ['nft', '-f', '-']), options);
  return code === 0 ? undefined : (stderr.trim().split('\n')[0] ?? 'no message');
}

function readPlaces(path: string): Where[] {
  let value: unknown;
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      // A border: the folder is root's, but the file may be of another version.
      value = JSON.parse(readFileSync(fd, 'utf8'));
    } finally {
      closeSync(fd);
    }
  } catch {
    return [];
  }
  const known = new Set([HOST, ...listNamespaces().names]);
  return (Array.isArray(value) ? (value as Partial<Where>[]) : []).flatMap(({ namespace, withBridge }) =>
    namespace !== undefined && known.has(namespace) ? [{ namespace, withBridge: withBridge === true }] : [],
  );
}

function writePlaces(path: string, places: readonly Where[]): void {
  writePrivateFile(path, `${JSON.stringify(places)}\n`);
}

function forget(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Nothing there: as it should be.
  }
}
