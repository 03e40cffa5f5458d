import type { RunResult } from '../system/run.ts';
import type { Bounds, Check } from '../topology/model.ts';
import type { Attempt } from './attempt.ts';

export function pingArgv({ address, count, size, rtt }: Check): string[] {
  const sizeOptions = size === undefined ? [] : ['-s', String(size), '-M', 'do'];
  return ['ping', '-n', '-c', String(count), '-i', '0.2', '-W', patience(rtt), ...sizeOptions, address];
}

/**
 * How many seconds ping waits while nothing has come back at all; once something has, it waits twice the longest round
 * trip so far (iputils, ping_common.c, schedule_exit). A check that expects seconds must not be cut off after one.
 */
function patience(rtt: Bounds | undefined): string {
  const expected = rtt?.max ?? (rtt?.min ?? 0) * 2;
  return String(Math.max(1, Math.ceil(expected / 1000)));
}

/** Reads what iputils ping printed; without -q, because only then it prints ICMP errors. */
export function parsePing({ code, stdout, stderr }: RunResult, bounds: PingBounds = {}): Attempt {
  const summary = /^(\d+) packets transmitted, (\d+) received/m.exec(stdout);
  if (summary === null) return withoutSummary(code, stderr.trim().split('\n')[0] ?? '');
  const [sent, received] = [Number(summary[1]), Number(summary[2])];
  const average = /^rtt min\/avg\/max\/mdev = [\d.]+\/([\d.]+)\//m.exec(stdout)?.[1];
  if (received > 0) {
    // Packets too short for a time stamp have no round-trip time.
    const time = average === undefined ? undefined : formatMilliseconds(Number(average));
    const share = `${received} of ${sent} packets answered`;
    const lost = (100 * (sent - received)) / sent;
    if (bounds.loss === undefined ? lost > 0 : !isWithin(lost, bounds.loss))
      return {
        outcome: 'partly',
        detail: bounds.loss === undefined ? share : `${share}: ${lost.toFixed(0)}% lost`,
      };
    if (bounds.rtt !== undefined && !isWithin(Number(average), bounds.rtt))
      return { outcome: 'partly', detail: `round trip of ${time ?? 'unknown time'}${limits(bounds.rtt)}` };
    const answered = bounds.loss === undefined ? describe(sent, time) : `${share}, ${time ?? ''} average`;
    return { outcome: 'answered', detail: answered };
  }
  const reason =
    /^From \S+:? icmp_seq=\d+ (.+)$/m.exec(stdout)?.[1] ??
    /^ping: (?:local error: |sendmsg: )?(.+)$/m.exec(stderr)?.[1];
  return { outcome: 'silent', detail: reason ?? '' };
}

/** What the packets must keep to, beside that they are answered. */
export type PingBounds = Pick<Check, 'rtt' | 'loss'>;

function isWithin(value: number, { min, max }: Bounds): boolean {
  return (min === undefined || value >= min) && (max === undefined || value <= max);
}

function limits({ min, max }: Bounds): string {
  const words = [
    ...(min === undefined ? [] : [`at least ${min} ms`]),
    ...(max === undefined ? [] : [`at most ${max} ms`]),
  ];
  return `, which must be ${words.join(' and ')}`;
}

export function formatMilliseconds(milliseconds: number): string {
  return `${milliseconds < 10 ? milliseconds.toFixed(2) : milliseconds.toFixed(0)} ms`;
}

/** ping ends before it sends anything, either because the kernel has no way there or because it cannot work. */
function withoutSummary(code: number, line: string): Attempt {
  const refusal = /^ping: connect: (.+)$/.exec(line)?.[1];
  if (refusal !== undefined) return { outcome: 'silent', detail: refusal };
  // What ping makes of EACCES, which a prohibit route gives.
  if (line.includes('Do you want to ping broadcast?'))
    return { outcome: 'silent', detail: 'Permission denied' };
  return { outcome: 'broken', detail: line || `ping ended with exit code ${code}` };
}

function describe(packets: number, time: string | undefined): string {
  if (packets === 1) return time ?? '1 packet';
  return time === undefined ? `${packets} packets` : `${packets} packets, ${time} average`;
}
