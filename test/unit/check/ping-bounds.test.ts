import { expect, test } from 'vitest';
import { parsePing } from '../../../src/check/ping.ts';

const printed = (received: number, average: number) => ({
  code: 0,
  stdout: `--- 10.0.0.2 ping statistics ---\n10 packets transmitted, ${received} received, x% packet loss, time 0ms\nrtt min/avg/max/mdev = 1.0/${average}/9.0/0.1 ms\n`,
  stderr: '',
});
const bounds = (min?: number, max?: number) => ({ min, max });

test.each([
  [printed(10, 50), { rtt: bounds(40, 60) }, 'answered', '10 packets, 50 ms average'],
  [
    printed(10, 30),
    { rtt: bounds(40, 60) },
    'partly',
    'round trip of 30 ms, which must be at least 40 ms and at most 60 ms',
  ],
  [
    printed(10, 70),
    { rtt: bounds(undefined, 60) },
    'partly',
    'round trip of 70 ms, which must be at most 60 ms',
  ],
  [printed(7, 50), {}, 'partly', '7 of 10 packets answered'],
  [printed(7, 50), { loss: bounds(10, 50) }, 'answered', '7 of 10 packets answered, 50 ms average'],
  [printed(10, 50), { loss: bounds(10, 50) }, 'partly', '10 of 10 packets answered: 0% lost'],
  [printed(3, 50), { loss: bounds(undefined, 50) }, 'partly', '3 of 10 packets answered: 70% lost'],
] as const)('bounds %#', (result, limits, outcome, detail) => {
  expect(parsePing(result, limits)).toEqual({ outcome, detail });
});
