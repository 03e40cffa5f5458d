import { randomInt } from 'node:crypto';
import type { Command } from '../kinds/resource.ts';
import type { Batch } from '../plan/step.ts';
import type { BatchResult } from './engine.ts';

type Entry = Batch['commands'][number];

/** Fewer are not worth a message more for each. */
const FEWEST = 4;

/** Groups of links that nobody else uses: those of labs begin with another byte (labGroup in kinds/marks.ts). */
const FIRST_GROUP = 0x75000000;
const GROUPS = 0x1000000;

/** The commands that were written, by those that stand for them. */
const written = new WeakMap<Command, Command>();

/**
 * Removes veth pairs that go one after the other as a group. The kernel waits for all processors several times for each
 * call that removes links (unregister_netdevice_many in net/core/dev.c), not for each link: of 300 pairs, 0.2 s instead of
 * 7 s (measured on 6.18). Only veth, because links that stand on each other may mind.
 */
export function removeTogether(batch: Batch): Batch {
  if (batch.tool !== 'ip') return batch;
  const commands: Entry[] = [];
  let run: Entry[] = [];
  const end = () => {
    commands.push(...(run.length < FEWEST ? run : asGroup(run)));
    run = [];
  };
  for (const entry of batch.commands) {
    const goes = isRemoval(entry);
    if (!goes || run[0]?.command.namespace !== entry.command.namespace) end();
    (goes ? run : commands).push(entry);
  }
  end();
  return commands.length === batch.commands.length ? batch : { ...batch, commands };
}

/** What failed, in the words of the plan. */
export function asWritten(result: BatchResult): BatchResult {
  const { failure } = result;
  const command = failure?.command && written.get(failure.command);
  return failure === undefined || command === undefined
    ? result
    : { ...result, failure: { ...failure, command } };
}

function asGroup(run: readonly Entry[]): Entry[] {
  const group = String(FIRST_GROUP + randomInt(GROUPS));
  const replace = ({ command, step }: Entry, args: readonly string[]): Entry => {
    const replaced: Command = { tool: 'ip', namespace: command.namespace, args };
    written.set(replaced, command);
    return { command: replaced, step };
  };
  const members = run.map((entry) => replace(entry, ['link', 'set', 'dev', linkOf(entry), 'group', group]));
  return [...members, ...run.slice(-1).map((last) => replace(last, ['link', 'del', 'group', group]))];
}

function isRemoval({ command, step }: Entry): boolean {
  if (command.tool !== 'ip' || step.kind !== 'veth') return false;
  const [object, action, dev] = command.args;
  return object === 'link' && action === 'del' && dev === 'dev' && command.args.length === 4;
}

function linkOf({ command }: Entry): string {
  return command.tool === 'ip' ? (command.args[3] ?? '') : '';
}
