import { readdirSync, readFileSync } from 'node:fs';

export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly words: string;
}

/** Whether a process has ended; one whose end nobody has asked for counts as ended. */
export function isGone(pid: number): boolean {
  return stat(pid) === undefined;
}

/** The processes of this host but for process 1, ourselves, and those that we have descended from. */
export function otherProcesses(): Process[] {
  const found = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => stat(Number(name)) ?? []);
  const parents = new Map(found.map(({ pid, parent }) => [pid, parent]));
  const ours = new Set([1]);
  for (let pid: number | undefined = process.pid; pid !== undefined && pid > 0; pid = parents.get(pid))
    ours.add(pid);
  return found.filter(({ pid }) => !ours.has(pid));
}

function stat(pid: number): Process | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [state = 'Z', parent] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z' || state === 'X') return undefined;
    const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim();
    return { pid, parent: Number(parent), words };
  } catch {
    return undefined;
  }
}
