import { expect, test } from 'vitest';
import { parsePing, pingArgv } from '../../../src/check/ping.ts';
import { checkOf } from '../../support/check-topology.ts';

const head = 'PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.\n';
const summary = (sent: number, received: number): string =>
  `\n--- 10.0.0.2 ping statistics ---\n${sent} packets transmitted, ${received} received, x% packet loss, time 0ms\n`;
const rtt = 'rtt min/avg/max/mdev = 0.047/0.051/0.204/0.072 ms\n';

test('the command has a size only where the check has one', () => {
  const check = checkOf({ kind: 'ping', from: 'a', address: '10.0.0.2', count: 3 });
  expect(pingArgv(check).join(' ')).toBe('ping -n -c 3 -i 0.2 -W 1 10.0.0.2');
  expect(pingArgv({ ...check, size: 1472 }).join(' ')).toBe(
    'ping -n -c 3 -i 0.2 -W 1 -s 1472 -M do 10.0.0.2',
  );
});

test.each([
  { rtt: { min: undefined, max: 60 }, seconds: '1' },
  { rtt: { min: 540, max: 2500 }, seconds: '3' },
  { rtt: { min: 1200, max: undefined }, seconds: '3' },
])('ping waits as long as the check allows a round trip: $rtt', ({ rtt, seconds }) => {
  const check = checkOf({ kind: 'ping', from: 'a', address: '10.0.0.2', count: 1 });
  expect(pingArgv({ ...check, rtt })).toEqual([
    'ping',
    '-n',
    '-c',
    '1',
    '-i',
    '0.2',
    '-W',
    seconds,
    '10.0.0.2',
  ]);
});

test.each([
  { says: 'one answer', code: 0, stdout: head + summary(1, 1) + rtt, outcome: 'answered', detail: '0.05 ms' },
  {
    says: 'all answers',
    code: 0,
    stdout: head + summary(3, 3) + rtt,
    outcome: 'answered',
    detail: '3 packets, 0.05 ms average',
  },
  {
    says: 'no time in a short packet',
    code: 0,
    stdout: head + summary(1, 1),
    outcome: 'answered',
    detail: '1 packet',
  },
  {
    says: 'too few answers',
    code: 0,
    stdout: head + summary(3, 1) + rtt,
    outcome: 'partly',
    detail: '1 of 3 packets answered',
  },
  { says: 'no answer', code: 1, stdout: head + summary(1, 0), outcome: 'silent', detail: '' },
  {
    says: 'an ICMP error',
    code: 1,
    stdout: `${head}From 10.0.0.1 icmp_seq=1 Destination Host Unreachable\n${summary(1, 0).replace('received,', 'received, +1 errors,')}`,
    outcome: 'silent',
    detail: 'Destination Host Unreachable',
  },
  {
    says: 'a packet that is too big',
    code: 1,
    stdout: head + summary(1, 0),
    stderr: 'ping: local error: message too long, mtu=1400\n',
    outcome: 'silent',
    detail: 'message too long, mtu=1400',
  },
  {
    says: 'no route',
    code: 2,
    stdout: '',
    stderr: 'ping: connect: Network is unreachable\n',
    outcome: 'silent',
    detail: 'Network is unreachable',
  },
  {
    says: 'a prohibit route',
    code: 2,
    stdout: '',
    stderr: 'ping: Do you want to ping broadcast? Then -b. If not, check your local firewall rules\n',
    outcome: 'silent',
    detail: 'Permission denied',
  },
  {
    says: 'a namespace that is gone',
    code: 1,
    stdout: '',
    stderr: 'nsenter: cannot open /run/netns/a: No such file or directory\n',
    outcome: 'broken',
    detail: 'nsenter: cannot open /run/netns/a: No such file or directory',
  },
])('reads $says', ({ code, stdout, stderr = '', outcome, detail }) => {
  expect(parsePing({ code, stdout, stderr })).toEqual({ outcome, detail });
});
