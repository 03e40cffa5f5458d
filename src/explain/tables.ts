import { existsSync, readdirSync, unlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { inNamespace } from '../check/agents.ts';
import { TopoweaveError } from '../lib/errors.ts';
import { noteDamage, putAside } from '../system/damage.ts';
import { isUnfinished } from '../system/leftovers.ts';
import { withLock } from '../system/lock.ts';
import { listNamespaces, netnsPath } from '../system/netns.ts';
import { recordFolder, writePrivateFile } from '../system/record.ts';
import { run } from '../system/run.ts';
import { readStateFile } from '../system/state-file.ts';
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
/** Bytes of the file that says where the tables are. */
const MOST = 4 * 1024 * 1024;

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
  clearUnfinished(path);
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

/** A damaged one is put aside: what it named is not known then. The lock of `explain` is held. */
function readPlaces(path: string): Where[] {
  const found = readStateFile(path, MOST);
  if (found === undefined) return [];
  let value: unknown;
  try {
    value = 'text' in found ? JSON.parse(found.text) : undefined;
  } catch {
    value = undefined;
  }
  const places = Array.isArray(value) ? value.filter(isPlace) : undefined;
  if (!Array.isArray(value) || places?.length !== value.length) {
    const problem = 'problem' in found ? found.problem : 'it is no list of namespaces';
    const lost = `where a killed explain left its table ${TRACE_TABLE}`;
    noteDamage({ path, problem, kept: putAside(path), lost });
  }
  const known = new Set([HOST, ...listNamespaces().names]);
  return (places ?? []).flatMap(({ namespace, withBridge }) =>
    known.has(namespace) ? [{ namespace, withBridge: withBridge === true }] : [],
  );
}

function isPlace(value: unknown): value is Where {
  return (
    typeof value === 'object' && value !== null && 'namespace' in value && typeof value.namespace === 'string'
  );
}

function writePlaces(path: string, places: readonly Where[]): void {
  writePrivateFile(path, `${JSON.stringify(places)}\n`);
}

/** What a killed run was about to give this name. */
function clearUnfinished(path: string): void {
  for (const name of readdirSync(dirname(path)))
    if (name.startsWith(`${basename(path)}.`) && isUnfinished(name)) forget(join(dirname(path), name));
}

function forget(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Nothing there: as it should be.
  }
}
