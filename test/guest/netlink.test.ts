import { afterAll, expect, test } from 'vitest';
import { netlinkEngine } from '../../src/engine/netlink/engine.ts';
import * as run from '../../src/system/run.ts';
import { ip, sh } from '../support/host.ts';

afterAll(() => {
  for (const name of ['plain', 'other']) sh('ip', 'netns', 'del', name);
});

test('links of kinds that no lab has cost no process: vti, and the fallback devices of GRE', async () => {
  sh('modprobe', 'ip_gre');
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
  expect(link).toMatchObject({ mtu: 1480, linkinfo: { info_kind: 'vti' } });
  expect(live.get('plain')?.links.find(({ ifname }) => ifname === 'erspan0')?.linkinfo?.info_kind).toBe(
    'erspan',
  );
  expect(run.processesStarted).toBe(0);
});
