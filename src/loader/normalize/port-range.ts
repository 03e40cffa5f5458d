import type { Place } from '../../lib/diagnostic.ts';
import type { PortRange } from '../../topology/model.ts';
import type { Report } from './problem.ts';

/** `80`, `9000-9009`; undefined where it is none, which is reported. */
export function expandRange(raw: number | string, place: Place, report: Report): PortRange | undefined {
  const [first = 0, last = first] = String(raw).split('-').map(Number);
  for (const port of [first, last]) {
    if (port >= 1 && port <= 65535) continue;
    report({ code: 'bad-publish', message: `port ${port} is not between 1 and 65535`, place });
    return undefined;
  }
  if (first <= last) return { first, last };
  report({ code: 'bad-publish', message: `the range ${raw} runs backwards; write ${last}-${first}`, place });
  return undefined;
}

export function singlePorts({ first, last }: PortRange): PortRange[] {
  return Array.from({ length: last - first + 1 }, (_, at) => ({ first: first + at, last: first + at }));
}

export function sizeOf({ first, last }: PortRange): number {
  return last - first + 1;
}
