import { setTimeout } from 'node:timers/promises';
import { type Outcome, runProgram } from './command.ts';
import { type Host, judgeMessage, judgeRun } from './judge.ts';
import { bringTo, mustBeGivenBack, mustConverge, type Round } from './round.ts';

/** One round of the race: several commands at once. Each ends with a code that is documented, and says why. */
export async function raceRound(round: Round, before: Host): Promise<void> {
  const { random, files } = round;
  if (!(await bringTo(round, random.pick(['nothing', 'first', 'second'] as const)))) return;
  const lines = Array.from({ length: 3 + random.below(4) }, () => random.pick(linesOf(round)));
  const delays = lines.map(() => random.below(250));
  const outcomes = await Promise.all(
    lines.map(async ({ argv }, at) => {
      await setTimeout(delays[at]);
      return runProgram(round.place, argv);
    }),
  );
  outcomes.forEach((outcome, at) => {
    round.tell(
      `(sleep 0.${String(delays[at]).padStart(3, '0')}; topoweave ${outcome.argv.join(' ')}) &  # ${outcome.code}`,
    );
    round.count(outcome.argv[0] ?? '');
    judge(round, outcome, lines[at]?.codes ?? []);
  });
  await mustConverge(round, random.pick(files));
  await mustBeGivenBack(round, before);
}

interface Line {
  readonly argv: readonly string[];
  readonly codes: readonly number[];
}

function linesOf({ files, lab }: Round): Line[] {
  const [first, second] = files;
  return [
    // 1: the lock is held, or what was there when it was looked at is gone.
    { argv: ['apply', first], codes: [0, 1] },
    { argv: ['apply', second], codes: [0, 1] },
    { argv: ['destroy', lab.name], codes: [0, 1] },
    { argv: ['destroy', '--all'], codes: [0, 1] },
    { argv: ['plan', '--detailed-exitcode', first], codes: [0, 1, 2] },
    { argv: ['plan', '--commands', second], codes: [0, 1] },
    { argv: ['status'], codes: [0] },
    { argv: ['status', '--detailed-exitcode', first], codes: [0, 1, 2] },
    { argv: ['inspect'], codes: [0] },
    { argv: ['inspect', lab.name], codes: [0, 1] },
    { argv: ['ports'], codes: [0] },
    { argv: ['logs'], codes: [0] },
    { argv: ['impair'], codes: [0] },
    { argv: ['doctor'], codes: [0, 69] },
    { argv: ['check', first], codes: [0, 1] },
  ];
}

function judge(round: Round, outcome: Outcome, codes: readonly number[]): void {
  round.found.push(...judgeRun(outcome, codes));
  // What another command takes away while it is looked at is no reason to give up.
  const lie = /.*(cannot enter the namespace|this needs root).*/.exec(outcome.stderr)?.[0];
  if (lie !== undefined)
    round.found.push({
      wrong: 'exit code',
      text: `topoweave ${outcome.argv.join(' ')}: ${outcome.code}\n${lie}`,
    });
  if (outcome.argv[0] !== 'check' && !(outcome.code === 2)) round.found.push(...judgeMessage(outcome));
}
