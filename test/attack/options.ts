import { parseArgs } from 'node:util';
import type { Attack } from './rounds.ts';

export type Part = Attack | 'fuzz';

export interface Options {
  readonly minutes: number;
  readonly engines: readonly string[];
  readonly seed: number;
  readonly parts: readonly Part[];
  readonly labs: readonly string[] | undefined;
  /** Of one series, then end. */
  readonly rounds: number | undefined;
  readonly write: boolean;
}

export const usage = `npm run test:long -- [options]
  --minutes N             how long; 60 when not given
  --engine E              netlink, ip or both (default)
  --seed S                a number; by the time when not given
  --only P                fuzz, kill, chaos or race; several with commas
  --lab L                 office, uplink, overlay, many or services; several with commas
  --rounds N              one series of so many rounds, or so many inputs of each fuzzer, then end
  --write                 write the counts into docs/reliability.md
`;

const parts: readonly Part[] = ['fuzz', 'kill', 'chaos', 'race'];

/**
 * undefined: help is wanted.
 *
 * @throws Error for what is no option of ours.
 */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '60' },
      engine: { type: 'string', default: 'both' },
      seed: { type: 'string' },
      only: { type: 'string' },
      lab: { type: 'string' },
      rounds: { type: 'string' },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const chosen = values.only?.split(',') ?? parts;
  const wrong = chosen.find((name) => !parts.some((part) => part === name));
  if (wrong !== undefined) throw new Error(`--only: ${wrong} is none of ${parts.join(', ')}`);
  if (!['netlink', 'ip', 'both'].includes(values.engine)) throw new Error(`--engine: ${values.engine}`);
  return {
    minutes: numberOf('--minutes', values.minutes),
    engines: values.engine === 'both' ? ['netlink', 'ip'] : [values.engine],
    seed: values.seed === undefined ? Math.floor(Date.now() / 1000) : numberOf('--seed', values.seed),
    parts: parts.filter((part) => chosen.includes(part)),
    labs: values.lab?.split(','),
    rounds: values.rounds === undefined ? undefined : numberOf('--rounds', values.rounds),
    write: values.write,
  };
}

function numberOf(option: string, text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0)) throw new Error(`${option}: ${text} is no number`);
  return value;
}
