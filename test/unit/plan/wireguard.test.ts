import { expect, test } from 'vitest';
import type { IpLink, Live, LiveNamespace, WireguardLivePeer } from '../../../src/observe/live.ts';
import { lower, makePlan } from '../../../src/plan/plan.ts';
import { formatCommands } from '../../../src/report/commands.ts';
import { emptyRecord } from '../../../src/system/record.ts';
import { resolveKeys } from '../../../src/system/wireguard-keys.ts';
import type { Topology } from '../../../src/topology/model.ts';
import { emptyHost, topologyOf } from '../../support/fixture.ts';

const lab = 'wireguard';
const topology = resolveKeys({
  topology: await topologyOf('topologies/wireguard.yaml'),
  file: undefined,
  make: true,
});

function planOf(live: Live) {
  return makePlan({ lab, topology, live, record: emptyRecord(lab) });
}

function end(namespace: string) {
  const found = topology.interfaces.find((item) => item.kind === 'wireguard' && item.namespace === namespace);
  if (found?.kind !== 'wireguard') throw new Error(`no end in ${namespace}`);
  return found;
}

/** gw1 as it is when all is well, its tunnel and nothing else; whatever else the plan makes is not looked at. */
function liveWith(edit: (peers: WireguardLivePeer[]) => WireguardLivePeer[]): Live {
  const { publicKey = '', port = 0, peers } = end('gw1');
  const mark = String(lower(topology).find(({ id }) => id === 'gw1/wg0')?.attributes['mark']);
  const link: IpLink = {
    ifindex: 7,
    ifname: 'wg0',
    flags: ['POINTOPOINT', 'NOARP', 'UP', 'LOWER_UP'],
    mtu: 1440,
    ifalias: mark,
    linkinfo: { info_kind: 'wireguard' },
  };
  const live = peers.map((peer) => ({
    publicKey: peer.publicKey ?? '',
    presharedKey: 'none',
    endpoint: peer.endpoint,
    allowedIps: peer.allowedIps.map(({ prefix }) => prefix),
    keepalive: 0,
  }));
  const [host] = [...emptyHost().namespaces.values()];
  if (host === undefined) throw new Error('no host');
  const gw1: LiveNamespace = {
    ...host,
    name: 'gw1',
    mark: { lab, tag: '', text: '' },
    links: [{ ...link, ifname: 'lo', linkinfo: {}, ifalias: 'topoweave:wireguard:' }, link],
    wireguard: [{ ifname: 'wg0', publicKey, port, fwmark: 0, peers: edit(live) }],
  };
  return {
    namespaces: new Map([
      ['host', host],
      ['gw1', gw1],
    ]),
    stale: [],
  };
}

function commandsOfTunnel(live: Live): string[] {
  return formatCommands(planOf(live))
    .split('\n')
    .filter((line) => line.startsWith('ip netns exec gw1 wg '));
}

test('the key comes before the peers, by the paths of files', () => {
  const lines = formatCommands(planOf(emptyHost())).split('\n');
  const gw1 = lines.filter((line) => /gw1 (link add name wg0|wg)|exec gw1 wg/.test(line));
  expect(gw1).toEqual([
    expect.stringMatching(/^ip -n gw1 link add name wg0 group \d+ mtu 1440 type wireguard$/),
    'ip netns exec gw1 wg set wg0 private-key /run/topoweave/wireguard.keys/gw1:wg0 listen-port 51820 fwmark off',
    ...['gw2', 'gw3'].map((name) => setPeer(name)).sort(),
  ]);
});

function setPeer(name: string): string {
  const number = name.slice(2);
  const key = end(name).publicKey;
  return `ip netns exec gw1 wg set wg0 peer ${key} endpoint 192.0.2.${number}:51820 allowed-ips 10.9.0.${number}/32,172.16.${number}.0/24`;
}

test('a tunnel that is as the file says needs nothing, whatever the order of its peers', () => {
  expect(commandsOfTunnel(liveWith((peers) => peers.reverse()))).toEqual([]);
});

test('a change names its peer and what changes, and nothing else', () => {
  const [gw2] = liveWith((peers) => peers).namespaces.get('gw1')?.wireguard?.[0]?.peers ?? [];
  if (gw2 === undefined) throw new Error('no peer');
  const of = (edit: Partial<WireguardLivePeer>) =>
    commandsOfTunnel(liveWith(([, ...others]) => [{ ...gw2, ...edit }, ...others]));
  const set = `ip netns exec gw1 wg set wg0 peer ${gw2.publicKey}`;
  expect(of({ keepalive: 7 })).toEqual([`${set} persistent-keepalive off`]);
  expect(of({ endpoint: '192.0.2.77:1' })).toEqual([`${set} endpoint 192.0.2.2:51820`]);
  expect(of({ allowedIps: [] })).toEqual([`${set} allowed-ips 10.9.0.2/32,172.16.2.0/24`]);
  expect(of({ presharedKey: 'sha256:0' })).toEqual([`${set} preshared-key /dev/null`]);
  expect(commandsOfTunnel(liveWith(([, ...others]) => others))).toEqual([setPeer('gw2')]);
});

test('a peer that is not in the file goes, before another gets its prefixes', () => {
  const stranger = 'B'.repeat(42).concat('A=');
  const live = liveWith(([gw2, ...others]) => [
    ...(gw2 === undefined ? [] : [{ ...gw2, publicKey: stranger }]),
    ...others,
  ]);
  expect(commandsOfTunnel(live)).toEqual([
    `ip netns exec gw1 wg set wg0 peer ${stranger} remove`,
    setPeer('gw2'),
  ]);
  const removal = planOf(live).steps.find(({ action }) => action === 'delete');
  expect(removal?.disrupts).toBe('nothing gets through to it any more');
});

test('without its key, a plan says which key is still to be made', async () => {
  const unknown: Topology = resolveKeys({
    topology: { ...(await topologyOf('topologies/wireguard.yaml')), name: 'never-applied' },
    file: undefined,
    make: false,
  });
  const { steps } = makePlan({
    lab: unknown.name,
    topology: unknown,
    live: emptyHost(),
    record: emptyRecord(unknown.name),
  });
  const own = steps.find(({ resource }) => resource === 'gw1/wg0');
  expect(own?.after?.['public-key']).toBe('(new key of gw1:wg0)');
});
