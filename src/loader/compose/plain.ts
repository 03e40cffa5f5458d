import { plainValue } from '../quick-yaml.ts';

/** What a text would be without quotes: `1500` is a number. Infinities and integers that a double cannot hold are texts. */
export function readPlain(text: string): unknown {
  const isInteger = /^(?:[-+]?[0-9]{16,}|0[ox][0-9a-fA-F]{13,})$/.test(text);
  if (isInteger && !Number.isSafeInteger(Number(text))) return text;
  return /^[-+]?\.(?:inf|nan)$/i.test(text) ? text : plainValue(text);
}
