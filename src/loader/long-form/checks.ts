import type { Check } from '../../topology/model.ts';

export function longChecks(checks: readonly Check[]): object[] {
  return checks.map(({ kind, name, from, to, port, expect, within, count, size }) => ({
    name,
    [kind]: {
      from,
      to: port === undefined ? to : `${to.includes(':') ? `[${to}]` : to}:${port}`,
      expect,
      within: within % 1000 === 0 ? `${within / 1000}s` : `${within}ms`,
      ...(kind === 'ping' ? { count } : {}),
      ...(size === undefined ? {} : { size }),
    },
  }));
}
