import { setTimeout as sleep } from 'node:timers/promises';
import { parseMark } from '../kinds/marks.ts';
import { groupBy } from '../lib/collections.ts';
import { takeTurns } from '../lib/turns.ts';
import { linkOrEmpty, processIds, readOrEmpty } from './proc.ts';
import { identityOf, isSame, type Process, parentOf, processOf } from './processes.ts';
import { keepNoted, notedNamespaces, type RemovedNamespace } from './removed-namespaces.ts';
import { run } from './run.ts';

/** Who keeps a namespace, with the links in it, after it lost its name. */
export interface Survivor {
  /** The name that the namespace had. */
  readonly namespace: string;
  readonly pid: number;
  /** The name of its program, fit for a terminal. */
  readonly command: string;
}

/** A place where the namespace is mounted, which keeps it as well. */
export interface LeftMount {
  readonly namespace: string;
  readonly path: string;
}

export interface Survivors {
  readonly processes: readonly Survivor[];
  readonly mounts: readonly LeftMount[];
  /** How many were ended. */
  readonly ended: number;
}

export const noSurvivors: Survivors = { processes: [], mounts: [], ended: 0 };

const POLL = 50;
/** Milliseconds between the request to end and the end. */
const PATIENCE = 5000;
const KILL_ROUNDS = 200;

/**
 * Looks for what keeps namespaces of a lab that have no name any more, and remembers those until nothing does.
 *
 * @param kill whether processes are ended: SIGTERM, and SIGKILL after a while.
 */
export async function findSurvivors(lab: string, kill: boolean): Promise<Survivors> {
  const removed = notedNamespaces(lab);
  const seen = look(removed);
  const ours = await confirmed(lab, removed, seen);
  const ended = kill ? await endAll(ours, seen) : 0;
  const left = kill ? look(ours) : seen;
  const inodes = new Set(ours.map(({ inode }) => inode));
  const processes = left.processes.filter(({ inode }) => inodes.has(inode));
  const mounts = left.mounts.filter(({ inode }) => inodes.has(inode));
  const kept = new Set([...processes, ...mounts].map(({ inode }) => inode));
  keepNoted(
    lab,
    ours.filter(({ inode }) => kept.has(inode)),
  );
  return {
    processes: processes.map(({ namespace, process: { pid } }) => ({ namespace, pid, command: nameOf(pid) })),
    mounts: mounts.map(({ namespace, path }) => ({ namespace, path })),
    ended,
  };
}

interface SeenProcess {
  readonly namespace: string;
  readonly inode: number;
  readonly process: Process;
}

interface Seen {
  readonly processes: readonly SeenProcess[];
  readonly mounts: readonly (LeftMount & { readonly inode: number })[];
}

/** One look at each process of the machine, and at the mounts that this one sees. */
function look(removed: readonly RemovedNamespace[]): Seen {
  if (removed.length === 0) return { processes: [], mounts: [] };
  const names = new Map(removed.map(({ name, inode }) => [`net:[${inode}]`, { namespace: name, inode }]));
  const processes = processIds().flatMap((pid): SeenProcess[] => {
    const found = names.get(linkOrEmpty(`/proc/${pid}/ns/net`));
    if (found === undefined) return [];
    const process = processOf(pid);
    return process === undefined ? [] : [{ ...found, process }];
  });
  // `ID PARENT MAJOR:MINOR ROOT MOUNT-POINT …` (proc_pid_mountinfo(5)).
  const mounts = readOrEmpty('/proc/self/mountinfo')
    .split('\n')
    .flatMap((line) => {
      const [, , , root = '', path = ''] = line.split(' ');
      const found = root.startsWith('net:') ? names.get(root) : undefined;
      return found === undefined ? [] : [{ ...found, path: plain(path) }];
    });
  return { processes, mounts };
}

const confirming = takeTurns(8);

/**
 * The number of a namespace that is gone is given to another one, such as a container's: those that are ours have the
 * lab's mark, too. What is only mounted is not signalled, and counts without a look into it.
 */
async function confirmed(
  lab: string,
  removed: readonly RemovedNamespace[],
  seen: Seen,
): Promise<RemovedNamespace[]> {
  const byInode = groupBy(seen.processes, ({ inode }) => inode);
  const mounted = new Map(seen.mounts.map(({ inode, path }) => [inode, path]));
  const answers = await Promise.all(
    removed.map(async ({ inode }) => {
      const pid = byInode.get(inode)?.[0]?.process.pid;
      const path = pid === undefined ? mounted.get(inode) : `/proc/${pid}/ns/net`;
      return path !== undefined && (await confirming(() => hasMark(path, lab)));
    }),
  );
  return removed.filter((_, index) => answers[index] === true);
}

async function hasMark(path: string, lab: string): Promise<boolean> {
  const { stdout } = await run(['nsenter', `--net=${path}`, '--', 'ip', '-j', 'link', 'show', 'dev', 'lo']);
  try {
    // A border: ip prints an array with the one link.
    const [lo] = JSON.parse(stdout) as { ifalias?: string }[];
    return parseMark(lo?.ifalias)?.lab === lab;
  } catch {
    // Gone in the meantime.
    return false;
  }
}

/** Ends the processes in these namespaces, and gives back how many went. */
async function endAll(ours: readonly RemovedNamespace[], seen: Seen): Promise<number> {
  const spared = new Set([1, ...ownLine()]);
  const inodes = new Set(ours.map(({ inode }) => inode));
  const known = new Set<number>();
  const current = ({ processes }: Seen) =>
    processes.filter(({ inode, process: { pid } }) => inodes.has(inode) && !spared.has(pid));
  let left = current(seen);
  const signal = (name: NodeJS.Signals) => {
    for (const each of left) {
      known.add(each.process.pid);
      send(each, name);
    }
  };
  // Once: what is started from here on may be what tidies up.
  signal('SIGTERM');
  const deadline = performance.now() + PATIENCE;
  while (left.length > 0 && performance.now() < deadline) {
    await sleep(POLL);
    left = current(look(ours));
  }
  for (let round = 0; left.length > 0 && round < KILL_ROUNDS; round += 1) {
    signal('SIGKILL');
    await sleep(POLL);
    left = current(look(ours));
  }
  return known.size - left.filter(({ process: { pid } }) => known.has(pid)).length;
}

/** Right before the signal: the number means the same process, and it is still in the namespace. */
function send({ process: target, inode }: SeenProcess, signal: NodeJS.Signals): void {
  try {
    if (isSame(target) && linkOrEmpty(`/proc/${target.pid}/ns/net`) === `net:[${inode}]`)
      process.kill(target.pid, signal);
  } catch {
    // It ended by itself.
  }
}

/** This process and those that started it: a shell in the namespace, for one. */
function ownLine(): number[] {
  const line: number[] = [];
  for (let pid = process.pid; pid > 1 && identityOf(pid) !== undefined; pid = parentOf(pid)) line.push(pid);
  return line;
}

function nameOf(pid: number): string {
  return plain(readOrEmpty(`/proc/${pid}/comm`).trimEnd());
}

/** A program may call itself what it likes (prctl(2), PR_SET_NAME): that must not steer a terminal. */
function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\u{fffd}');
}
