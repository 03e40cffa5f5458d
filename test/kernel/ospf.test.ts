import { afterEach, expect, test } from 'vitest';
import { hasUsers } from '../support/example.ts';
import { expectCode, ip } from '../support/host.ts';

const file = 'topologies/ospf.yaml';
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
});

test.runIf(hasUsers)(
  'the routers find the other way when a link goes down, and the first one again',
  async () => {
    await expectCode(0, 'apply', file);
    await expectCode(0, 'check', file);
    const way = () => ip('r1', 'route', 'get', '172.16.3.2');
    const settle = { timeout: 60_000, interval: 200 };
    // A far router may be known by the longer way first.
    await expect.poll(way, settle).toContain('dev eth0');
    expect(ip('r1', 'route', 'show', '172.16.3.0/24')).toContain('proto ospf');
    await expectCode(0, 'plan', '--detailed-exitcode', file);
    ip('r2', 'link', 'set', 'dev', 'eth0', 'down');
    await expect.poll(way, settle).toContain('dev eth1');
    await expectCode(0, 'check', file);
    await expectCode(0, 'apply', file);
    await expect.poll(way, settle).toContain('dev eth0');
    await expectCode(0, 'check', file);
  },
);
