import type { Fault } from './command.ts';
import { type Host, judgeMessage, judgeRun } from './judge.ts';
import { attacked, bringTo, mustBeGivenBack, mustConverge, type Round, type Start } from './round.ts';

/**
 * One round of chaos: while a change is under way, somebody else deletes, renames and flushes what the lab has made, at
 * some of the program's own calls, so that it happens at the same point when it is done again.
 */
export async function chaosRound(round: Round, before: Host): Promise<void> {
  const { random, files, lab } = round;
  const [first, second] = files;
  const start = random.pick<Start>([
    { state: 'nothing', argv: ['apply', first] },
    { state: 'first', argv: ['apply', first] },
    { state: 'first', argv: ['apply', second] },
    { state: 'second', argv: ['apply', first] },
    { state: 'first', argv: ['destroy', lab.name] },
  ]);
  if (!(await bringTo(round, start.state))) return;
  const isDestroy = start.argv[0] === 'destroy';
  const outcome = await attacked(round, start.argv, await chaosAt(round, start));
  round.count(isDestroy ? 'during destroy' : 'during apply');
  round.found.push(...judgeRun(outcome, [0, 1, 69]), ...judgeMessage(outcome));
  if (!isDestroy) await mustConverge(round, start.argv[1] ?? '');
  await mustBeGivenBack(round, before);
}

async function chaosAt(round: Round, start: Start): Promise<Fault> {
  const { random, lab } = round;
  const counts = Object.entries(await round.callsOf(start)).filter(([name]) => !name.startsWith('thread:'));
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  const at = Array.from({ length: 1 + random.below(4) }, () => 1 + random.below(total)).sort((a, b) => a - b);
  const lines = Array.from({ length: 1 + random.below(2) }, () =>
    random
      .pick(lab.chaos)
      .replaceAll('NS', random.pick(lab.namespaces))
      .replaceAll('ALL', lab.namespaces.join(' ')),
  );
  return { do: 'run', at, run: lines.map((line) => `(${line}) 2>/dev/null`).join('\n') };
}
