import { spawn } from 'node:child_process';
import { ignoreStreamErrors } from '../lib/child-streams.ts';
import type { Batch } from '../plan/step.ts';
import { inheritedLock } from '../system/lock.ts';
import { countProcesses, missingProgram, type RunResult, searchPath } from '../system/run.ts';
import type { BatchResult } from './engine.ts';

/** Seconds for which ovs-vsctl waits for ovs-vswitchd to do what the database says. */
const TIMEOUT = 30;

/** More than this is not put into one call: the kernel takes two megabytes of arguments (ARG_MAX). */
const MAX_BYTES = 1_000_000;

/** Where the daemons of Open vSwitch have their sockets and process ids. */
export function ovsFolder(): string {
  return process.env['OVS_RUNDIR'] ?? '/run/openvswitch';
}

export function ovsSocket(): string {
  return `${ovsFolder()}/db.sock`;
}

/**
 * Starts a program of Open vSwitch and waits for it. The plain spawn: loading execa would cost more than the program
 * does.
 */
export function runOvs(program: 'ovs-vsctl' | 'ovs-dpctl', args: readonly string[]): Promise<RunResult> {
  countProcesses(1);
  const child = spawn(program, args, {
    env: { LC_ALL: 'C', PATH: searchPath(), OVS_RUNDIR: ovsFolder() },
    stdio: ['ignore', 'pipe', 'pipe', ...inheritedLock()],
    // In a process group of its own: Ctrl-C must not end a transaction half way.
    detached: true,
  });
  ignoreStreamErrors(child);
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (part: string) => {
      text[name] += part;
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'ENOENT' ? missingProgram(program) : error);
    });
    child.on('close', (code) => resolve({ code: code ?? 1, ...text }));
  });
}

export function vsctl(args: readonly string[]): Promise<RunResult> {
  return runOvs('ovs-vsctl', [`--db=unix:${ovsSocket()}`, `--timeout=${TIMEOUT}`, ...args]);
}

/** The commands of a batch as the words of one call, which is one transaction: all of it is done, or nothing. */
export function ovsTransaction(commands: Batch['commands']): string[] {
  return commands.flatMap(({ command }) => (command.tool === 'ovs' ? ['--', ...command.args] : []));
}

/** Performs a batch of Open vSwitch; in one transaction, but for one that is too large. */
export async function performOvs(batch: Batch): Promise<BatchResult> {
  for (const commands of portions(batch.commands)) {
    const { code, stderr } = await vsctl(ovsTransaction(commands));
    // It succeeds as soon as the database has it, and only prints what ovs-vswitchd could not do.
    const isRefused = code !== 0 || stderr.includes('Error detected while setting up');
    if (isRefused) return { outcome: 'failed', failure: explain(commands, code, stderr) };
  }
  return { outcome: 'done' };
}

function portions(commands: Batch['commands']): Batch['commands'][] {
  const all: Batch['commands'][number][][] = [[]];
  let bytes = 0;
  for (const entry of commands) {
    const size = entry.command.tool === 'ovs' ? Buffer.byteLength(entry.command.args.join(' ')) : 0;
    if (bytes + size > MAX_BYTES) {
      all.push([]);
      bytes = 0;
    }
    bytes += size;
    all.at(-1)?.push(entry);
  }
  return all;
}

/** The messages name a port or a bridge; a transaction has no line numbers. */
function explain(commands: Batch['commands'], code: number, stderr: string) {
  // Killed by SIGALRM, see timeout in ovs-vsctl(8).
  const isLate = /Alarm clock|signal 14/.test(stderr) || code === 142 || stderr === '';
  const lines = stderr.split('\n').flatMap((line) => {
    const text = line.replace(/^ovs-vsctl: /, '').trim();
    // Where the log is depends on how the daemon was started.
    return text === '' || text.includes('default log directory') ? [] : [text];
  });
  const named = commands.find(({ step }) => new RegExp(`\\b${literally(step.label)}\\b`).test(stderr));
  const entry = named ?? commands[0];
  if (entry === undefined) throw new Error(`an empty batch failed: ${stderr}`);
  const late = `ovs-vswitchd did not answer within ${TIMEOUT} seconds`;
  return {
    step: entry.step,
    command: named?.command,
    message: isLate ? late : lines.join('; '),
  };
}

function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
