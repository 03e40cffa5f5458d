import { setTimeout as sleep } from 'node:timers/promises';
import { TopoweaveError } from '../../lib/errors.ts';
import { HOST } from '../../topology/model.ts';
import { identityOf, isSame, type Process, processesWith, processOf } from '../processes.ts';
import { ARRIVED, TOKEN } from './launch.ts';
import { endLogWriter } from './log-writer.ts';
import { recordPath } from './paths.ts';
import { forgetServiceRecord, isIn, readServiceRecord, type ServiceRecord } from './record.ts';
import { UNKNOWN_TOKEN } from './record-shape.ts';

const POLL = 25;
const KILL_ROUNDS = 400;

/**
 * Stops a service: SIGTERM to all of its processes, and SIGKILL to those that are left when its time is over. Gives up its
 * record then.
 */
export async function stopService(lab: string, namespace: string, name: string): Promise<void> {
  const record = readServiceRecord(recordPath(lab, namespace, name));
  if (record === undefined) return;
  await stopProcesses(record);
  forgetServiceRecord(record);
}

/** The last lines are in the log then. */
export async function stopProcesses(record: ServiceRecord): Promise<void> {
  await stopMembers(record);
  await endLogWriter(record.writer);
}

async function stopMembers(record: ServiceRecord): Promise<void> {
  const deadline = performance.now() + record.stopWithin;
  const look = memberFinder(record);
  let left = await look();
  // Once: what is started from here on may be what tidies up.
  signalAll(left, 'SIGTERM');
  while (left.length > 0 && performance.now() < deadline) {
    await sleep(POLL);
    left = await look();
  }
  // Again and again: one that is being killed can have started others in the meantime.
  for (let round = 0; left.length > 0; round += 1) {
    if (round === KILL_ROUNDS) {
      const pids = left.map(({ pid }) => pid).join(', ');
      throw new TopoweaveError(
        'service',
        `the service ${record.namespace}/${record.name} does not end, not even by SIGKILL: process ${pids}`,
      );
    }
    signalAll(left, 'SIGKILL');
    await sleep(POLL);
    left = await look();
  }
}

/** Right before the signal it is made sure that the number still means the same process. */
function signalAll(processes: readonly Process[], signal: NodeJS.Signals): void {
  for (const each of processes) {
    try {
      if (isSame(each)) process.kill(each.pid, signal);
    } catch {
      // It ended by itself.
    }
  }
}

/**
 * Looks for the processes of one start: those of its session, and those that have its token in their environment, which
 * also what left the session has.
 *
 * The kernel gives the number of a session to no other process as long as one is in it. But a service can be gone with
 * all of its session, and its number belong to a session of somebody else, whose first process is gone as well: so a
 * session without its first process is the service's only when something else says so, too.
 */
function memberFinder({ process, token, lab, namespace, name }: ServiceRecord): () => Promise<Process[]> {
  let wasOurs = false;
  return async () => {
    const { bySession, byValue } = await processesWith(TOKEN);
    const named = token === UNKNOWN_TOKEN ? (await processesWith(ARRIVED)).byValue : undefined;
    const marked = named?.get(`${lab}/${namespace}/${name}`) ?? byValue.get(token) ?? [];
    if (process === undefined || !isOfThisBoot(process)) return [...marked];
    const session = bySession.get(process.pid) ?? [];
    // What is left of one that ended keeps its number from others, too.
    const leader = identityOf(process.pid);
    const isOurs =
      leader === undefined
        ? session.length > 0 &&
          (wasOurs ||
            session.some((each) => marked.includes(each)) ||
            (namespace !== HOST && session.some(({ pid }) => isIn(pid, namespace))))
        : leader.start === process.start;
    wasOurs = isOurs;
    return isOurs ? [...new Set([...session, ...marked])] : [...marked];
  };
}

function isOfThisBoot({ boot, pidNamespace }: Process): boolean {
  const own = processOf(process.pid);
  return own !== undefined && own.boot === boot && own.pidNamespace === pidNamespace;
}
