import { expect, test } from 'vitest';
import { sortPackets } from '../../../src/explain/packets.ts';
import { parseHeader, readPassage } from '../../../src/explain/trace.ts';
import { TRACE_TABLE } from '../../../src/explain/trace-table.ts';

interface Sent {
  readonly id: string;
  readonly flags: string;
  readonly ipId: number;
  readonly rule: string;
  readonly isAnswer?: boolean;
  readonly in?: string;
}

const [accepts, established] = [
  'tcp dport 80 accept (verdict accept)',
  'ct state established,related accept (verdict accept)',
];

/** A packet that a router forwards, as nft 1.0.6 tells of it. */
function forwarded({
  id,
  flags,
  ipId,
  rule,
  isAnswer = false,
  in: into = isAnswer ? 'x' : 'l',
}: Sent): string {
  const [ports, out] = isAnswer
    ? ['tcp sport 80 tcp dport 43562', 'l']
    : ['tcp sport 43562 tcp dport 80', 'x'];
  const header = (oif: string) =>
    `packet: iif "${into}" ${oif}ip saddr 10.0.0.2 ip daddr 10.0.1.2 ip ttl 64 ip id ${ipId} ip protocol tcp ip length 60 ${ports} tcp flags == ${flags} tcp window 64240`;
  const way = header(`oif "${out}" `);
  return `trace id ${id} inet ${TRACE_TABLE} prerouting ${header('')}
trace id ${id} inet ${TRACE_TABLE} prerouting rule tcp sport 43562 meta nftrace set 1 (verdict continue)
trace id ${id} inet ${TRACE_TABLE} prerouting policy accept
trace id ${id} inet topoweave-lab_firewall forward ${way}
trace id ${id} inet topoweave-lab_firewall forward rule ${rule}
trace id ${id} inet ${TRACE_TABLE} forward ${way}
trace id ${id} inet ${TRACE_TABLE} forward policy accept
trace id ${id} inet ${TRACE_TABLE} postrouting ${way}
trace id ${id} inet ${TRACE_TABLE} postrouting policy accept
`;
}

function rulesOf(text: string): { there: string[]; back: string[] } {
  const { there, back } = sortPackets(new Map([['r', text]]), 43562);
  const rules = (map: typeof there) => {
    const trace = map.get('r');
    return trace === undefined ? [] : readPassage(trace, TRACE_TABLE).rules.map(({ text: rule }) => rule);
  };
  return { there: rules(there), back: rules(back) };
}

const syn = { id: 'a09c6d9f', flags: 'syn', ipId: 55301, rule: accepts };
const answer = { id: '3e47e86e', flags: '0x12', ipId: 0, rule: established, isAnswer: true };
const one = { there: ['tcp dport 80 accept'], back: ['ct state established,related accept'] };

test('what ends the connection has the number of what opened it', () => {
  const acknowledged = { id: '3c2e9bef', flags: 'ack', ipId: 55302, rule: established };
  const ended = { ...syn, flags: '0x11', ipId: 55304, rule: established };
  const answerEnded = { ...answer, flags: '0x11', ipId: 50239 };
  const text = [syn, answer, acknowledged, answerEnded, ended].map(forwarded).join('');
  expect(rulesOf(text)).toEqual(one);
});

test('a packet that is sent again and comes in elsewhere is another one', () => {
  const again = {
    ...syn,
    id: '1',
    ipId: 55302,
    in: 'other',
    rule: 'iifname "other" accept (verdict accept)',
  };
  expect(rulesOf([syn, again, answer].map(forwarded).join(''))).toEqual(one);
});

test('a reset behind the answer, and one from the one that asked', () => {
  const reset = { ...answer, id: '2', flags: 'rst', ipId: 7, in: 'other' };
  const own = { ...syn, id: '3', flags: '0x14', ipId: 8, in: 'other', rule: established };
  expect(rulesOf([syn, answer, reset, own].map(forwarded).join(''))).toEqual(one);
});

test.each([['0x14'], ['rst | ack'], ['(rst | ack)'], ['rst,ack'], ['rst']])(
  'an answer that is %s',
  (flags) => {
    expect(rulesOf([syn, { ...answer, flags }].map(forwarded).join(''))).toEqual(one);
  },
);

test('a packet that a bridge takes to itself has a second number', () => {
  const bridged = forwarded(syn)
    .replaceAll(' inet ', ' bridge ')
    .replaceAll(accepts, 'meta mark 1 (verdict continue)');
  const { there } = rulesOf(`${bridged}${forwarded({ ...syn, id: '4' })}`);
  expect(there).toEqual(['meta mark 1', 'tcp dport 80 accept']);
});

test('flags by name and by number', () => {
  const flags = (text: string) => [...(parseHeader(`tcp flags == ${text} tcp window 1`).flags ?? [])];
  expect(flags('syn')).toEqual(['syn']);
  expect(flags('0x12')).toEqual(['syn', 'ack']);
  expect(flags('syn | ack')).toEqual(['syn', 'ack']);
  expect(parseHeader('udp sport 1 udp dport 2').flags).toBeUndefined();
});
