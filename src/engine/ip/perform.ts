import type { Command } from '../../kinds/resource.ts';
import { deviceOf } from '../../kinds/sysctl.ts';
import { sysctlPath, sysctlValue } from '../../lib/sysctl.ts';
import { sysctlComesAfter } from '../../plan/order.ts';
import { type Batch, isAside, isAsideTool, type Step } from '../../plan/step.ts';
import { netnsPath } from '../../system/netns.ts';
import { HOST } from '../../topology/model.ts';
import type { BatchResult, PerformOptions, StepFailure } from '../engine.ts';
import { asWritten, removeTogether } from '../link-removal.ts';
import { type Job, type JobResult, parseShow, runJobs, type SysctlWrite } from './fleet.ts';

/**
 * Performs each batch by one process: `ip -batch`, `bridge -batch`, `tc -batch`, `nft -f` or `ovs-vsctl`, those of one
 * call side by side. A batch that writes parameters of an interface between making it and setting it up takes one process
 * more.
 */
export async function perform(
  batches: readonly Batch[],
  { onDone, signal }: PerformOptions,
): Promise<BatchResult[]> {
  const left: BatchResult = { outcome: 'left-out' };
  const others = batches.filter((batch) => !isAside(batch));
  const index = (batch: Batch | undefined) => (batch === undefined ? -1 : batches.indexOf(batch));
  const aside = batches.filter(isAside);
  const [results, asideResults] = await Promise.all([
    performJobs(others, { signal, onDone: (at, isDone) => onDone(index(others[at]), isDone) }),
    Promise.all(
      aside.map(async (batch) => {
        const { performAside } = await import('../aside.ts');
        const result = await performAside(batch, signal);
        if (result.outcome !== 'left-out') onDone(index(batch), result.outcome === 'done');
        return result;
      }),
    ),
  ]);
  return batches.map(
    (batch) => (isAside(batch) ? asideResults[aside.indexOf(batch)] : results[others.indexOf(batch)]) ?? left,
  );
}

/** What is no job of the helpers. */
async function performJobs(
  batches: readonly Batch[],
  { onDone, signal }: PerformOptions,
): Promise<BatchResult[]> {
  const parts = batches.map((batch) => splitBatch(removeTogether(batch)));
  const results: BatchResult[] = batches.map(() => ({ outcome: 'left-out' }));
  for (let round = 0; parts.some((list) => list.length > round); round += 1) {
    const due = [...batches.keys()].filter(
      (index) => parts[index]?.[round] !== undefined && (round === 0 || results[index]?.outcome === 'done'),
    );
    const current = due.flatMap((index) => parts[index]?.[round] ?? []);
    const isLast = (at: number) => (parts[due[at] ?? 0]?.length ?? 0) === round + 1;
    const found = await runJobs(current.map(toJob), {
      signal,
      onDone: (at, code) => {
        if (isLast(at) || code !== 0) onDone(due[at] ?? 0, code === 0);
      },
    });
    for (const [at, index] of due.entries()) {
      const part = current[at];
      if (part === undefined) continue;
      const result = asWritten(toResult(part, found[at], signal?.aborted === true));
      // What was there before the first write is what the record wants.
      const sysctlsBefore = new Map([
        ...(result.sysctlsBefore ?? []),
        ...(results[index]?.sysctlsBefore ?? []),
      ]);
      results[index] = { ...result, sysctlsBefore };
    }
  }
  return results;
}

/** Cut in front of each command that sets an interface up whose parameters had to wait until it was made. */
function splitBatch(batch: Batch): Batch[] {
  const parts: Batch['commands'][number][][] = [[]];
  const waiting = new Set<string>();
  for (const entry of batch.commands) {
    const { command } = entry;
    if (command.tool === 'sysctl' && sysctlComesAfter(batch, command)) {
      waiting.add(deviceOf(command.name) ?? '');
    } else if (command.tool === 'ip' && command.args.at(-1) === 'up' && waiting.has(command.args[3] ?? '')) {
      waiting.clear();
      parts.push([]);
    }
    parts.at(-1)?.push(entry);
  }
  return parts.length === 1 ? [batch] : parts.map((commands) => ({ ...batch, commands }));
}

function toResult(batch: Batch, result: JobResult | undefined, isAborted: boolean): BatchResult {
  if (result === undefined) return { outcome: 'left-out' };
  const sysctlsBefore = readSysctlsBefore(batch, result);
  if (result.code === 0) return { outcome: 'done', sysctlsBefore };
  // What the interruption left out is no failure.
  if (isAborted && result.stderr === '') return { outcome: 'left-out', sysctlsBefore };
  return { outcome: 'failed', failure: explainFailure(batch, result), sysctlsBefore };
}

function toJob(batch: Batch): Job {
  const netns = netnsPath(batch.namespace);
  const commands = batch.commands.map(({ command }) => command);
  if (batch.tool === 'nft') {
    return {
      netns,
      verb: 'nft',
      input: commands.map((command) => (command.tool === 'nft' ? command.script : '')).join(''),
    };
  }
  if (isAsideTool(batch.tool)) throw new Error(`a batch of ${batch.tool} is no job of the helpers`);
  if (batch.tool === 'wg') return { netns, verb: 'wg', input: wgInput(commands) };
  const writes = (late: boolean): SysctlWrite[] =>
    commands.flatMap((command) =>
      command.tool === 'sysctl' && sysctlComesAfter(batch, command) === late
        ? [{ path: sysctlPath(command.name), value: command.value }]
        : [],
    );
  return {
    netns,
    verb: batch.tool,
    input: lines(batch)
      .map(({ text }) => `${text}\n`)
      .join(''),
    sysctlsBefore: writes(false),
    sysctlsAfter: writes(true),
  };
}

/** Words on lines of their own behind a mark, since they may be empty; an empty line ends each command. */
function wgInput(commands: readonly Command[]): string {
  return commands
    .map((command) => (command.tool === 'wg' ? `${command.args.map((word) => `=${word}\n`).join('')}\n` : ''))
    .join('');
}

function lines(batch: Batch): { text: string; command: Command; step: Step }[] {
  return batch.commands.flatMap(({ command, step }) =>
    command.tool === 'ip' || command.tool === 'bridge' || command.tool === 'tc'
      ? [{ text: batchLine(withHost(command.args.slice(batch.tool === 'ip6' ? 1 : 0))), command, step }]
      : [],
  );
}

/** The machine's own namespace has no name: it is that of this process. */
function withHost(args: readonly string[]): readonly string[] {
  const at = args.indexOf('netns');
  return at > 0 && args[at + 1] === HOST ? args.with(at + 1, String(process.pid)) : args;
}

/**
 * One line of `ip -batch`. Its reader (iproute2 lib/utils.c, getcmdline and makeargs) knows quotes but no escapes, and
 * takes `#` as a comment even inside quotes.
 */
function batchLine(args: readonly string[]): string {
  return args
    .map((word) => {
      if (/^[A-Za-z0-9_.:/@%+,=!-]+$/.test(word)) return word;
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
      if (/["#\\\u0000-\u001f\u007f]/.test(word))
        throw new Error(`not fit for a batch line: ${JSON.stringify(word)}`);
      return `"${word}"`;
    })
    .join(' ');
}

function readSysctlsBefore(batch: Batch, { stdout }: JobResult): ReadonlyMap<string, string> {
  if (batch.tool !== 'ip' || !stdout.includes('\u001e')) return new Map();
  const { sysctls } = parseShow(
    stdout
      .split('\n')
      .filter((line) => line.startsWith('\u001e'))
      .join('\n'),
  );
  return new Map([...sysctls].map(([path, value]) => [sysctlPath(path), sysctlValue(value)]));
}

/** `wg` quotes what it takes for a bad key, from a file too. */
function withoutKey(text: string): string {
  return text.replace(/^(Key is not .*?:).*/, '$1 (not shown)');
}

/** Finds the step by the line that `Command failed FILE:LINE` names, or by the path of a sysctl. */
function explainFailure(batch: Batch, { stderr }: JobResult): StepFailure {
  const entries = batch.tool === 'wg' ? batch.commands : lines(batch);
  const line = Number(/Command failed [^\n]*:(\d+)/.exec(stderr)?.[1] ?? Number.NaN);
  const path = /to \/proc\/sys\/(\S+)/.exec(stderr)?.[1];
  const sysctl = batch.commands.find(
    ({ command }) => command.tool === 'sysctl' && sysctlPath(command.name) === path,
  );
  const known = entries[line - 1] ?? sysctl;
  // A line that ip cannot parse ends it without a number: then only the batch is known.
  const found = known ?? batch.commands[0];
  if (found === undefined) throw new Error(`an empty batch failed: ${stderr}`);
  const message = stderr
    .split('\n')
    .filter((text) => text.trim() !== '' && !text.startsWith('Command failed'))
    .map((text) =>
      withoutKey(text)
        .replace(/^(RTNETLINK answers|Error): /, '')
        .replace(/^\S*\/jobs-\S+\.in:/, 'nftables: line '),
    )
    .join('; ');
  return { step: found.step, command: known?.command, message: message === '' ? 'no message' : message };
}
