import { spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ignoreStreamErrors } from '../../lib/child-streams.ts';
import { TopoweaveError } from '../../lib/errors.ts';
import { processLimitHint } from '../../lib/system-error.ts';
import { makeJobsFolder } from '../../system/leftovers.ts';
import { inheritedLock } from '../../system/lock.ts';
import { countProcesses, searchPath } from '../../system/run.ts';
import { parseToolJson } from './tool-json.ts';

/**
 * One batch of work in one namespace. `show` reads, `ip`, `bridge` and `tc` change by a batch (`show6` and `ip6` by `ip -6`),
 * `nft` loads a script,
 * `nft-list` prints one table, `nft-own` all of a lab's that are there, `wg` changes WireGuard devices, one process for each line.
 */
export interface Job {
  /** Path of the namespace; undefined: the one that topoweave runs in. */
  readonly netns: string | undefined;
  readonly verb:
    | 'show'
    | 'show6'
    | 'show-peers'
    | 'ip'
    | 'ip6'
    | 'bridge'
    | 'bridge-show'
    | 'vlan-show'
    | 'tc'
    | 'tc-show'
    | 'nft'
    | 'nft-list'
    | 'nft-own'
    | 'wg';
  /** The batch, the script, or for `nft-list` and `nft-own` the table's name. */
  readonly input: string;
  /** For `show`: paths below /proc/sys to read, with their values written behind the batch's output. */
  readonly readSysctls?: readonly string[];
  /** For `ip`: written before the batch, and behind it. */
  readonly sysctlsBefore?: readonly SysctlWrite[];
  readonly sysctlsAfter?: readonly SysctlWrite[];
}

export interface SysctlWrite {
  /** Below /proc/sys: `net/ipv4/ip_forward`. */
  readonly path: string;
  readonly value: string;
}

export interface RunJobsOptions {
  /** Called as each job ends, with its index. */
  readonly onDone?: (index: number, code: number) => void;
  /** Ends the run after the jobs that are under way. */
  readonly signal?: AbortSignal | undefined;
  /** Files that the jobs must not open; only for jobs that change nothing. */
  readonly cover?: readonly string[];
}

export interface JobResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Separates the batch's output from the sysctls that `show` read. */
const SYSCTL_LINE = '\u001e';

/** Whether `timeout` of coreutils ended a job: `show-peers` opens every file of the folder, and one may wait for ever. */
export function isLate(result: JobResult | undefined): boolean {
  return result?.code === 124;
}

/** Whether a job failed because the namespace is gone, or was none: `nsenter` says so, and the worker in its words. */
export function isGone(result: JobResult | undefined): boolean {
  return (
    result !== undefined &&
    result.code !== 0 &&
    /^nsenter: (cannot open .*: No such file or directory|reassociate to namespace .* failed: Invalid argument)/m.test(
      result.stderr,
    )
  );
}

/**
 * Runs the worker where files that must not be opened are covered by /dev/null, for what opens each file of the folder
 * (`ip netns list-id`). A constant, too; the mounts are seen by nobody else.
 */
const covered = `
count=$1; shift
while [ "$count" -gt 0 ]; do mount --bind -- /dev/null "$1" 2>/dev/null; count=$((count - 1)); shift; done
exec "$@"`;

/**
 * The worker: a shell that starts one program per job; told to end, it ends between two jobs. Forking a small shell costs a tenth of forking Node, so that a
 * hundred namespaces do not cost a hundred of Node's forks. It is a constant: names, paths and batches reach it as
 * positional parameters and as files, never as shell text.
 */
const worker = `
trap 'exit 143' TERM
folder=$1 sysctl=$2 wg=$3; shift 3
while [ $# -ge 4 ]; do
  id=$1 netns=$2 verb=$3 extra=$4; shift 4
  if [ -z "$netns" ]; then enter() { "$@"; }
  elif [ -f "$netns" ]; then enter() { nsenter "--net=$netns" -- "$@"; }
  else enter() { echo "nsenter: cannot open $netns: No such file or directory" >&2; return 1; }; fi
  input=$folder/$id.in
  case $verb$extra in
    show-) enter ip -j -d -batch "$input" ;;
    show-peers-) enter timeout 10 ip -j -d -batch "$input" ;;
    show6-) enter ip -6 -j -d -batch "$input" ;;
    show*) enter bash -c "$sysctl" sh show "$folder/$id" ;;
    ip-) enter ip -batch "$input" ;;
    ip6-) enter ip -6 -batch "$input" ;;
    ipbefore) enter bash -c "$sysctl" sh before "$folder/$id" ;;
    ipafter) enter ip -batch "$input" && enter bash -c "$sysctl" sh after "$folder/$id" ;;
    ipboth)
      enter bash -c "$sysctl" sh before "$folder/$id" &&
        enter bash -c "$sysctl" sh after "$folder/$id" ;;
    bridge-show-) enter bridge -j fdb show ;;
    vlan-show-) enter bridge -j -compressvlans vlan show ;;
    bridge-) enter bridge -batch "$input" ;;
    tc-) enter tc -batch "$input" ;;
    tc-show-) enter tc -j -batch "$input" ;;
    nft-) enter nft -f "$input" ;;
    wg-) enter sh -c "$wg" sh "$input" ;;
    nft-list-) read -r table < "$input"; enter nft -j list table inet "$table" ;;
    nft-own-)
      read -r table < "$input"
      enter nft list tables | while read -r word family name; do
        case $family.$name in
          "inet.$table" | "inet.\${table}_firewall" | "bridge.\${table}_firewall")
            enter nft -j list table "$family" "$name" ;;
        esac
      done ;;
  esac > "$folder/$id.out" 2> "$folder/$id.err" < /dev/null
  echo "$id $?"
done`;

/**
 * Reads or writes sysctls with the shell's own words, in the process that then becomes ip, or behind it. What was there
 * before a write is printed, for the record. For bash: dash reads byte by byte, and files of /proc/sys give only their
 * first. It starts nothing of its own: where no process more can be made, bash would try again for half a minute each time.
 */
const sysctl = `
verb=$1 job=$2
put() {
  while IFS= read -r path && IFS= read -r value; do
    IFS= read -r old < "/proc/sys/$path"; known=$?
    printf '%s\\n' "$value" > "/proc/sys/$path" || { echo "cannot write $value to /proc/sys/$path" >&2; exit 3; }
    [ $known -ne 0 ] || printf '\\036%s %s\\n' "$path" "$old"
  done < "$1"
}
case $verb in
  show)
    while IFS= read -r path; do
      if [ -r "/proc/sys/$path" ]; then
        IFS= read -r value < "/proc/sys/$path" && printf '\\036%s %s\\n' "$path" "$value"
      fi
    done < "$job.sys"
    exec ip -j -d -batch "$job.in" ;;
  before) put "$job.sys"; exec ip -batch "$job.in" ;;
  after) put "$job.post" ;;
esac`;

/** One `wg` for each command of the input: words with a mark in front, an empty line at the end. Stops at a failure. */
const wg = `
count=0
exec < "$1"
set --
while IFS= read -r line; do
  if [ -n "$line" ]; then set -- "$@" "\${line#=}"; continue; fi
  count=$((count + 1))
  wg "$@" < /dev/null || { echo "Command failed wg:$count" >&2; exit 1; }
  set --
done`;

/**
 * Runs jobs, a few at a time, and gives their results in the same order. A job that fails does not stop the others; of
 * jobs that an abort left out, the code is 1 and there is no output.
 */
export async function runJobs(
  jobs: readonly Job[],
  { onDone = () => {}, signal, cover = [] }: RunJobsOptions = {},
): Promise<JobResult[]> {
  if (jobs.length === 0) return [];
  const folder = makeJobsFolder(jobs.length);
  try {
    const names = jobs.map((job, index) => writeJob(folder, String(index), job));
    const codes = new Map<number, number>();
    const count = Math.min(jobs.length, availableParallelism());
    const workers = Array.from({ length: count }, (_, offset) => {
      const share = names.filter((_, index) => index % count === offset).flat();
      const onJob = (index: number, code: number) => {
        codes.set(index, code);
        onDone(index, code);
      };
      return runWorker(folder, share, { onDone: onJob, signal, cover });
    });
    // None may still be at work when its folder goes.
    const ends = await Promise.allSettled(workers);
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    countProcesses(jobs.reduce((sum, job) => sum + processesOf(job), 0));
    const output = (index: number, ending: string) =>
      codes.has(index) ? readFileSync(join(folder, `${index}.${ending}`), 'utf8') : '';
    return jobs.map((_, index) => ({
      code: codes.get(index) ?? 1,
      stdout: output(index, 'out'),
      stderr: output(index, 'err'),
    }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function processesOf({ verb, input, sysctlsAfter }: Job): number {
  if (verb === 'wg') return 1 + input.split('\n\n').length - 1;
  return sysctlsAfter?.length ? 2 : 1;
}

/**
 * Starts one worker and passes on each line that it prints, `JOB EXIT-CODE`. The plain spawn: loading execa would cost
 * more than the worker does.
 */
function runWorker(
  folder: string,
  share: readonly string[],
  { onDone = () => {}, signal, cover = [] }: RunJobsOptions,
): Promise<void> {
  countProcesses(1);
  const [program = '', ...args] = [
    ...(cover.length === 0
      ? []
      : ['unshare', '--mount', '--', 'sh', '-c', covered, 'sh', String(cover.length), ...cover]),
    ...['sh', '-c', worker, 'sh', folder, sysctl, wg, ...share],
  ];
  const child = spawn(program, args, {
    env: { LC_ALL: 'C', PATH: searchPath() },
    // Nothing of the terminal's or of a pipe's: a shell that wrote to one that is gone would be ended by SIGPIPE.
    stdio: ['ignore', 'pipe', 'pipe', ...inheritedLock()],
    // In a session of its own: Ctrl-C or the end of the terminal must not end a batch half way.
    detached: true,
  });
  ignoreStreamErrors(child);
  const stop = () => child.kill('SIGTERM');
  signal?.addEventListener('abort', stop, { once: true });
  let [rest, words] = ['', ''];
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(0, 1000);
  });
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const [index = 0, code = 1] = line.split(' ').map(Number);
      onDone(index, code);
    }
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, killed) => {
      signal?.removeEventListener('abort', stop);
      // Told to stop, it ends with 143.
      if (code === 0 || signal?.aborted) resolve();
      else reject(workerError(words, killed === null ? `exit code ${code}` : killed));
    });
  });
}

/** dash ends when it cannot start a process; what it had begun is done, and the next run sees that. */
function workerError(words: string, end: string): TopoweaveError {
  const reason = words.trim().split('\n')[0] ?? '';
  const isLimit = /cannot fork|fork: /i.test(reason);
  return new TopoweaveError('worker', `the programs of the engine ip cannot be started: ${reason || end}`, {
    ...(isLimit ? { hint: processLimitHint } : {}),
  });
}

/** The documents of a `show` job: one JSON value per line, and the sysctls by path. */
export function parseShow(stdout: string): { documents: unknown[]; sysctls: Map<string, string> } {
  const documents: unknown[] = [];
  const sysctls = new Map<string, string>();
  for (const line of stdout.split('\n')) {
    if (line.startsWith(SYSCTL_LINE)) {
      const space = line.indexOf(' ');
      const path = line.slice(1, space);
      // Of one that was written twice, the first tells what was there before.
      if (!sysctls.has(path)) sysctls.set(path, line.slice(space + 1));
    } else if (line.trim() !== '') {
      documents.push(parseToolJson(line));
    }
  }
  return { documents, sysctls };
}

function writeJob(folder: string, id: string, job: Job): [string, string, string, string] {
  const write = (ending: string, text: string) =>
    writeFileSync(join(folder, `${id}.${ending}`), text, { mode: 0o600, flag: 'wx' });
  const pairs = (writes: readonly SysctlWrite[]) =>
    writes.map(({ path, value }) => `${path}\n${value}\n`).join('');
  const before = job.sysctlsBefore ?? [];
  const after = job.sysctlsAfter ?? [];
  write('in', job.input);
  let extra = '-';
  if (job.readSysctls !== undefined && job.readSysctls.length > 0) {
    write('sys', job.readSysctls.map((path) => `${path}\n`).join(''));
    extra = 'read';
  } else if (before.length > 0 || after.length > 0) {
    if (before.length > 0) write('sys', pairs(before));
    if (after.length > 0) write('post', pairs(after));
    extra = before.length === 0 ? 'after' : after.length === 0 ? 'before' : 'both';
  }
  return [id, job.netns ?? '', job.verb, extra];
}
