import { setImmediate } from 'node:timers/promises';
import type { Command } from '../../kinds/resource.ts';
import { deviceOf } from '../../kinds/sysctl.ts';
import { sysctlPath } from '../../lib/sysctl.ts';
import { messageOf } from '../../lib/system-error.ts';
import { type Batch, isAside } from '../../plan/step.ts';
import type { BatchResult, PerformOptions } from '../engine.ts';
import { perform as performWithIp } from '../ip/perform.ts';
import { asWritten, removeTogether } from '../link-removal.ts';
import { NeedsProgram } from './errors.ts';
import { addNamespace, forgetNamespaces, removeNamespace, visit } from './namespace.ts';
import { takeNamespace } from './namespace-stock.ts';
import { runNft } from './nftables.ts';
import { record } from './recorder.ts';
import { writeSysctl } from './sysctl.ts';
import { type CommandFailure, Transaction } from './transaction.ts';
import { performTuntap } from './tuntap.ts';
import { setWireguard } from './wireguard.ts';

/** Milliseconds until signals and the progress get their turn. */
const TURN = 25;

/** Where a run through a batch stands. */
interface Progress {
  /** The first command that is not done. */
  next: number;
  failure: CommandFailure | undefined;
  /** The command at `next` has no encoder. */
  needsProgram: boolean;
  readonly sysctlsBefore: Map<string, string>;
}

/** Performs batches in this process, one after the other; what has no encoder is left to the programs. */
export async function perform(
  batches: readonly Batch[],
  { onDone, signal }: PerformOptions,
): Promise<BatchResult[]> {
  const results: BatchResult[] = [];
  const turn = new Turn();
  const end = (index: number, result: BatchResult): BatchResult => {
    if (result.outcome !== 'left-out') onDone(index, result.outcome === 'done');
    return result;
  };
  for (const [index, batch] of batches.entries()) {
    // Programs that are waited for: all of them at once, behind the others.
    if (isAside(batch)) continue;
    await turn.give();
    results[index] = end(
      index,
      signal?.aborted
        ? { outcome: 'left-out' }
        : asWritten(await performBatch(removeTogether(batch), turn, signal)),
    );
  }
  await Promise.all(
    batches.map(async (batch, index) => {
      if (!isAside(batch)) return;
      const { performAside } = await import('../aside.ts');
      results[index] = end(index, await performAside(batch, signal));
    }),
  );
  return results;
}

async function performBatch(batch: Batch, turn: Turn, signal: AbortSignal | undefined): Promise<BatchResult> {
  const progress: Progress = { next: 0, failure: undefined, needsProgram: false, sysctlsBefore: new Map() };
  const { sysctlsBefore } = progress;
  while (progress.next < batch.commands.length && progress.failure === undefined) {
    if (signal?.aborted && progress.next > 0) return { outcome: 'left-out', sysctlsBefore };
    performSome(batch, progress, turn);
    if (progress.needsProgram && progress.failure === undefined)
      return finishWithProgram(batch, progress, signal);
    await turn.give();
  }
  if (progress.failure === undefined) return { outcome: 'done', sysctlsBefore };
  const failed = batch.commands[progress.failure.index] ?? batch.commands[0];
  if (failed === undefined) throw new Error(`an empty batch failed: ${progress.failure.message}`);
  const failure = { step: failed.step, command: failed.command, message: progress.failure.message };
  return { outcome: 'failed', failure, sysctlsBefore };
}

/** The rest of a batch, from the first command that only a program can perform. */
async function finishWithProgram(
  batch: Batch,
  { next, sysctlsBefore }: Progress,
  signal: AbortSignal | undefined,
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
    result = { outcome: 'failed', failure: { ...first, message: messageOf(error) } };
  }
  return { ...result, sysctlsBefore: new Map([...(result.sysctlsBefore ?? []), ...sysctlsBefore]) };
}

/** One visit: as many commands as the turn allows. Synchronous, as a visit must be. */
function performSome(batch: Batch, progress: Progress, turn: Turn): void {
  try {
    visit(batch.namespace, () => {
      const transaction = new Transaction(batch.namespace);
      try {
        performInside(batch, progress, transaction, turn);
        // What still waits comes before what failed.
        progress.failure = transaction.flush() ?? progress.failure;
      } finally {
        transaction.close();
      }
    });
  } catch (error) {
    // The namespace is gone, or the socket failed: nothing that a message can be blamed for.
    const index = Math.min(progress.next, batch.commands.length - 1);
    progress.failure ??= { index, message: messageOf(error) };
  }
}

function performInside(batch: Batch, progress: Progress, transaction: Transaction, turn: Turn): void {
  // One command at the least, or a slow machine would never come to its end.
  for (
    let isFirst = true;
    progress.next < batch.commands.length && (isFirst || !turn.isOver());
    isFirst = false
  ) {
    const index = progress.next;
    const command = batch.commands[index]?.command;
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

function performOne(
  command: Command,
  index: number,
  transaction: Transaction,
  progress: Progress,
): ReturnType<Transaction['add']> {
  const isMessage =
    command.tool === 'bridge' ||
    command.tool === 'tc' ||
    (command.tool === 'ip' && !direct.has(command.args[0] ?? ''));
  if (isMessage) return transaction.add(command, index);
  // What is no message keeps its place between them; a parameter of no device has nothing to wait for.
  const waits = command.tool !== 'sysctl' || deviceOf(command.name) !== undefined;
  const failure = waits ? transaction.flush() : undefined;
  if (failure !== undefined) return { isKnown: true, failure };
  try {
    performDirectly(command, progress.sysctlsBefore);
    return { isKnown: true };
  } catch (error) {
    if (error instanceof NeedsProgram) return { isKnown: false };
    return { isKnown: true, failure: { index, message: messageOf(error) } };
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
    addNamespace(command.args[2] ?? '', takeNamespace());
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
