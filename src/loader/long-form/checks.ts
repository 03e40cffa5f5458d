import { formatPercent, formatTime } from '../../lib/units.ts';
import type { Bounds, Check } from '../../topology/model.ts';

export function longChecks(checks: readonly Check[]): object[] {
  return checks.map(({ kind, name, from, to, port, expect, within, count, size, mayListen, rtt, loss }) => ({
    name,
    [kind]: {
      from,
      to: port === undefined ? to : `${to.includes(':') ? `[${to}]` : to}:${port}`,
      expect,
      within: within % 1000 === 0 ? `${within / 1000}s` : `${within}ms`,
      ...(kind === 'ping' ? { count } : { listener: mayListen }),
      ...(rtt === undefined ? {} : { rtt: longBounds(rtt, (value) => formatTime(value * 1000)) }),
      ...(loss === undefined ? {} : { loss: longBounds(loss, formatPercent) }),
      ...(size === undefined ? {} : { size }),
    },
  }));
}

function longBounds({ min, max }: Bounds, format: (value: number) => string): object {
  return {
    ...(min === undefined ? {} : { min: format(min) }),
    ...(max === undefined ? {} : { max: format(max) }),
  };
}
