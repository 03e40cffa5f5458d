import { afterAll, afterEach, expect, test } from 'vitest';
import { expectCode, ifindex, ip, sh, topoweave, workFolder } from '../support/host.ts';

const folder = workFolder();
afterAll(() => folder.remove());
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
});

/** A bridge `sw` in gw with ports for a and b, and the member `up`; each with its own keys. */
function lab(keys: Partial<Record<'bridge' | 'parameters' | 'a' | 'b' | 'up', string>>): string {
  return folder.write(
    'vlans.yaml',
    `name: vlans
namespaces: [gw, a, b]
bridges:
  sw:
    namespace: gw
    ${keys.bridge ?? ''}
    parameters: { ${keys.parameters ?? ''} }
    ports: { a:eth0: { addresses: 10.0.0.1/24, ${keys.a ?? ''} }, b:eth0: { addresses: 10.0.0.2/24, ${keys.b ?? ''} } }
    members: { up: { ${keys.up ?? ''} } }
links: [[gw:up, gw:down]]
`,
  );
}

const names = ['sw', 'a-eth0', 'b-eth0', 'up'];

/** `a-eth0: 10 PVID untagged` for each that has VLANs. */
function vlans(namespace = 'gw'): Record<string, string> {
  const text = sh('ip', 'netns', 'exec', namespace, 'bridge', '-j', '-compressvlans', 'vlan', 'show');
  const ports = JSON.parse(text) as {
    ifname: string;
    vlans: { vlan: number; vlanEnd?: number; flags?: string[] }[];
  }[];
  return Object.fromEntries(
    ports.map(({ ifname, vlans: list }) => [
      ifname,
      list
        .map(({ vlan, vlanEnd, flags = [] }) =>
          [vlanEnd === undefined ? vlan : `${vlan}-${vlanEnd}`, ...flags.map((flag) => flag[0])].join(' '),
        )
        .join(', '),
    ]),
  );
}

/** Applies, plans again, and all interfaces are those that were there. */
async function change(file: string): Promise<void> {
  const indexes = () => names.map((name) => ifindex('gw', name));
  const before = indexes();
  await expectCode(2, 'plan', '--detailed-exitcode', file);
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  expect(indexes()).toEqual(before);
}

test('VLANs of ports, members and the bridge itself change in place', async () => {
  await expectCode(0, 'apply', lab({ a: 'tag: 10', up: 'trunks: [10, 20-30], native: 99' }));
  expect(vlans()).toEqual({
    sw: '1 P E',
    'a-eth0': '10 P E',
    'b-eth0': '1 P E',
    up: '10, 20-30, 99 P E',
  });
  await change(lab({ a: 'tag: 11', bridge: 'tag: 7', up: 'trunks: [1-4094], native: 10' }));
  expect(vlans()).toEqual({
    sw: '7 P E',
    'a-eth0': '11 P E',
    'b-eth0': '1 P E',
    up: '1-9, 10 P E, 11-4094',
  });
  // An access port becomes a trunk with the same VLAN tagged, a trunk an access port.
  await change(
    lab({ a: 'trunks: [11]', bridge: 'trunks: [7]\n    native: 8', up: 'tag: 10', b: 'trunks: []' }),
  );
  expect(vlans()).toEqual({ sw: '7, 8 P E', 'a-eth0': '11', up: '10 P E' });
  // Without VLANs anywhere the bridge does not filter.
  await change(lab({}));
  expect(ip('gw', '-d', 'link', 'show', 'dev', 'sw')).toContain('vlan_filtering 0');
  await change(lab({ a: 'tag: 10' }));
  expect(vlans()).toEqual({ sw: '1 P E', 'a-eth0': '10 P E', 'b-eth0': '1 P E', up: '1 P E' });
});

test('VLAN parameters change on the running bridge', async () => {
  const show = () => ip('gw', '-d', 'link', 'show', 'dev', 'sw');
  await expectCode(0, 'apply', lab({ parameters: 'vlan-filtering: true' }));
  expect(vlans()).toEqual({ sw: '1 P E', 'a-eth0': '1 P E', 'b-eth0': '1 P E', up: '1 P E' });
  await change(lab({ parameters: 'vlan-default-pvid: 9', a: 'tag: 10' }));
  expect(vlans()).toEqual({ sw: '9 P E', 'a-eth0': '10 P E', 'b-eth0': '9 P E', up: '9 P E' });
  await change(lab({ parameters: 'vlan-default-pvid: 0', a: 'tag: 10' }));
  expect(vlans()).toEqual({ 'a-eth0': '10 P E' });
  await change(lab({ parameters: 'vlan-protocol: 802.1ad', a: 'tag: 10' }));
  expect(show()).toMatch(/vlan_protocol 802.1ad .*group_address 01:80:c2:00:00:08/);
  await change(lab({ parameters: 'vlan-stats: true', a: 'tag: 10' }));
  expect(show()).toContain('vlan_stats_enabled 1');
  await change(lab({ parameters: 'vlan-filtering: true' }));
});

test('what is changed by hand is put back, and another bridge keeps its VLANs', async () => {
  const file = lab({ a: 'tag: 10, isolated: true', up: 'trunks: [10, 20]' });
  await expectCode(0, 'apply', file);
  const wanted = vlans();
  const run = (...words: string[]) => sh('ip', 'netns', 'exec', 'gw', ...words);
  run('ip', 'link', 'add', 'name', 'theirs', 'type', 'bridge', 'vlan_filtering', '1');
  run('ip', 'link', 'add', 'name', 'v0', 'type', 'veth', 'peer', 'name', 'v1');
  run('ip', 'link', 'set', 'dev', 'v0', 'master', 'theirs');
  run('bridge', 'vlan', 'add', 'dev', 'v0', 'vid', '55', 'pvid', 'untagged');
  run('bridge', 'vlan', 'add', 'dev', 'a-eth0', 'vid', '11-15');
  run('bridge', 'vlan', 'add', 'dev', 'a-eth0', 'vid', '10');
  run('bridge', 'vlan', 'del', 'dev', 'up', 'vid', '20');
  run('bridge', 'vlan', 'add', 'dev', 'sw', 'vid', '5', 'self');
  await change(file);
  expect(vlans()).toEqual({ ...wanted, theirs: '1 P E', v0: '1 E, 55 P E' });
  run('ip', 'link', 'set', 'dev', 'a-eth0', 'nomaster');
  await change(file);
  expect(vlans()).toMatchObject(wanted);
  run('ip', 'link', 'set', 'dev', 'sw', 'type', 'bridge', 'vlan_filtering', '0');
  await change(file);
  expect(vlans()).toMatchObject(wanted);
});

test('a static forwarding entry is in the VLAN of its port', async () => {
  const entries = () =>
    sh('ip', 'netns', 'exec', 'gw', 'bridge', 'fdb', 'show')
      .split('\n')
      .filter((line) => line.includes(' static'))
      .map((line) => line.trim());
  const mac = '02:00:00:00:00:09';
  const ports = { a: 'tag: 10', up: 'trunks: [10, 20]' };
  await expectCode(0, 'apply', lab({ ...ports, bridge: `fdb: { "${mac}": a:eth0 }` }));
  expect(entries()).toEqual([`${mac} dev a-eth0 vlan 10 master sw static`]);
  await change(lab({ ...ports, bridge: `fdb: { "${mac}": { port: up, vlan: 20 } }` }));
  expect(entries()).toEqual([`${mac} dev up vlan 20 master sw static`]);
  await change(lab(ports));
  expect(entries()).toEqual([]);
});

test('a VLAN that is gone from a trunk is told as a disruption', async () => {
  await expectCode(0, 'apply', lab({ up: 'trunks: [10, 20]' }));
  const more = await topoweave('plan', lab({ up: 'trunks: [10, 20, 30]' }));
  expect(more.stdout).toContain('vlans: 10, 20 -> 10, 20, 30');
  expect(more.stdout).not.toContain('disrupts');
  const less = await topoweave('plan', lab({ up: 'trunks: [20]' }));
  expect(less.stdout).toContain('disrupts: hosts in a VLAN that it leaves are cut off');
});
