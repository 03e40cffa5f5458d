import { describe, expect, test } from 'vitest';
import { attackedLabs } from '../attack/labs.ts';
import { type Attack, doRounds, type Report } from '../attack/rounds.ts';
import { engineName } from '../support/host.ts';

// Short attacks with fixed seeds; `npm run test:long` goes on with others. See docs/reliability.md.

const root = process.cwd();
const rounds: Readonly<Record<Attack, number>> = { kill: 4, chaos: 2, race: 1 };

describe.each(attackedLabs(root).map(({ name }) => name))('%s', (lab) => {
  test.each(Object.entries(rounds) as [Attack, number][])(
    '%s: nothing is lost, nothing is left',
    async (attack, count) => {
      const reports: Report[] = [];
      const series = { root, engine: engineName, attack, lab, seed: 1, rounds: count };
      const done = await doRounds(series, (report) => reports.push(report));
      const found = reports.flatMap(({ seed, findings, story }) =>
        findings.map(({ wrong, text }) => `seed ${seed}: ${wrong}: ${text}\n${story.join('\n')}`),
      );
      expect(found).toEqual([]);
      expect(done).toBe(count);
    },
  );
});
