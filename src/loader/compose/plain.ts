import { plainValue } from '../quick-yaml.ts';

/** What a text would be without quotes: `1500` is a number. Infinities are texts, which no key takes. */
export function readPlain(text: string): unknown {
  return /^[-+]?\.(?:inf|nan)$/i.test(text) ? text : plainValue(text);
}
