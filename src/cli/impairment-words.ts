import { UsageError } from '../lib/errors.ts';
import {
  expandImpairment,
  impairmentKeys,
  isImpairmentKey,
  type RawValue,
} from '../loader/impairments/parse.ts';
import { suggest } from '../loader/suggest.ts';
import type { ImpairmentSettings } from '../topology/model.ts';

const distributions = ['uniform', 'normal', 'pareto', 'paretonormal'];
const models: Readonly<Record<string, readonly string[]>> = {
  gemodel: ['p', 'r', '1-h', '1-k'],
  state: ['p13', 'p31', 'p32', 'p23', 'p14'],
};

/**
 * Settings of the command line, `delay=50ms`, by the rules of the file.
 *
 * @throws UsageError naming the first that is wrong.
 */
export function parseImpairment(words: readonly string[], mtu: number): ImpairmentSettings {
  const values = new Map<string, RawValue>(words.map((word) => parseWord(word)));
  return expandImpairment(values, {
    mtu,
    report: ({ severity = 'error', message, help }) => {
      if (severity === 'error') throw new UsageError(message, help);
    },
  });
}

function parseWord(word: string): [string, RawValue] {
  const equals = word.indexOf('=');
  const [key, text] = [word.slice(0, Math.max(equals, 0)), word.slice(equals + 1)];
  if (equals < 0) throw new UsageError(`'${word}' is not KEY=VALUE`, 'for example: delay=50ms loss=1%');
  if (!isImpairmentKey(key)) {
    const near = suggest(key, impairmentKeys);
    throw new UsageError(
      `there is no setting '${key}'`,
      near === undefined ? `there are: ${impairmentKeys.join(', ')}` : `did you mean '${near}'?`,
    );
  }
  return [key, { value: parseValue(key, text), at: key }];
}

/** What the schema makes sure of in a file. */
function parseValue(key: string, text: string): unknown {
  if (key === 'distribution' && !distributions.includes(text))
    throw new UsageError(`there is no distribution '${text}'`, `there are: ${distributions.join(', ')}`);
  if (key === 'gap' || key === 'limit') {
    if (!/^[1-9][0-9]{0,7}$/.test(text))
      throw new UsageError(`'${key}' is '${text}'; it is a number from 1 to 10000000`);
    return Number(text);
  }
  const [, model = '', list = ''] = /^(gemodel|state):(.*)$/.exec(text) ?? [];
  const names = key === 'loss' ? models[model] : undefined;
  if (names === undefined) return text;
  const chances = list.split(',');
  if (chances.length > names.length)
    throw new UsageError(`${model} takes at most ${names.length} values: ${names.join(',')}`);
  return { [model]: Object.fromEntries(chances.map((chance, at) => [names[at], chance])) };
}
