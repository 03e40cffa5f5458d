import { expect, test } from 'vitest';
import { loadText } from '../../../src/loader/load.ts';
import { longForm } from '../../../src/loader/long-form.ts';
import { stringifyYaml } from '../../../src/loader/stringify.ts';
import type { Topology, Wireguard } from '../../../src/topology/model.ts';

const mesh = `
name: lab
namespaces: [a, b, c, net]
links:
  - { endpoints: { a:eth0: 192.0.2.1/24, net:a: 192.0.2.254/24 }, mtu: 1400 }
  - { endpoints: { b:eth0: "2001:db8::2/64", net:b: "2001:db8::ff/64" } }
tunnels:
  wg0:
    type: wireguard
    keepalive: 15
    endpoints:
      a:
        local: 192.0.2.1
        addresses: [10.9.0.1/24, "fd00::1/64"]
        allowed-ips: [172.16.2.0/24, 172.16.1.0/24, 172.16.2.0/24]
        fwmark: 0x51
        private-key-file: a.key
        peers:
          phone: { public-key: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", endpoint: "[2001:DB8::9]:1", allowed-ips: [10.9.0.9] }
      b: { local: "2001:db8::2", port: 7, addresses: 10.9.0.2/24, keepalive: 5, preshared-key-file: b.psk }
      c: { addresses: 10.9.0.3/24 }
`;

async function load(text: string): Promise<Topology> {
  const { topology, diagnostics } = await loadText('lab.yaml', text);
  expect(diagnostics).toEqual([]);
  if (topology === undefined) throw new Error('not valid');
  return topology;
}

function ends({ interfaces }: Topology): Record<string, Wireguard> {
  return Object.fromEntries(
    interfaces.flatMap((item) => (item.kind === 'wireguard' ? [[item.namespace, item]] : [])),
  );
}

/** What a peer is to an end, without places. */
function peersOf(end: Wireguard | undefined): unknown[] {
  return (end?.peers ?? []).map(({ name, endpoint, allowedIps, keepalive, presharedKeyFile }) => [
    name,
    endpoint,
    allowedIps.map(({ prefix }) => prefix).join(' '),
    keepalive,
    presharedKeyFile,
  ]);
}

test('the ends of a mesh are peers of each other, with what is behind them', async () => {
  const { a, b, c } = ends(await load(mesh));
  expect([a?.port, b?.port, c?.port]).toEqual([51820, 7, undefined]);
  expect(peersOf(a)).toEqual([
    ['b', '[2001:db8::2]:7', '10.9.0.2/32', 15, 'b.psk'],
    ['c', undefined, '10.9.0.3/32', 15, undefined],
    ['phone', '[2001:db8::9]:1', '10.9.0.9/32', 0, undefined],
  ]);
  const ofA = '10.9.0.1/32 172.16.1.0/24 172.16.2.0/24 fd00::1/128';
  expect(peersOf(b)).toEqual([
    ['a', '192.0.2.1:51820', ofA, 5, 'b.psk'],
    ['c', undefined, '10.9.0.3/32', 5, 'b.psk'],
  ]);
  expect(peersOf(c)).toEqual([
    ['a', '192.0.2.1:51820', ofA, 15, undefined],
    ['b', '[2001:db8::2]:7', '10.9.0.2/32', 15, 'b.psk'],
  ]);
});

test('the mtu is that of the underlay without 60 bytes over IPv4, and 80 over IPv6', async () => {
  const { a, b, c } = ends(await load(mesh.replace(/ {8}peers:\n.*\n/, '')));
  // b is reached over IPv6 from a, too.
  expect([a?.mtu, b?.mtu, c?.mtu]).toEqual([1320, 1420, undefined]);
  const v4 = mesh
    .replace(/ {8}peers:\n.*\n/, '')
    .replaceAll('2001:db8::2/64', '203.0.113.2/24')
    .replaceAll('2001:db8::ff/64', '203.0.113.254/24')
    .replaceAll('2001:db8::2', '203.0.113.2');
  const both = await load(v4);
  expect(ends(both)['a']?.mtu).toBe(1340);
});

test('with a hub, the others have it as their only peer, for all that is in the tunnel', async () => {
  const { a, b, c } = ends(await load(mesh.replace('keepalive: 15', 'hub: a')));
  expect(peersOf(a).map((peer) => (peer as string[])[0])).toEqual(['b', 'c', 'phone']);
  const everything = '10.9.0.1/32 10.9.0.3/32 172.16.1.0/24 172.16.2.0/24 fd00::1/128';
  expect(peersOf(b)).toEqual([['a', '192.0.2.1:51820', everything, 5, 'b.psk']]);
  expect(peersOf(c)).toEqual([
    ['a', '192.0.2.1:51820', everything.replace('10.9.0.3', '10.9.0.2'), 0, undefined],
  ]);
});

test('the long form loads to an equal topology', async () => {
  for (const text of [mesh, mesh.replace('keepalive: 15', 'hub: a')]) {
    const first = await load(text);
    const long = stringifyYaml(longForm(first));
    expect(stringifyYaml(longForm(await load(long)))).toBe(long);
    expect(peersOf(ends(await load(long))['c'])).toEqual(peersOf(ends(first)['c']));
  }
});
