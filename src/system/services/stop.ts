import { setTimeout as sleep } from 'node:timers/promises';
import { TopoweaveError } from '../../lib/errors.ts';
import { environmentOf, isSame, listProcesses, type Process, processOf } from '../processes.ts';
import { TOKEN } from './launch.ts';
import { recordPath } from './paths.ts';
import { forgetServiceRecord, readServiceRecord, type ServiceRecord } from './record.ts';

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

export async function stopProcesses(record: ServiceRecord): Promise<void> {
  const deadline = performance.now() + record.stopWithin;
  let left = membersOf(record);
  // Once: what is started from here on may be what tidies up.
  signalAll(left, 'SIGTERM');
  while (left.length > 0 && performance.now() < deadline) {
    await sleep(POLL);
    left = membersOf(record);
  }
  await killAll(record, left);
}

/** Again and again: one that is being killed can have started others in the meantime. */
async function killAll(record: ServiceRecord, members: readonly Process[]): Promise<void> {
  let left = members;
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
    left = membersOf(record);
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
 * The processes of one start: those of its session, and those that have its token in their environment, which also what
 * left the session has. The kernel gives the number of a session to no other process as long as one is in it.
 */
function membersOf({ process, token }: ServiceRecord): Process[] {
  const all = listProcesses();
  const leader = process === undefined ? undefined : all.find(({ pid }) => pid === process.pid);
  const isOurSession =
    process !== undefined &&
    isOfThisBoot(process) &&
    (leader === undefined || leader.start === process.start);
  return all.filter(
    ({ pid, session }) =>
      (isOurSession && session === process.pid) || environmentOf(pid).includes(`\0${TOKEN}=${token}\0`),
  );
}

function isOfThisBoot({ boot, pidNamespace }: Process): boolean {
  const own = processOf(process.pid);
  return own !== undefined && own.boot === boot && own.pidNamespace === pidNamespace;
}
