import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ready } from '../../topology/model.ts';
import { readOrEmpty } from '../proc.ts';
import { environmentOf, type Process } from '../processes.ts';
import { countProcesses, searchPath } from '../run.ts';
import { ARRIVED, argvOf, type Launch, type ServiceStart, TOKEN } from './launch.ts';

/** Milliseconds for which a program must run to count as started, where nothing says when it is ready. */
const SETTLE = 150;
/** Milliseconds until the programs in front of it must have started it. */
const ARRIVE = 20_000;
const POLL = 25;
/** So many looks in a row without a token are no moment between two programs any more, when the kernel shows nothing. */
const SURE = 20;
/** Milliseconds for one try of a ready command. */
const TRY = 2000;

/** How a program ended, or undefined while it runs. */
export interface Ended {
  reason: string | undefined;
}

export interface Wait extends Launch {
  readonly process: Process | undefined;
  readonly ended: Ended;
  readonly signal: AbortSignal | undefined;
}

/** Waits until the programs in front of it have become the service, or it has ended; says what went wrong. */
export async function untilArrived(
  { namespace, service }: ServiceStart,
  wait: Wait,
): Promise<string | undefined> {
  const arrival = performance.now() + ARRIVE;
  const hasArrived = arrivalOf(wait);
  while (wait.ended.reason === undefined && !hasArrived()) {
    if (performance.now() > arrival)
      return `the service ${namespace}/${service.name} could not be started within ${ARRIVE / 1000} s`;
    await sleep(POLL / 5);
  }
  return undefined;
}

/** What went wrong, or undefined when the service is up. */
export async function untilReady(start: ServiceStart, wait: Wait): Promise<string | undefined> {
  const { name, ready } = start.service;
  const title = `the service ${start.namespace}/${name}`;
  const { process, ended, signal } = wait;
  const deadline = performance.now() + (ready?.within ?? SETTLE);
  for (;;) {
    if (ended.reason !== undefined) return `${title} ended at once, ${ended.reason}`;
    if (ready !== undefined && process !== undefined && (await isReady(start, ready, { ...wait, process })))
      return ended.reason === undefined ? undefined : `${title} ended at once, ${ended.reason}`;
    if (signal?.aborted) return `interrupted before ${title} was ready`;
    if (performance.now() >= deadline) {
      if (ready === undefined) return undefined;
      return `${title} was not ready within ${ready.within / 1000} s (${readyText(ready)})`;
    }
    await sleep(POLL);
  }
}

function readyText({ tcp, udp, command }: Ready): string {
  const parts = [
    ...(tcp === undefined ? [] : [`nobody listens on TCP port ${tcp}`]),
    ...(udp === undefined ? [] : [`nobody listens on UDP port ${udp}`]),
    ...(command === undefined ? [] : [`'${command.join(' ')}' failed`]),
  ];
  return parts.join(', or ');
}

/**
 * Tells from look to look whether the service itself runs. One that is given another environment (`env -i`), or writes over
 * its own (as those do that change their title), may have it for so short a time that nobody saw it.
 */
function arrivalOf({ process, token }: Wait): () => boolean {
  let without = 0;
  return () => {
    if (process === undefined) return false;
    const environment = environmentOf(process.pid);
    if (environment.includes(`\0${ARRIVED}=`)) return true;
    without = environment.includes(`\0${TOKEN}=${token}\0`) ? 0 : without + 1;
    return without >= SURE;
  };
}

async function isReady(
  start: ServiceStart,
  { tcp, udp, command }: Ready,
  wait: Wait & { readonly process: Process },
): Promise<boolean> {
  const { pid } = wait.process;
  if (tcp !== undefined && !isListening(pid, 'tcp', tcp)) return false;
  if (udp !== undefined && !isListening(pid, 'udp', udp)) return false;
  return command === undefined || succeeds(argvOf(start, command, wait), wait.token);
}

/** The kernel's tables of sockets, in the network namespace of the process (proc(5)): nobody is sent anything. */
function isListening(pid: number, protocol: 'tcp' | 'udp', port: number): boolean {
  // TCP_LISTEN and, for a UDP socket without a peer, TCP_CLOSE of net/tcp_states.h.
  const state = protocol === 'tcp' ? '0A' : '07';
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const line = new RegExp(`^\\s*\\d+: [0-9A-F]+:${hex} \\S+ ${state} `, 'm');
  return [protocol, `${protocol}6`].some((table) => line.test(readOrEmpty(`/proc/${pid}/net/${table}`)));
}

function succeeds([program = '', ...args]: readonly string[], token: string): Promise<boolean> {
  countProcesses(1);
  const env = { PATH: searchPath(), LC_ALL: 'C', [TOKEN]: token };
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      env,
      stdio: 'ignore',
      detached: true,
      cwd: '/',
      timeout: TRY,
      killSignal: 'SIGKILL',
    });
    child.on('error', () => resolve(false));
    child.on('exit', (code) => resolve(code === 0));
  });
}
