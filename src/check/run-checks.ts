import { setTimeout as sleep } from 'node:timers/promises';
import { UnavailableError } from '../lib/errors.ts';
import { forMany } from '../lib/signals.ts';
import { run } from '../system/run.ts';
import type { Check, Topology } from '../topology/model.ts';
import { type Agents, inNamespace, startAgents } from './agents.ts';
import type { Attempt, Listener } from './attempt.ts';
import { type DeadServices, deadServicesOf } from './dead-services.ts';
import { parsePing, pingArgv } from './ping.ts';
import { probePort } from './ports.ts';

export interface CheckResult {
  readonly check: Check;
  readonly ok: boolean;
  /** For people: `3 packets, 0.05 ms average`. */
  readonly detail: string;
  /** Of a tcp or udp check: who listened in the last attempt. */
  readonly listener?: Listener;
  readonly attempts: number;
  readonly milliseconds: number;
}

export interface CheckOptions {
  readonly signal?: AbortSignal;
  /** Called as each check ends. */
  readonly onResult?: (result: CheckResult) => void;
}

type Try = () => Promise<Attempt>;
type Verdict = Pick<CheckResult, 'ok' | 'detail' | 'attempts' | 'listener'>;

const CONCURRENCY = 32;
/** Milliseconds from the start of one attempt to the next. */
const INTERVAL = 200;
/**
 * Milliseconds of rest after a first attempt that was answered in part, twice as many after each further one: its own
 * packets may fill the queue that the next one is measured by.
 */
const REST = { first: 250, most: 4000 };
/** Milliseconds during which nothing may answer before a check counts as unreachable. */
const SILENCE = 1000;

/**
 * Runs the checks of a topology and returns their results in the topology's order. What must be unreachable is tried
 * last: by then the others have shown that the network has settled, and silence means something.
 *
 * @throws UnavailableError when a program is missing; the signal's reason when it is aborted.
 */
export async function runChecks(topology: Topology, options: CheckOptions = {}): Promise<CheckResult[]> {
  const agents = startAgents();
  const stop = new AbortController();
  const outer = options.signal === undefined ? [] : [options.signal];
  const signal = forMany(AbortSignal.any([stop.signal, ...outer]));
  const dead = deadServicesOf(topology);
  const results = new Map<Check, CheckResult>();
  const runOne = async (check: Check): Promise<void> => {
    const result = await runCheck(check, {
      attempt: tryOf(check, { topology, agents, dead, signal }),
      signal,
    });
    results.set(check, result);
    options.onResult?.(result);
  };
  try {
    for (const expect of ['reachable', 'unreachable'] as const) {
      const checks = topology.checks.filter((check) => check.expect === expect);
      await forEachBounded(checks, runOne);
    }
  } finally {
    stop.abort();
    await agents.end();
  }
  return topology.checks.flatMap((check) => results.get(check) ?? []);
}

async function runCheck(
  check: Check,
  { attempt, signal }: { attempt: Try; signal: AbortSignal },
): Promise<CheckResult> {
  const start = performance.now();
  const verdict =
    check.expect === 'reachable'
      ? await mustAnswer(attempt, { within: check.within, signal })
      : await mustStaySilent(attempt, signal);
  return { check, ...verdict, milliseconds: performance.now() - start };
}

interface Way {
  readonly topology: Topology;
  readonly agents: Agents;
  readonly dead: DeadServices;
  readonly signal: AbortSignal;
}

function tryOf(check: Check, way: Way): Try {
  const { port } = check;
  if (check.kind === 'ping' || port === undefined) return () => tryPing(check, way.signal);
  return () => probePort(way.agents, { ...way, check, port });
}

async function tryPing(check: Check, signal: AbortSignal): Promise<Attempt> {
  const result = await run(inNamespace(check.from, pingArgv(check)), { signal });
  if (result.stderr.includes('failed to execute ping')) {
    throw new UnavailableError(
      'missing-program',
      "the program 'ping' is not installed",
      'install it with: apt-get install iputils-ping',
    );
  }
  return parsePing(result, check);
}

async function mustAnswer(
  attempt: Try,
  { within, signal }: { within: number; signal: AbortSignal },
): Promise<Verdict> {
  const start = performance.now();
  let reason = '';
  let rest = REST.first;
  for (let attempts = 1; ; attempts += 1) {
    const { outcome, detail, ...who } = await paced(attempt, { signal, deadline: start + within });
    if (outcome === 'answered') return { ok: true, detail, attempts, ...who };
    if (outcome === 'broken') return { ok: false, detail, attempts, ...who };
    reason = detail || reason;
    const elapsed = performance.now() - start;
    if (elapsed < within) {
      if (outcome === 'partly') {
        await sleep(Math.min(rest, within - elapsed), undefined, { signal });
        rest = Math.min(2 * rest, REST.most);
      }
      continue;
    }
    const effort = `${(elapsed / 1000).toFixed(1)}s (${attempts} ${attempts === 1 ? 'attempt' : 'attempts'})`;
    const detailed = `no answer in ${effort}${reason === '' ? '' : `: ${reason}`}`;
    return { ok: false, detail: detailed, attempts, ...who };
  }
}

async function mustStaySilent(attempt: Try, signal: AbortSignal): Promise<Verdict> {
  const start = performance.now();
  let reason = '';
  for (let attempts = 1; ; attempts += 1) {
    const { outcome, detail, ...who } = await paced(attempt, { signal, deadline: start + SILENCE });
    if (outcome === 'broken') return { ok: false, detail, attempts, ...who };
    if (outcome !== 'silent')
      return { ok: false, detail: `must be unreachable, but answered: ${detail}`, attempts, ...who };
    reason = detail || reason;
    if (performance.now() - start < SILENCE) continue;
    return { ok: true, detail: reason === '' ? 'no answer' : `no answer: ${reason}`, attempts, ...who };
  }
}

/** One attempt; what did not succeed lasts until the next one is due. */
async function paced(
  attempt: Try,
  { signal, deadline }: { signal: AbortSignal; deadline: number },
): Promise<Attempt> {
  const start = performance.now();
  signal.throwIfAborted();
  const result = await attempt();
  signal.throwIfAborted();
  const due = Math.min(start + INTERVAL, deadline) - performance.now();
  // Rounded up: a timer may fire a fraction of a millisecond early, and one more attempt would follow.
  if (result.outcome === 'silent' && due > 0) await sleep(Math.ceil(due) + 1, undefined, { signal });
  return result;
}

async function forEachBounded<T>(items: readonly T[], handle: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const worker = async (): Promise<void> => {
    // One iterator for all: each item goes to the worker that is free.
    for (const item of queue) await handle(item);
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, items.length) }, worker));
}
