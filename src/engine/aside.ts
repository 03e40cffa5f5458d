import { messageOf } from '../lib/system-error.ts';
import type { Batch } from '../plan/step.ts';
import { removeEtcFile, writeEtcFile } from '../system/etc-files.ts';
import { startService } from '../system/services/start.ts';
import { stopService } from '../system/services/stop.ts';
import { performConntrack } from './conntrack.ts';
import type { BatchResult } from './engine.ts';
import { performIptables } from './iptables.ts';
import { performOvs } from './ovs.ts';

/** Performs a batch that neither engine performs itself. Engines load this file for such a batch only: few labs have one. */
export async function performAside(batch: Batch, signal: AbortSignal | undefined): Promise<BatchResult> {
  if (signal?.aborted) return { outcome: 'left-out' };
  if (batch.tool === 'ovs') return performOvs(batch);
  if (batch.tool === 'conntrack') return performConntrack(batch);
  if (batch.tool === 'iptables') return performIptables(batch, signal);
  return batch.tool === 'file' ? performFiles(batch) : performServices(batch, signal);
}

function performFiles({ commands }: Batch): BatchResult {
  for (const { command, step } of commands) {
    if (command.tool !== 'file') continue;
    try {
      if (command.action === 'write') writeEtcFile(command);
      else removeEtcFile(command.lab, command.namespace, command.name);
    } catch (error) {
      return { outcome: 'failed', failure: { step, command, message: messageOf(error) } };
    }
  }
  return { outcome: 'done' };
}

/** Those of one namespace that do not wait for each other are stopped, and then started, side by side. */
async function performServices({ commands }: Batch, signal: AbortSignal | undefined): Promise<BatchResult> {
  for (const group of groupsOf(commands)) {
    if (signal?.aborted) return { outcome: 'left-out' };
    const failures = await Promise.all(group.map((entry) => performService(entry, signal)));
    const failure = failures.find((each) => each !== undefined);
    if (failure === undefined) continue;
    return signal?.aborted ? { outcome: 'left-out' } : { outcome: 'failed', failure };
  }
  return { outcome: 'done' };
}

type Entry = Batch['commands'][number];

/** Cut where a start follows a stop, and where one has to wait for another: behind what it comes after, or is stopped before. */
function groupsOf(commands: Batch['commands']): Entry[][] {
  const groups: Entry[][] = [];
  let awaited = new Set<string>();
  let action = '';
  for (const entry of commands) {
    const { command } = entry;
    if (command.tool !== 'service') continue;
    const isStart = command.action === 'start';
    const own = `${command.namespace}/${isStart ? command.service.name : command.name}`;
    const after = isStart ? command.service.after : command.after;
    const waits = isStart ? after.some((id) => awaited.has(id)) : awaited.has(own);
    if (action !== command.action || waits) {
      groups.push([]);
      awaited = new Set();
    }
    action = command.action;
    groups.at(-1)?.push(entry);
    for (const id of isStart ? [own] : after) awaited.add(id);
  }
  return groups;
}

async function performService(
  { command, step }: Entry,
  signal: AbortSignal | undefined,
): Promise<BatchResult['failure']> {
  if (command.tool !== 'service') return undefined;
  try {
    if (command.action === 'start') await startService(command, signal);
    else await stopService(command.lab, command.namespace, command.name);
    return undefined;
  } catch (error) {
    return { step, command, message: messageOf(error) };
  }
}
