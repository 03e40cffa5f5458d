import { expect, test } from 'vitest';
import { withWritten } from '../../../src/apply/former-sysctls.ts';
import { heldBack } from '../../../src/kinds/adopted-losses.ts';
import type { Plan, Step } from '../../../src/plan/step.ts';
import { emptyRecord } from '../../../src/system/record.ts';

const removal = (name: string): Step => ({
  id: `delete host/sysctl/${name}`,
  action: 'delete',
  kind: 'sysctl',
  resource: `host/sysctl/${name}`,
  namespace: 'host',
  label: `sysctl ${name}`,
  before: { name, value: '2', before: '1' },
  after: undefined,
  changes: [],
  reason: '',
  place: undefined,
  disrupts: undefined,
  removal: [],
  making: [],
});

const record = { ...emptyRecord('lab'), sysctls: { host: { a: '1', b: '1' } }, wants: { a: '2', b: '2' } };
const plan: Plan = {
  lab: 'lab',
  steps: [removal('a'), removal('b')],
  conflicts: [],
  summary: { add: 0, change: 0, destroy: 2 },
  batches: [],
  desired: [],
};

test('an earlier value is forgotten only when it was written back', () => {
  const ended = { failures: [], interrupted: true };
  const nothing = withWritten(record, plan, { ...ended, sysctlsBefore: new Map() });
  expect(nothing.sysctls).toEqual(record.sysctls);
  const half = withWritten(record, plan, {
    ...ended,
    sysctlsBefore: new Map([['host', new Map([['a', '2']])]]),
  });
  expect(half.sysctls).toEqual({ host: { b: '1' } });
  expect(half.wants).toEqual({ b: '2' });
});

test('a value whose write failed stays known', () => {
  const result = withWritten(record, plan, {
    failures: [{ step: removal('a'), command: undefined, message: 'no' }],
    interrupted: false,
    sysctlsBefore: new Map([['host', new Map([['a', '2']])]]),
  });
  expect(result.sysctls).toEqual(record.sysctls);
});

test('what the kernel cannot have on an interface that is down, or without IPv6', () => {
  const v4Address = 'address replace 10.0.0.1/24 label up0:1 dev up0';
  const v6Address = 'address replace 2001:db8::1/64 dev up0';
  const v4Route = 'route replace default via 10.0.0.2 dev up0 proto static';
  const v6Hop = 'route replace 10.1.0.0/16 via inet6 fe80::1 dev up0';
  const v6Route = 'route replace blackhole ::/0 table 100';
  const v4Neighbor = 'neigh replace 10.0.0.3 dev up0 lladdr 02:00:00:00:00:01 nud permanent';
  const v6Neighbor = 'neigh replace proxy fe80::3 dev up0';
  const lines = [v4Address, v6Address, v4Route, v6Hop, v6Route, v4Neighbor, v6Neighbor];
  expect(heldBack(lines, { isDown: false, isWithoutIpv6: false })).toEqual([]);
  expect(heldBack(lines, { isDown: true, isWithoutIpv6: false })).toEqual(lines.slice(1));
  expect(heldBack(lines, { isDown: false, isWithoutIpv6: true })).toEqual([
    v6Address,
    v6Hop,
    v6Route,
    v6Neighbor,
  ]);
});
