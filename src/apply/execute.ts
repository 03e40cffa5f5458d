import type { Command } from '../kinds/resource.ts';
import { sysctlPath } from '../observe/observe.ts';
import { sysctlComesAfter } from '../plan/order.ts';
import type { Batch, Step } from '../plan/step.ts';
import { type Job, type JobResult, parseShow, runJobs, type SysctlWrite } from '../system/fleet.ts';
import { netnsPath } from '../system/netns.ts';

export interface StepFailure {
  readonly step: Step;
  /** The shell command that failed. */
  readonly command: Command | undefined;
  /** What the tool said. */
  readonly message: string;
}

export interface ExecutionResult {
  readonly failures: readonly StepFailure[];
  readonly interrupted: boolean;
  /** Values of sysctls right before they were written: namespace → name → value. */
  readonly sysctlsBefore: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

export type ExecutionEvent =
  | {
      readonly type: 'layer-start';
      readonly layer: number;
      readonly layers: number;
      readonly batches: readonly Batch[];
    }
  | { readonly type: 'batch-done'; readonly layer: number; readonly batch: Batch; readonly ok: boolean }
  | { readonly type: 'layer-done'; readonly layer: number };

export interface ExecuteOptions {
  readonly onEvent?: (event: ExecutionEvent) => void;
  readonly signal?: AbortSignal;
}

/**
 * Performs batches layer by layer; those of one layer run side by side. Stops after the first layer in which one
 * failed, or after the batches under way when interrupted: what is done is done, and the next apply goes on from there.
 */
export async function execute(
  batches: readonly Batch[],
  options: ExecuteOptions = {},
): Promise<ExecutionResult> {
  const { onEvent = () => {}, signal } = options;
  const layers = Math.max(-1, ...batches.map(({ layer }) => layer)) + 1;
  const sysctlsBefore = new Map<string, Map<string, string>>();
  for (let layer = 0; layer < layers; layer += 1) {
    if (signal?.aborted) break;
    const now = batches.filter((batch) => batch.layer === layer);
    onEvent({ type: 'layer-start', layer, layers, batches: now });
    const results = await runJobs(now.map(toJob), {
      signal,
      onDone: (index, code) => {
        const batch = now[index];
        if (batch !== undefined) onEvent({ type: 'batch-done', layer, batch, ok: code === 0 });
      },
    });
    onEvent({ type: 'layer-done', layer });
    const failures: StepFailure[] = [];
    now.forEach((batch, index) => {
      const result = results[index];
      if (result === undefined) return;
      rememberSysctls(batch, result, sysctlsBefore);
      // What the interruption left out is no failure.
      if (signal?.aborted && result.stderr === '') return;
      if (result.code !== 0) failures.push(explainFailure(batch, result));
    });
    if (failures.length > 0) return { failures, interrupted: false, sysctlsBefore };
  }
  return { failures: [], interrupted: signal?.aborted === true, sysctlsBefore };
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
    verb: batch.tool,
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
export function batchLine(args: readonly string[]): string {
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

function rememberSysctls(
  batch: Batch,
  { stdout }: JobResult,
  before: Map<string, Map<string, string>>,
): void {
  if (batch.tool !== 'ip' || !stdout.includes('\u001e')) return;
  const values = before.get(batch.namespace) ?? new Map<string, string>();
  const { sysctls } = parseShow(
    stdout
      .split('\n')
      .filter((line) => line.startsWith('\u001e'))
      .join('\n'),
  );
  for (const [path, value] of sysctls) values.set(sysctlPath(path), value.trim().replace(/\s+/g, ' '));
  before.set(batch.namespace, values);
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
