import { TopoweaveError } from '../../../src/lib/errors.ts';
import { loadText } from '../../../src/loader/load.ts';
import { longForm } from '../../../src/loader/long-form.ts';
import { stringifyYaml } from '../../../src/loader/stringify.ts';
import type { Live } from '../../../src/observe/live.ts';
import { makePlan } from '../../../src/plan/plan.ts';
import { formatCommands } from '../../../src/report/commands.ts';
import { formatDiagnostics } from '../../../src/report/diagnostics.ts';
import { formatPlan, planJson } from '../../../src/report/plan.ts';
import { emptyRecord } from '../../../src/system/record.ts';
import { resolveKeys } from '../../../src/system/wireguard-keys.ts';
import type { Topology } from '../../../src/topology/model.ts';
import '../../../src/kinds/registry.ts';

/** What is wrong with what the program made of an input; undefined: nothing. */
export type Verdict =
  | { readonly wrong: 'stack trace' | 'exit code' | 'slow'; readonly text: string }
  | undefined;

/** Milliseconds of the processor, not of the clock: the machine may be busy. */
const SLOW = 5000;

export interface Examined {
  readonly verdict: Verdict;
  readonly isValid: boolean;
}

/** The whole way from text to commands, without the machine: loader, render, render again, plan, commands. */
export async function examine(text: string, lives: readonly Live[]): Promise<Examined> {
  const began = process.cpuUsage();
  try {
    const result = await throughAll(text, lives);
    const { user, system } = process.cpuUsage(began);
    const milliseconds = (user + system) / 1000;
    if (result.verdict !== undefined || milliseconds < SLOW) return result;
    return { ...result, verdict: { wrong: 'slow', text: `${Math.round(milliseconds)} ms` } };
  } catch (error) {
    if (error instanceof TopoweaveError) return { verdict: undefined, isValid: false };
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return {
      verdict: { wrong: 'stack trace', text: stack.split('\n').slice(0, 6).join('\n') },
      isValid: false,
    };
  }
}

async function throughAll(text: string, lives: readonly Live[]): Promise<Examined> {
  const { topology, diagnostics, texts } = await loadText('fuzz.yaml', text);
  formatDiagnostics(diagnostics, texts, { color: false, columns: 80 });
  const hasError = diagnostics.some(({ severity }) => severity === 'error');
  if (topology === undefined) {
    const text = 'neither a topology nor an error';
    return { verdict: hasError ? undefined : { wrong: 'exit code', text }, isValid: false };
  }
  const verdict = await renderTwice(topology);
  for (const live of lives) planAll(topology, live);
  return { verdict, isValid: true };
}

/** What `render` prints is valid, and means the same. */
async function renderTwice(topology: Topology): Promise<Verdict> {
  const document = longForm(topology);
  const rendered = stringifyYaml(document);
  const again = await loadText('rendered.yaml', rendered);
  if (again.topology === undefined) {
    const [first] = again.diagnostics;
    return { wrong: 'exit code', text: `what render prints is not valid: ${first?.message ?? ''}` };
  }
  const second = longForm(again.topology);
  if (JSON.stringify(second) === JSON.stringify(document)) return undefined;
  return {
    wrong: 'exit code',
    text: `what render prints renders differently: ${firstDifference(document, second)}`,
  };
}

function firstDifference(one: unknown, other: unknown, at = ''): string {
  const isTree = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null;
  if (!isTree(one) || !isTree(other)) return `${at}: ${JSON.stringify(one)} and ${JSON.stringify(other)}`;
  for (const key of new Set([...Object.keys(one), ...Object.keys(other)])) {
    if (JSON.stringify(one[key]) !== JSON.stringify(other[key]))
      return firstDifference(one[key], other[key], `${at}/${key}`);
  }
  return `${at}: another order`;
}

function planAll(topology: Topology, live: Live): void {
  const lab = topology.name;
  const record = emptyRecord(lab);
  // Keys are only looked for, never made.
  const keyed = resolveKeys({ topology, file: undefined, make: false });
  const paint = (_color: unknown, text: string) => text;
  for (const wanted of [keyed, undefined]) {
    const plan = makePlan({ lab, topology: wanted, live, record });
    formatCommands(plan);
    formatPlan(plan, () => '', paint);
    planJson(plan, () => '');
  }
}
