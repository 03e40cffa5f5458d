import { describe, expect, test } from 'vitest';
import { readRequest } from '../../../src/explain/request.ts';
import { groupTrace, parseHeader, parseTrace, readPassage } from '../../../src/explain/trace.ts';
import { TRACE_TABLE, traceScript } from '../../../src/explain/trace-table.ts';
import { officeLive } from '../../support/fixture.ts';

// In the form of nft 1.0.6; without the addresses of Ethernet.
const dropped = `
trace id 7f3a inet ${TRACE_TABLE} prerouting packet: iif "wan" ip saddr 192.0.2.1 ip daddr 192.0.2.2 ip ttl 64 tcp sport 40000 tcp dport 8080 tcp flags == syn
trace id 7f3a inet ${TRACE_TABLE} prerouting rule tcp sport 40000 meta nftrace set 1 (verdict continue)
trace id 7f3a inet ${TRACE_TABLE} prerouting policy accept
trace id 7f3a inet topoweave-lab prerouting rule tcp dport 8080 dnat ip to 10.0.1.3:80 comment "publish 8080 [0123456789ab]" (verdict accept)
trace id 7f3a inet topoweave-lab_firewall forward packet: iif "wan" oif "lan" ip saddr 192.0.2.1 ip daddr 10.0.1.3 ip ttl 63 tcp sport 40000 tcp dport 80 tcp flags == syn
trace id 7f3a inet topoweave-lab_firewall forward policy drop
`;

describe('what nft tells', () => {
  const [trace] = groupTrace(parseTrace(dropped), TRACE_TABLE);

  test('is one packet', () => {
    expect(groupTrace(parseTrace(dropped), TRACE_TABLE)).toHaveLength(1);
    expect(trace?.events.map(({ what }) => what)).toEqual([
      'packet',
      'rule',
      'policy',
      'rule',
      'packet',
      'policy',
    ]);
  });

  test('NAT, rules and the drop', () => {
    if (trace === undefined) throw new Error('no trace');
    const { first, last, rules, drop, reached } = readPassage(trace, TRACE_TABLE);
    expect(first).toMatchObject({ in: 'wan', destination: '192.0.2.2', port: 8080, sourcePort: 40000 });
    expect(last).toMatchObject({ out: 'lan', destination: '10.0.1.3', port: 80 });
    expect(rules.map(({ text }) => text)).toEqual([
      'tcp dport 8080 dnat ip to 10.0.1.3:80 comment "publish 8080 [0123456789ab]"',
    ]);
    expect(drop).toMatchObject({ chain: 'forward', what: 'policy' });
    expect([...reached]).toEqual(['inet prerouting']);
  });

  test('lines that say nothing of a packet are left out', () => {
    expect(parseTrace('# a comment\n\nnew generation 3\n')).toEqual([]);
    expect(parseHeader('')).toMatchObject({ in: undefined, port: undefined });
  });
});

describe('the tables', () => {
  const identity = { number: 40000, family: 4, forbidden: ['eth0'], withBridge: true } as const;

  test('no lab has one of that name', () => {
    expect(TRACE_TABLE.startsWith('topoweave-')).toBe(false);
  });

  test('the probe does not leave by an interface of others', () => {
    const script = traceScript({ ...identity, protocol: 'udp' });
    expect(script).toContain('oifname { "eth0" } udp sport 40000 drop');
    expect(script).toContain(`delete table bridge ${TRACE_TABLE}`);
  });

  test.each([
    [4, 'icmp id 40000'],
    [6, 'icmpv6 id 40000'],
  ] as const)('a ping of IPv%d is known by its identifier', (family, words) => {
    expect(traceScript({ ...identity, family, protocol: 'icmp' })).toContain(`${words} meta nftrace set 1`);
  });
});

describe('what may be asked', () => {
  const live = officeLive();
  test.each([
    ['10.0.0.3', '10.0.0.3', undefined, 'icmp'],
    ['10.0.0.3:80', '10.0.0.3', 80, 'tcp'],
    ['10.0.0.3:53/udp', '10.0.0.3', 53, 'udp'],
    ['2001:db8::3', '2001:db8::3', undefined, 'icmp'],
    ['[2001:DB8::3]:80', '2001:db8::3', 80, 'tcp'],
    ['[2001:db8::3]', '2001:db8::3', undefined, 'icmp'],
  ])('%s', (text, address, port, protocol) => {
    expect(readRequest('alice', text, live)).toMatchObject({ address, port, protocol });
  });

  test('a namespace stands for its address', () => {
    expect(readRequest('alice', 'web:80', live)).toMatchObject({ to: 'web', port: 80 });
  });

  test.each([
    '',
    'nobody',
    '10.0.0.3:0',
    '10.0.0.3:70000',
    '10.0.0.3/udp',
    '10.0.0.3:80/icmp',
    '10.0.0.3:80/sctp',
    'a b',
  ])('%j is refused', (text) => {
    expect(() => readRequest('alice', text, live)).toThrow();
  });
});
