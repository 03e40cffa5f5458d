import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { countMessages } from '../../system/run.ts';
import type { Answer, Answers, Question, Questions } from './thread-work.ts';

interface SecondThread {
  readonly port: MessagePort;
  /** Rejects when it ends, which it does on its own only by an error. */
  readonly ended: Promise<never>;
}

/** Megabytes for what lives a short time, of which a piece of work needs few. */
const YOUNG_GENERATION = 8;

/** Pieces that the second thread has at once: one that it works at, and one that it need not wait for. */
const AHEAD = 2;

let second: SecondThread | undefined;

/**
 * Starts the second thread, which takes some 60 ms that the first one may use for something else. It begins in the
 * network namespace of the calling thread: outside of any visit. The process does not wait for it at its end.
 *
 * @returns undefined where there is no processor for it, or no program that was built (in the tests). A recording is made
 *   by one thread alone: its order is that of one.
 */
export function startSecondThread(): SecondThread | undefined {
  if (second !== undefined) return second;
  const file = new URL('../thread-worker.js', import.meta.url);
  const isAlone = availableParallelism() === 1 || process.env['TOPOWEAVE_RECORD'] !== undefined;
  if (isAlone || !existsSync(fileURLToPath(file))) return undefined;
  const { port1: port, port2: other } = new MessageChannel();
  const worker = new Worker(file, {
    workerData: other,
    transferList: [other],
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION },
  });
  worker.unref();
  port.unref();
  const ended = new Promise<never>((_, reject) => {
    worker.once('error', reject);
    worker.once('exit', () => {
      second = undefined;
      reject(new Error('the second thread ended without an answer'));
    });
  });
  // It matters only to who waits for an answer.
  ended.catch(() => {});
  second = { port, ended };
  return second;
}

/** Whether it may be working already. */
export function isStarted(): boolean {
  return second !== undefined;
}

/** How two threads share a list. */
export interface Sharing<Item, Kind extends keyof Questions> {
  readonly items: readonly Item[];
  /** So many go to the second thread at once. */
  readonly piece: number;
  readonly kind: Kind;
  /** What the second thread is asked of the items from one index to another. */
  readonly question: (from: number, to: number) => Questions[Kind];
  /** What it gave back. */
  readonly onAnswer: (from: number, answer: Answers[Kind]) => void | Promise<void>;
  /** The first thread does one itself; whether to go on. */
  readonly own: (item: Item, index: number) => boolean | Promise<boolean>;
}

/**
 * Works through a list with two threads: each takes from its front when it is free, so that nobody waits for the other.
 * What the second one had taken when `own` says that it is over is still done, the rest is not. Where there is no second
 * thread, the first one does it all.
 *
 * @throws Error when the second thread fails; what it had taken may be done or not. What `own` throws, after the second
 *   thread has ended what it was at.
 */
export async function workTogether<Item, Kind extends keyof Questions>({
  items,
  piece,
  kind,
  question,
  onAnswer,
  own,
}: Sharing<Item, Kind>): Promise<void> {
  const thread = startSecondThread();
  /** Where the pieces begin that the second thread has. */
  const given: number[] = [];
  let next = 0;
  const give = () => {
    while (thread !== undefined && given.length < AHEAD && next < items.length) {
      const to = Math.min(next + piece, items.length);
      thread.port.postMessage({ kind, question: question(next, to) } as Question);
      given.push(next);
      next = to;
    }
  };
  const accept = async ({ answer, messages }: Answer) => {
    countMessages(messages);
    const from = given.shift() ?? 0;
    give();
    await onAnswer(from, answer as Answers[Kind]);
  };
  try {
    give();
    while (next < items.length) {
      const index = next;
      next += 1;
      if (!(await own(items[index] as Item, index))) next = items.length;
      for (let message = receive(thread); message !== undefined; message = receive(thread))
        await accept(message);
    }
  } finally {
    next = items.length;
    while (thread !== undefined && given.length > 0) await accept(await nextAnswer(thread));
  }
}

function receive(thread: SecondThread | undefined): Answer | undefined {
  return thread && (receiveMessageOnPort(thread.port)?.message as Answer | undefined);
}

async function nextAnswer(thread: SecondThread): Promise<Answer> {
  const waiting = receive(thread);
  if (waiting !== undefined) return waiting;
  const { port, ended } = thread;
  port.ref();
  try {
    const [message] = (await Promise.race([once(port, 'message'), ended])) as [Answer];
    return message;
  } finally {
    port.unref();
  }
}
