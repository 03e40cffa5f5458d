import { describe, expect, test } from 'vitest';
import { attackedLabs } from '../attack/labs.ts';
import { type Attack, doRounds, type Report } from '../attack/rounds.ts';
import { engineName } from '../support/host.ts';

// Short attacks with fixed seeds; `npm run test:long` goes on with others. See docs/reliability.md.

const root = process.cwd();
const rounds: Readonly<Record<Attack, number>> = { kill: 3, chaos: 1, race: 1 };

describe.each(attackedLabs(root).map(({ name }, at) => [name, 1 + 100 * at] as const))('%s', (lab, seed) => {
  test.each(Object.entries(rounds) as [Attack, number][])(
    '%s: nothing is lost, nothing is left',
    async (attack, count) => {
      const reports: Report[] = [];
      const series = { root, engine: engineName, attack, lab, seed, rounds: count };
      const done = await doRounds(series, (report) => reports.push(report));
      const found = reports.flatMap(({ seed: at, findings, story }) =>
        findings.map(({ wrong, text }) => `seed ${at}: ${wrong}: ${text}\n${story.join('\n')}`),
      );
      expect(found).toEqual([]);
      expect(done).toBe(count);
      // A seam that has come loose would find nothing.
      const reached = reports.reduce((sum, { counts }) => sum + (counts['moment reached'] ?? 0), 0);
      if (attack === 'chaos') expect(reached).toBeGreaterThan(0);
    },
  );
});
