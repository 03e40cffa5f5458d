import { readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { append } from '../lib/collections.ts';
import { processIds, readOrEmpty } from './proc.ts';

/**
 * A process that can be told from every other one: its number may be given to another when it ends, but not with the same
 * time of start (field 22 of /proc/PID/stat, in ticks since the boot), and not in the same boot and PID namespace.
 */
export interface Process {
  readonly pid: number;
  readonly start: string;
  readonly session: number;
  readonly boot: string;
  readonly pidNamespace: string;
}

interface Place {
  readonly boot: string;
  readonly pidNamespace: string;
}

let known: Place | undefined;

/** Where numbers of processes mean what they mean here. */
function here(): Place {
  known ??= {
    boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    pidNamespace: readlinkSync('/proc/self/ns/pid'),
  };
  return known;
}

/** A process by its number; undefined where there is none, or only what is left of one (a zombie). */
export function processOf(pid: number): Process | undefined {
  const stat = readStat(pid);
  return stat === undefined || stat.state === 'Z' || stat.state === 'X'
    ? undefined
    : { pid, start: stat.start, session: stat.session, ...here() };
}

/** The same of a process that may have ended already. */
export function identityOf(pid: number): Process | undefined {
  const stat = readStat(pid);
  return stat && { pid, start: stat.start, session: stat.session, ...here() };
}

/** Whether a process still runs, and its number means no other one. */
export function isSame({ pid, start, boot, pidNamespace }: Process): boolean {
  const place = here();
  if (place.boot !== boot || place.pidNamespace !== pidNamespace) return false;
  return processOf(pid)?.start === start;
}

/** Every process that runs. */
function listProcesses(): Process[] {
  return processIds().flatMap((pid) => processOf(pid) ?? []);
}

/** The processes of one moment. */
export interface Processes {
  readonly bySession: ReadonlyMap<number, readonly Process[]>;
  /** By each value that the variable has in their environment. */
  readonly byValue: ReadonlyMap<string, readonly Process[]>;
}

const underWay = new Map<string, Promise<Processes>>();

/**
 * Every process that runs, and what one variable is in its environment, as it is after this call. It is read once for
 * all who ask at the same time: thousands of services may be stopped side by side.
 */
export function processesWith(variable: string): Promise<Processes> {
  const known = underWay.get(variable);
  if (known !== undefined) return known;
  const reading = sleep(0).then(() => {
    underWay.delete(variable);
    return readProcesses(variable);
  });
  underWay.set(variable, reading);
  return reading;
}

function readProcesses(variable: string): Processes {
  const bySession = new Map<number, Process[]>();
  const byValue = new Map<string, Process[]>();
  const start = `\0${variable}=`;
  for (const process of listProcesses()) {
    append(bySession, process.session, process);
    const text = environmentOf(process.pid);
    for (let at = text.indexOf(start); at !== -1; at = text.indexOf(start, at + 1)) {
      const end = text.indexOf('\0', at + 1);
      if (end !== -1) append(byValue, text.slice(at + start.length, end), process);
    }
  }
  return { bySession, byValue };
}

/** The name in parentheses may hold anything, parentheses too (proc(5)). */
function readStat(pid: number): { state: string; session: number; start: string } | undefined {
  const text = readOrEmpty(`/proc/${pid}/stat`, 'latin1');
  if (text === '') return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state = '', , , session = ''] = fields;
  return { state, session: Number(session), start: fields[19] ?? '' };
}

/** What a process was started with, with a zero byte at each end, so that a whole entry can be looked for. */
export function environmentOf(pid: number): string {
  return `\0${readOrEmpty(`/proc/${pid}/environ`, 'latin1')}`;
}
