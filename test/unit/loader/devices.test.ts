import { describe, expect, test } from 'vitest';
import { loadParsed } from '../../../src/loader/load.ts';
import { parseDocumentFile } from '../../../src/loader/parse-document.ts';
import type { Interface, Topology } from '../../../src/topology/model.ts';

/** Loads devices of namespace a, which has eth0 and eth1 to b. */
function load(devices: string, more = ''): Topology {
  const text = `name: lab
namespaces:
  a: { interfaces: { ${devices} } ${more} }
  b: {}
links: [[a:eth0, b:eth0], [a:eth1, b:eth1]]
`;
  const { topology, diagnostics } = loadParsed(parseDocumentFile('lab.yaml', text));
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  if (topology === undefined) throw new Error('not valid');
  return topology;
}

function interfaceOf({ interfaces }: Topology, name: string): Interface {
  const found = interfaces.find((item) => item.namespace === 'a' && item.name === name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}

describe('members', () => {
  test('of a bond have its mtu, and no MAC address of their own', () => {
    const topology = load('bond0: { type: bond, members: [eth0], mtu: 1400 }');
    expect(interfaceOf(topology, 'eth0')).toMatchObject({
      master: 'bond0',
      mtu: 1400,
      macaddress: undefined,
    });
    expect(interfaceOf(topology, 'bond0')).toMatchObject({ mtu: 1400, macaddress: expect.any(String) });
    expect(interfaceOf(topology, 'eth1').macaddress).toEqual(expect.any(String));
  });

  test('keep their MAC address in a bond that takes that of the active one', () => {
    const parameters = 'parameters: { mode: active-backup, fail-over-mac: active }';
    const topology = load(`bond0: { type: bond, members: [eth0], ${parameters} }`);
    expect(interfaceOf(topology, 'eth0').macaddress).toEqual(expect.any(String));
    expect(interfaceOf(topology, 'bond0').macaddress).toBeUndefined();
  });

  test('of a VRF stay as they are', () => {
    const topology = load('red: { type: vrf, table: 10, members: [eth0] }');
    expect(interfaceOf(topology, 'eth0')).toMatchObject({
      master: 'red',
      mtu: 1500,
      macaddress: expect.any(String),
    });
  });
});

describe('the parameters of a bond', () => {
  const parametersOf = (parameters: string) => {
    const bond = interfaceOf(load(`bond0: { type: bond, parameters: { ${parameters} } }`), 'bond0');
    return 'settings' in bond ? bond.settings : {};
  };

  test('that a mode does not have are not compared', () => {
    expect(parametersOf('mode: 802.3ad')).toMatchObject({ 'lacp-rate': 'slow', 'mii-monitor-interval': 100 });
    expect(parametersOf('mode: 802.3ad')).not.toHaveProperty('arp-interval');
    expect(parametersOf('mode: active-backup')).not.toHaveProperty('lacp-rate');
    expect(parametersOf('mode: active-backup')).not.toHaveProperty('packets-per-member');
    expect(parametersOf('')).toMatchObject({ mode: 'balance-rr', 'packets-per-member': 1 });
  });

  test('ask by ARP or look at the carrier', () => {
    expect(parametersOf('arp-interval: 500, arp-ip-targets: [10.0.0.1, 10.0.0.1]')).toMatchObject({
      'mii-monitor-interval': 0,
      'arp-ip-targets': ['10.0.0.1'],
    });
  });
});

test('a route names a VRF for its table, and finds its device there', () => {
  const text = `name: lab
namespaces:
  a:
    interfaces:
      red: { type: vrf, table: 10, members: [eth0] }
      blue: { type: vrf, table: 20, members: [eth1] }
    routes:
      - { to: 10.1.0.0/16, via: 10.0.0.2, table: red }
      - { to: 10.1.0.0/16, via: 10.0.0.2, table: blue }
      - { to: 10.1.0.0/16, via: 10.0.0.2, table: 20, metric: 7 }
  b: {}
links:
  - endpoints: { a:eth0: 10.0.0.1/24, b:eth0: {} }
  - endpoints: { a:eth1: 10.0.0.1/24, b:eth1: {} }
`;
  const { topology, diagnostics } = loadParsed(parseDocumentFile('lab.yaml', text));
  expect(diagnostics).toEqual([]);
  const routes = topology?.namespaces.find(({ name }) => name === 'a')?.routes ?? [];
  expect(routes.map(({ table, nexthops }) => [table, nexthops[0]?.dev])).toEqual([
    ['10', 'eth0'],
    ['20', 'eth1'],
    ['20', 'eth1'],
  ]);
});

test('VLANs with one number on one cable are one segment, others are not', () => {
  const diagnose = (id: number) => {
    const text = `name: lab
namespaces:
  a: { interfaces: { v: { type: vlan, link: eth0, id: 5, addresses: 10.0.0.1/24 } } }
  b: { interfaces: { v: { type: vlan, link: eth0, id: ${id}, addresses: 10.0.0.1/24 } } }
links: [[a:eth0, b:eth0]]
`;
    return loadParsed(parseDocumentFile('lab.yaml', text)).diagnostics.map(({ code }) => code);
  };
  expect(diagnose(5)).toEqual(['duplicate-address']);
  expect(diagnose(6)).toEqual([]);
});

test('a macvlan follows the interface below, and in mode passthru has its MAC address', () => {
  const topology = load(
    'm0: { type: macvlan, link: eth0 }, m1: { type: macvtap, link: eth1, mode: passthru }',
  );
  expect(interfaceOf(topology, 'm0')).toMatchObject({ mtu: 1500, macaddress: expect.any(String) });
  expect(interfaceOf(topology, 'm1').macaddress).toBeUndefined();
});
