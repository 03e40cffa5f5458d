import type { ImpairmentSettings } from '../../topology/model.ts';

/** A veth has no rate of its own: what its packets are taken to need, in bits in a second. */
const UNLIMITED = 1_000_000_000;
/** Packets that wait where no rate makes them wait: netem's own default, tc-netem(8). */
const WAITING = 1000;
/** With a rate, what is to wait is sent within 200 ms; but this many packets in any case. */
const LONGEST_WAIT = 0.2;
const FEWEST_WAITING = 64;

type Timing = Pick<ImpairmentSettings, 'delay' | 'jitter' | 'rate' | 'frame'>;

/**
 * How many packets netem has to hold: those that are on the way, and those that wait for their turn. Its own default of
 * 1000 drops packets of a fast and long link, and holds those of a slow one for many seconds.
 */
export function defaultLimit(timing: Timing): number {
  const { rate, frame } = timing;
  const waiting =
    rate === 0 ? WAITING : Math.max(FEWEST_WAITING, Math.ceil((rate * LONGEST_WAIT) / 8 / frame));
  return waiting + onTheWay(timing);
}

/** The fewest packets that a limit may be without losing some of a full link; of a rate that the file gives. */
export function limitNeeded(timing: Timing): number {
  return timing.rate === 0 ? 0 : onTheWay({ ...timing, jitter: 0 });
}

function onTheWay({ delay, jitter, rate, frame }: Timing): number {
  // Three times the jitter covers nearly all of a normal distribution.
  const seconds = (delay + 3 * jitter) / 1_000_000;
  return Math.ceil(((rate || UNLIMITED) / 8 / frame) * seconds);
}

/** What may go at once: 4 ms at the rate, so that the kernel's timer need not be exact, and at least two packets. */
export function defaultBurst(rate: number, frame: number): number {
  const bytes = Math.max(2 * frame, Math.ceil((rate / 8) * 0.004));
  return Math.ceil(bytes / 1024) * 1024;
}
