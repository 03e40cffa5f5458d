import { isAbsolute } from 'node:path';
import { parseBytes } from '../../lib/units.ts';
import type { Namespace, Service } from '../../topology/model.ts';
import type { Context } from './context.ts';

/** Two programs that write into one file would hide each other's lines. */
export function checkLogs({ report }: Context, services: readonly Service[]): void {
  const taken = new Map<string, Service>();
  const logOf = ({ log, name }: Service) => log ?? `${name}.log`;
  for (const service of services) {
    const other = taken.get(logOf(service));
    if (other === undefined) taken.set(logOf(service), service);
    else
      report({
        code: 'service-log',
        message: `the services ${other.name} and ${service.name} have the same log`,
        place: service.place,
        related: [{ message: 'the other one', place: other.place }],
      });
  }
  for (const service of services) {
    const [, base = ''] = /^(.+?)(?:\.old)?(?:\.1)?$/.exec(logOf(service)) ?? [];
    const other = taken.get(base);
    if (other === undefined || base === logOf(service)) continue;
    report({
      code: 'service-log',
      message: `the log ${logOf(service)} is where earlier lines of ${other.name} are kept`,
      place: service.place,
      related: [{ message: 'the other one', place: other.place }],
    });
  }
}

/** Where one of them renames a file as it gets too large, nobody else writes into it. */
export function checkSharedLogs({ report }: Context, namespaces: readonly Namespace[]): void {
  const taken = new Map<string, { readonly id: string; readonly service: Service }>();
  for (const { name, services = [] } of namespaces) {
    for (const service of services) {
      const { log, logLimit } = service;
      if (log === undefined || !isAbsolute(log) || log === '/dev/null') continue;
      const id = `${name}/${service.name}`;
      const other = taken.get(log);
      if (other === undefined) taken.set(log, { id, service });
      else if (
        [logLimit, other.service.logLimit].some((limit) => typeof limit === 'number') &&
        !other.id.startsWith(`${name}/`)
      )
        report({
          code: 'service-log',
          message: `the services ${other.id} and ${id} have the same log, which has a log-limit`,
          place: service.place,
          related: [{ message: 'the other one', place: other.service.place }],
        });
    }
  }
}

/** What a log is written with is no more than a block at a time, some of them to a piece. */
const LEAST_LIMIT = 64 * 1024;
const MOST_LIMIT = 1024 ** 4;

export function expandLimit(
  raw: string | number,
  fail: (message: string, help: string) => void,
): number | 'none' {
  if (raw === 'none') return raw;
  const bytes = parseBytes(String(raw));
  const help = `write a number with kb, mb or gb, such as 10mb, or none`;
  if (bytes === undefined) fail(`'${raw}' is not a size`, help);
  else if (bytes < LEAST_LIMIT) fail(`'${raw}' is less than a log takes, 64kb`, help);
  else if (bytes > MOST_LIMIT) fail(`'${raw}' is more than a log may have, 1024gb`, help);
  return bytes ?? LEAST_LIMIT;
}
