import type { Batch } from '../plan/step.ts';
import { run } from '../system/run.ts';
import type { BatchResult } from './engine.ts';

/**
 * One process for each rule, one after the other: both programs take the same lock. Never by nftables itself, in whose
 * tables the rules may be: iptables then shows a rule that it does not know as another one, or refuses the whole table,
 * and Docker works with what iptables shows.
 */
export async function performIptables(
  { commands }: Batch,
  signal: AbortSignal | undefined,
): Promise<BatchResult> {
  for (const { command, step } of commands) {
    if (command.tool !== 'iptables') continue;
    if (signal?.aborted) return { outcome: 'left-out' };
    const { code, stderr } = await run([command.program, ...command.args]);
    if (code === 0 || (command.args.includes('-D') && isGone(stderr))) continue;
    // iptables-nft says it on each call where the older tables are in use too.
    const message = stderr.replaceAll(/^# Warning: .*\n/gm, '').trim() || `exit code ${code}`;
    return { outcome: 'failed', failure: { step, command, message } };
  }
  return { outcome: 'done' };
}

/** Somebody was faster. */
function isGone(stderr: string): boolean {
  return /does a matching rule exist|No chain\/target\/match by that name/.test(stderr);
}
