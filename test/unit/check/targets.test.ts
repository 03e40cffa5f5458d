import { expect, test } from 'vitest';
import { finalTargets } from '../../../src/check/targets.ts';
import { checkOf, checkTopology } from '../../support/check-topology.ts';

const one = (port: number): { first: number; last: number } => ({ first: port, last: port });
const addresses = { gw: ['192.0.2.2', '10.0.0.1'], isp: ['192.0.2.1'], web: ['10.0.0.3'] };
const tcp = (port: number, address = '192.0.2.2') => checkOf({ kind: 'tcp', from: 'isp', address, port });

test('an address of the file is its own target', () => {
  const topology = checkTopology({ addresses });
  expect(finalTargets(topology, tcp(80))).toEqual([{ namespace: 'gw', address: '192.0.2.2', port: 80 }]);
});

test('a published port leads to the target', () => {
  const publish = { gw: [{ port: one(8080), to: '10.0.0.3', toPort: one(80) }] };
  const topology = checkTopology({ addresses, publish });
  expect(finalTargets(topology, tcp(8080))).toEqual([{ namespace: 'web', address: '10.0.0.3', port: 80 }]);
  expect(finalTargets(topology, tcp(8081))).toEqual([{ namespace: 'gw', address: '192.0.2.2', port: 8081 }]);
});

test('a published range keeps the distance from its first port', () => {
  const publish = {
    gw: [{ port: { first: 9000, last: 9009 }, to: '10.0.0.3', toPort: { first: 100, last: 109 } }],
  };
  const topology = checkTopology({ addresses, publish });
  expect(finalTargets(topology, tcp(9007))).toEqual([{ namespace: 'web', address: '10.0.0.3', port: 107 }]);
});

test('protocol and address of a published port count', () => {
  const base = { port: one(53), to: '10.0.0.3', toPort: one(53) };
  const other = checkTopology({ addresses, publish: { gw: [{ ...base, protocol: 'udp' }] } });
  expect(finalTargets(other, tcp(53))[0]?.namespace).toBe('gw');
  const inner = checkTopology({ addresses, publish: { gw: [{ ...base, address: '10.0.0.1' }] } });
  expect(finalTargets(inner, tcp(53))[0]?.namespace).toBe('gw');
  expect(finalTargets(inner, tcp(53, '10.0.0.1'))[0]?.namespace).toBe('web');
});

test('what must be unreachable at an address has its listener where the port leads to at another', () => {
  const base = { port: one(53), to: '10.0.0.3', toPort: one(53) };
  const topology = checkTopology({ addresses, publish: { gw: [{ ...base, address: '127.0.0.1' }] } });
  const silent = { ...tcp(53), expect: 'unreachable' as const };
  expect(finalTargets(topology, silent)).toEqual([{ namespace: 'web', address: '10.0.0.3', port: 53 }]);
  expect(finalTargets(topology, { ...silent, port: 54 })[0]?.namespace).toBe('gw');
});

test('ports that are published in a circle have no target', () => {
  const publish = {
    gw: [{ port: one(80), to: '10.0.0.3', toPort: one(80) }],
    web: [{ port: one(80), to: '192.0.2.2', toPort: one(80) }],
  };
  expect(finalTargets(checkTopology({ addresses, publish }), tcp(80))).toEqual([]);
});

test('an address outside of the file has no target, a loopback address is where the check is', () => {
  const topology = checkTopology({ addresses });
  expect(finalTargets(topology, tcp(80, '198.51.100.1'))).toEqual([]);
  expect(finalTargets(topology, tcp(80, '127.0.0.1'))).toEqual([
    { namespace: 'isp', address: '127.0.0.1', port: 80 },
  ]);
});

test('an address that two namespaces use has both as targets, unless it is the own one', () => {
  const topology = checkTopology({ addresses: { a: ['10.0.0.1'], b: ['10.0.0.1'], isp: [] } });
  expect(finalTargets(topology, tcp(80, '10.0.0.1')).map(({ namespace }) => namespace)).toEqual(['a', 'b']);
  const own = { ...tcp(80, '10.0.0.1'), from: 'b' };
  expect(finalTargets(topology, own).map(({ namespace }) => namespace)).toEqual(['b']);
});
