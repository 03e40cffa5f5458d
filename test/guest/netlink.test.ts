import { afterAll, expect, test } from 'vitest';
import { netlinkEngine } from '../../src/engine/netlink/engine.ts';
import * as run from '../../src/system/run.ts';
import { ip, sh } from '../support/host.ts';

afterAll(() => {
  for (const name of ['plain', 'other']) sh('ip', 'netns', 'del', name);
});

test('netlink leaves a link of a kind without a decoder to the program, for its namespace only', async () => {
  for (const name of ['plain', 'other']) sh('ip', 'netns', 'add', name);
  ip('other', 'link', 'add', 'vti1', 'type', 'vti', 'local', '192.0.2.1', 'remote', '192.0.2.2');
  run.resetProcesses();
  const live = await netlinkEngine.read(['plain', 'other'], {
    lab: undefined,
    nat: new Set(),
    sysctls: new Map(),
  });
  expect([...live.keys()]).toEqual(['plain', 'other']);
  const link = live.get('other')?.links.find(({ ifname }) => ifname === 'vti1');
  expect(link?.linkinfo?.info_data?.['remote']).toBe('192.0.2.2');
  // One shell and the program that it becomes.
  expect(run.processesStarted).toBe(2);
});
