import type { Place } from '../../lib/diagnostic.ts';
import { pointer } from '../../lib/pointer.ts';
import type { Sysctl } from '../../topology/model.ts';
import type { Context } from './context.ts';
import { sysctlValueProblem } from './sysctl-values.ts';

type RawSysctls = Readonly<Record<string, string | number | boolean>>;

/** Kernel parameters in the notation of sysctl(8), with dots. */
export function normalizeSysctls({ report }: Context, base: string, raw: RawSysctls | undefined): Sysctl[] {
  if (raw === undefined) return [];
  const found = new Map<string, Sysctl>();
  for (const [text, value] of Object.entries(raw)) {
    const at = base + pointer(text);
    const place: Place = { pointer: at, part: 'key' };
    const name = dotted(text);
    const earlier = found.get(name);
    if (earlier !== undefined) {
      const message = `${text} is the parameter ${name}, which is set already`;
      report({
        code: 'bad-sysctl',
        message,
        place,
        related: [{ message: 'it is set here', place: earlier.place }],
      });
      continue;
    }
    const words = sysctlValue(value);
    if (words === '' || /\p{Cc}/u.test(words)) {
      const message = `the value of ${name} is ${words === '' ? 'empty' : 'not one line of text'}`;
      report({ code: 'bad-sysctl', message, place: { pointer: at, part: 'value' } });
    } else {
      const problem = sysctlValueProblem(name, words);
      if (problem !== undefined)
        report({ code: 'bad-sysctl', ...problem, place: { pointer: at, part: 'value' } });
    }
    found.set(name, { name, value: words, place });
  }
  return [...found.values()];
}

/** In a name that begins with a slash-separated part, dots belong to interface names and change places with slashes. */
function dotted(text: string): string {
  const separator = /[./]/.exec(text)?.[0];
  if (separator !== '/') return text;
  return text.replace(/[./]/g, (character) => (character === '/' ? '.' : '/'));
}

/** As the kernel prints it: numbers for truth, one space between words. */
function sysctlValue(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? '1' : '0';
  return String(value)
    .trim()
    .replace(/[ \t]+/g, ' ');
}
