import { expect, test } from 'vitest';
import { conntrackLines } from '../../../src/engine/conntrack.ts';
import { type Mapping, toMapping } from '../../../src/kinds/publish.ts';
import type { LiveResource, Resource } from '../../../src/kinds/resource.ts';

const one = (port: number) => ({ first: port, last: port });
const udp: Mapping = {
  protocol: 'udp',
  family: 4,
  address: undefined,
  port: one(5353),
  before: { address: '10.0.0.2', port: 53 },
  after: { address: '10.0.0.3', port: 53 },
};
const lines = (mapping: Mapping) => conntrackLines(mapping).map((words) => words.join(' '));

test('the words of conntrack name the port and who answered before', () => {
  expect(lines(udp)).toEqual(['-D -p udp --orig-port-dst 5353 --reply-src 10.0.0.2 --reply-port-src 53']);
  const range = { ...udp, family: 6, address: '2001:db8::1', port: { first: 80, last: 81 } } as const;
  expect(lines({ ...range, before: { address: '2001:db8::2', port: 8080 } })).toEqual([
    '-D -f ipv6 -p udp --orig-port-dst 80 --orig-dst 2001:db8::1 --reply-src 2001:db8::2 --reply-port-src 8080',
    '-D -f ipv6 -p udp --orig-port-dst 81 --orig-dst 2001:db8::1 --reply-src 2001:db8::2 --reply-port-src 8081',
  ]);
});

test('without a target from before, only packets to one address can be told from those that pass through', () => {
  expect(lines({ ...udp, before: undefined })).toEqual([]);
  expect(lines({ ...udp, before: undefined, address: '192.0.2.1' })).toEqual([
    '-D -p udp --orig-port-dst 5353 --orig-dst 192.0.2.1',
  ]);
});

test('what changed: the target; a port that is new, but for TCP; one that goes', () => {
  const entry = (protocol: string, to: string): Resource => ({
    kind: 'nat',
    id: 'gw/nat/publish',
    namespace: 'gw',
    label: '',
    attributes: { entry: ['4', protocol, '', '5353', to, '53'] },
  });
  const live = (protocol: string, to: string): LiveResource => ({ ...entry(protocol, to), owner: 'ours' });
  expect(toMapping(entry('udp', '10.0.0.3'), live('udp', '10.0.0.2'))).toEqual(udp);
  expect(toMapping(entry('udp', '10.0.0.2'), live('udp', '10.0.0.2'))).toBeUndefined();
  expect(toMapping(entry('udp', '10.0.0.3'), undefined)).toEqual({ ...udp, before: undefined });
  expect(toMapping(entry('tcp', '10.0.0.3'), undefined)).toBeUndefined();
  expect(toMapping(undefined, live('tcp', '10.0.0.2'))).toEqual({
    ...udp,
    protocol: 'tcp',
    after: undefined,
  });
  expect(toMapping({ ...entry('tcp', ''), attributes: { rules: [] } }, undefined)).toBeUndefined();
});
