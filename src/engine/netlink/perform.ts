import { setImmediate } from 'node:timers/promises';
import type { Command } from '../../kinds/resource.ts';
import { deviceOf } from '../../kinds/sysctl.ts';
import { sysctlPath } from '../../lib/sysctl.ts';
import { type Batch, isAside } from '../../plan/step.ts';
import { HOST } from '../../topology/model.ts';
import type { BatchResult, PerformOptions } from '../engine.ts';
import { perform as performWithIp } from '../ip/perform.ts';
import { NeedsProgram } from './errors.ts';
import { addNamespace, forgetNamespaces, removeNamespace, visit } from './namespace.ts';
import { addNamespaces, FEWEST_NAMESPACES } from './namespace-team.ts';
import { runNft } from './nftables.ts';
import { record } from './recorder.ts';
import { workTogether } from './second-thread.ts';
import { writeSysctl } from './sysctl.ts';
import type { Part, Progress } from './thread-work.ts';
import { Transaction } from './transaction.ts';
import { performTuntap } from './tuntap.ts';
import { setWireguard } from './wireguard.ts';

/** Milliseconds until signals and the progress get their turn. */
const TURN = 25;

/** Fewer of them are performed before a second thread has understood what it is asked. */
const FEWEST_SHARED = 100;
/** Batches that the second thread gets at once: some milliseconds of work. */
const SHARED_PIECE = 16;

type Signal = AbortSignal | undefined;

/** Performs batches in this process; what has no encoder is left to the programs. */
export async function perform(
  batches: readonly Batch[],
  { onDone, signal }: PerformOptions,
): Promise<BatchResult[]> {
  const results: BatchResult[] = [];
  const turn = new Turn();
  const end = (index: number, result: BatchResult): void => {
    if (result.outcome !== 'left-out') onDone(index, result.outcome === 'done');
    results[index] = result;
  };
  const shared = sharedOf(batches);
  for (const [index, batch] of batches.entries()) {
    // Programs that are waited for: all of them at once, behind the others.
    if (isAside(batch) || shared.has(index)) continue;
    await turn.give();
    end(index, signal?.aborted ? { outcome: 'left-out' } : await performBatch(batch, turn, signal));
  }
  if (shared.size > 0) {
    const indexes = [...shared];
    const part = indexes.flatMap((index) => batches[index] ?? []);
    const onEnd = (at: number, result: BatchResult) => end(indexes[at] ?? 0, result);
    await performShared(part, onEnd, { turn, signal });
  }
  await Promise.all(
    batches.map(async (batch, index) => {
      if (!isAside(batch)) return;
      const { performAside } = await import('../aside.ts');
      end(index, await performAside(batch, signal));
    }),
  );
  return results;
}

/** Many batches of one namespace each are for two threads, but for those with files, keys or namespaces in them: by index. */
function sharedOf(batches: readonly Batch[]): ReadonlySet<number> {
  if (batches.length < FEWEST_SHARED) return new Set();
  const isPlain = ({ namespace, commands }: Batch) =>
    namespace !== HOST && commands.every(({ command }) => isMessage(command) || command.tool === 'sysctl');
  const found = [...batches.keys()].filter((index) => isPlain(batches[index] as Batch));
  return new Set(found.length < FEWEST_SHARED ? [] : found);
}

/**
 * Performs batches with two threads. The kernel changes all namespaces under one lock (rtnl_mutex), but what comes before
 * and behind the changes, and the parameters, are done side by side.
 */
async function performShared(
  batches: readonly Batch[],
  end: (index: number, result: BatchResult) => void,
  { turn, signal }: { readonly turn: Turn; readonly signal: Signal },
): Promise<void> {
  const ended = new Set<number>();
  const endWith = async (index: number, progress: Progress) => {
    const batch = batches[index];
    if (batch === undefined) return;
    ended.add(index);
    end(index, await finish(batch, progress, signal));
  };
  await workTogether({
    items: batches,
    piece: SHARED_PIECE,
    kind: 'perform',
    question: (from, to) => batches.slice(from, to).map(partOf),
    onAnswer: async (from, answer) => {
      for (const [at, progress] of answer.entries()) await endWith(from + at, progress);
    },
    own: async (batch, index) => {
      await turn.give();
      if (signal?.aborted) return false;
      await endWith(index, await runThrough(partOf(batch), turn, signal));
      return true;
    },
  });
  for (const index of batches.keys()) if (!ended.has(index)) end(index, { outcome: 'left-out' });
}

/** The part of the second thread. */
export async function performParts(parts: readonly Part[]): Promise<Progress[]> {
  const turn = new Turn();
  const done: Progress[] = [];
  for (const part of parts) done.push(await runThrough(part, turn, undefined));
  return done;
}

async function performBatch(batch: Batch, turn: Turn, signal: Signal): Promise<BatchResult> {
  return finish(batch, await runThrough(partOf(batch), turn, signal), signal);
}

function partOf({ namespace, commands }: Batch): Part {
  return { namespace, commands: commands.map(({ command }) => command) };
}

/** Performs commands until the end, the first failure, an interruption or one that takes a program. */
async function runThrough(part: Part, turn: Turn, signal: Signal): Promise<Progress> {
  const progress: Progress = { next: 0, failure: undefined, needsProgram: false, sysctlsBefore: new Map() };
  const isOver = () =>
    progress.next >= part.commands.length || progress.failure !== undefined || progress.needsProgram;
  while (!isOver() && !signal?.aborted) {
    await addNamespacesAhead(part, progress, turn, signal);
    if (isOver() || signal?.aborted) break;
    performSome(part, progress, turn);
    await turn.give();
  }
  return progress;
}

/** What became of a batch; the rest of one that takes a program is performed. */
async function finish(batch: Batch, progress: Progress, signal: Signal): Promise<BatchResult> {
  const { next, failure, needsProgram, sysctlsBefore } = progress;
  if (failure !== undefined) {
    const failed = batch.commands[failure.index] ?? batch.commands[0];
    if (failed === undefined) throw new Error(`an empty batch failed: ${failure.message}`);
    const { step, command } = failed;
    return { outcome: 'failed', failure: { step, command, message: failure.message }, sysctlsBefore };
  }
  if (needsProgram) return finishWithProgram(batch, progress, signal);
  return { outcome: next < batch.commands.length ? 'left-out' : 'done', sysctlsBefore };
}

/** Many new namespaces in a row are made by two threads; a thread must not start inside of a visit. */
async function addNamespacesAhead(part: Part, progress: Progress, turn: Turn, signal: Signal): Promise<void> {
  const names = namespacesAhead(part, progress.next);
  if (names.length < FEWEST_NAMESPACES) return;
  for (const name of names) record('addNamespace', name);
  const { failure, isStopped } = await addNamespaces(names, async () => {
    await turn.give();
    return signal?.aborted !== true;
  });
  if (failure !== undefined)
    progress.failure = { index: progress.next + failure.index, message: failure.message };
  else if (!isStopped) progress.next += names.length;
  // What was made is told apart from what was not by the next apply.
  else progress.next += 1;
}

function namespacesAhead({ commands }: Part, from: number): string[] {
  const names: string[] = [];
  for (let at = from; at < commands.length; at += 1) {
    const command = commands[at];
    if (command?.tool !== 'ip' || command.args[0] !== 'netns' || command.args[1] !== 'add') break;
    names.push(command.args[2] ?? '');
  }
  return names;
}

/** The rest of a batch, from the first command that only a program can perform. */
async function finishWithProgram(
  batch: Batch,
  { next, sysctlsBefore }: Progress,
  signal: Signal,
): Promise<BatchResult> {
  const rest = { ...batch, commands: batch.commands.slice(next) };
  const first = rest.commands[0];
  // Names may mean other namespaces afterwards.
  forgetNamespaces();
  let result: BatchResult;
  try {
    [result = { outcome: 'left-out' }] = await performWithIp([rest], { onDone: () => {}, signal });
  } catch (error) {
    if (first === undefined) throw error;
    // What was written before must not be lost with it.
    result = { outcome: 'failed', failure: { ...first, message: (error as Error).message } };
  }
  return { ...result, sysctlsBefore: new Map([...(result.sysctlsBefore ?? []), ...sysctlsBefore]) };
}

/** One visit: as many commands as the turn allows. Synchronous, as a visit must be. */
function performSome(part: Part, progress: Progress, turn: Turn): void {
  try {
    visit(part.namespace, () => {
      const transaction = new Transaction(part.namespace);
      try {
        performInside(part, progress, transaction, turn);
        // What still waits comes before what failed.
        progress.failure = transaction.flush() ?? progress.failure;
      } finally {
        transaction.close();
      }
    });
  } catch (error) {
    // The namespace is gone, or the socket failed: nothing that a message can be blamed for.
    const index = Math.min(progress.next, part.commands.length - 1);
    progress.failure ??= { index, message: (error as Error).message };
  }
}

function performInside(part: Part, progress: Progress, transaction: Transaction, turn: Turn): void {
  // One command at the least, or a slow machine would never come to its end.
  for (
    let isFirst = true;
    progress.next < part.commands.length && (isFirst || !turn.isOver());
    isFirst = false
  ) {
    const index = progress.next;
    const command = part.commands[index];
    if (command === undefined) return;
    const outcome = performOne(command, index, transaction, progress);
    if (outcome.failure !== undefined) {
      progress.failure = outcome.failure;
      return;
    }
    if (!outcome.isKnown) {
      progress.needsProgram = true;
      return;
    }
    progress.next += 1;
  }
}

/** Objects of `ip` that are no messages. */
const direct: ReadonlySet<string> = new Set(['netns', 'tuntap']);

function isMessage(command: Command): boolean {
  if (command.tool === 'ip') return !direct.has(command.args[0] ?? '');
  return command.tool === 'bridge' || command.tool === 'tc';
}

function performOne(
  command: Command,
  index: number,
  transaction: Transaction,
  progress: Progress,
): ReturnType<Transaction['add']> {
  if (isMessage(command)) return transaction.add(command, index);
  // What is no message keeps its place between them; a parameter of no device has nothing to wait for.
  const waits = command.tool !== 'sysctl' || deviceOf(command.name) !== undefined;
  const failure = waits ? transaction.flush() : undefined;
  if (failure !== undefined) return { isKnown: true, failure };
  try {
    performDirectly(command, progress.sysctlsBefore);
    return { isKnown: true };
  } catch (error) {
    if (error instanceof NeedsProgram) return { isKnown: false };
    return { isKnown: true, failure: { index, message: (error as Error).message } };
  }
}

function performDirectly(command: Command, sysctlsBefore: Map<string, string>): void {
  if (command.tool === 'sysctl') {
    record('sysctl', command.namespace, Buffer.from(`${sysctlPath(command.name)}\0${command.value}`));
    const before = writeSysctl(command.namespace, command.name, command.value);
    if (!sysctlsBefore.has(command.name)) sysctlsBefore.set(command.name, before);
  } else if (command.tool === 'nft') {
    record('nft', command.namespace, Buffer.from(command.script));
    runNft(command.script);
  } else if (isAside(command)) {
    throw new Error(`a command of ${command.tool} in a batch of another program`);
  } else if (command.tool === 'wg') {
    // Not for the recording: the messages have keys in them.
    setWireguard(command.args);
  } else if (command.args[0] === 'tuntap') {
    performTuntap(command.args.slice(1));
  } else if (command.args[1] === 'add') {
    record('addNamespace', command.args[2] ?? '');
    addNamespace(command.args[2] ?? '');
  } else {
    record('removeNamespace', command.args[2] ?? '');
    removeNamespace(command.args[2] ?? '');
  }
}

/** Shares the thread with signals and the progress: never inside of a visit. */
class Turn {
  #end = performance.now() + TURN;

  isOver(): boolean {
    return performance.now() >= this.#end;
  }

  async give(): Promise<void> {
    if (!this.isOver()) return;
    await setImmediate();
    this.#end = performance.now() + TURN;
  }
}
