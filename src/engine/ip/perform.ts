import type { Command } from '../../kinds/resource.ts';
import { sysctlPath, sysctlValue } from '../../lib/sysctl.ts';
import { sysctlComesAfter } from '../../plan/order.ts';
import type { Batch, Step } from '../../plan/step.ts';
import { netnsPath } from '../../system/netns.ts';
import type { BatchResult, PerformOptions, StepFailure } from '../engine.ts';
import { performOvs } from '../ovs.ts';
import { type Job, type JobResult, parseShow, runJobs, type SysctlWrite } from './fleet.ts';

/**
 * Performs each batch by one process: `ip -batch`, `bridge -batch`, `nft -f` or `ovs-vsctl`, those of one call side by
 * side.
 */
export async function perform(
  batches: readonly Batch[],
  { onDone, signal }: PerformOptions,
): Promise<BatchResult[]> {
  const left: BatchResult = { outcome: 'left-out' };
  const others = batches.filter(({ tool }) => tool !== 'ovs');
  const index = (batch: Batch | undefined) => (batch === undefined ? -1 : batches.indexOf(batch));
  const ovs = batches.filter(({ tool }) => tool === 'ovs');
  const [results, ovsResults] = await Promise.all([
    performJobs(others, { signal, onDone: (at, isDone) => onDone(index(others[at]), isDone) }),
    Promise.all(
      ovs.map(async (batch) => {
        if (signal?.aborted) return left;
        const result = await performOvs(batch);
        onDone(index(batch), result.outcome === 'done');
        return result;
      }),
    ),
  ]);
  return batches.map(
    (batch) =>
      (batch.tool === 'ovs' ? ovsResults[ovs.indexOf(batch)] : results[others.indexOf(batch)]) ?? left,
  );
}

async function performJobs(
  batches: readonly Batch[],
  { onDone, signal }: PerformOptions,
): Promise<BatchResult[]> {
  const results = await runJobs(batches.map(toJob), {
    signal,
    onDone: (index, code) => onDone(index, code === 0),
  });
  return batches.map((batch, index) => toResult(batch, results[index], signal?.aborted === true));
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
  const writes = (late: boolean): SysctlWrite[] =>
    commands.flatMap((command) =>
      command.tool === 'sysctl' && sysctlComesAfter(batch, command) === late
        ? [{ path: sysctlPath(command.name), value: command.value }]
        : [],
    );
  return {
    netns,
    verb: batch.tool === 'bridge' ? 'bridge' : 'ip',
    input: lines(batch)
      .map(({ text }) => `${text}\n`)
      .join(''),
    sysctlsBefore: writes(false),
    sysctlsAfter: writes(true),
  };
}

function lines(batch: Batch): { text: string; command: Command; step: Step }[] {
  return batch.commands.flatMap(({ command, step }) =>
    command.tool === 'ip' || command.tool === 'bridge'
      ? [{ text: batchLine(command.args), command, step }]
      : [],
  );
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

/** Finds the step by the line that `Command failed FILE:LINE` names, or by the path of a sysctl. */
function explainFailure(batch: Batch, { stderr }: JobResult): StepFailure {
  const entries = lines(batch);
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
      text.replace(/^(RTNETLINK answers|Error): /, '').replace(/^\S*\/jobs-\S+\.in:/, 'nftables: line '),
    )
    .join('; ');
  return { step: found.step, command: known?.command, message: message === '' ? 'no message' : message };
}
