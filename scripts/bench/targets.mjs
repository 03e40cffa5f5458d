// The figures that the project has set itself: what was measured against each.
import { figures, ratio, wallMedian, wallRatio } from './statistics.mjs';

/** Each: what it is, how it is measured, and the limit that it must not pass. */
const targets = [
  wall('chain-1000', 'create', { ratioTo: 'script', atMost: 0.7 }),
  wall('chain-1000', 'create', { ratioTo: 'floor', atMost: 1.3 }),
  wall('chain-1000', 'plan', { atMost: 0.6 }),
  wall('chain-1000', 'plan', { fasterThan: 'ip', atLeast: 15 }),
  wall('chain-1000', 'change', { atMost: 0.7 }),
  wall('chain-1000', 'destroy', { atMost: 0.5 }),
  wall('chain-4000', 'create', { ratioTo: 'floor', atMost: 1.3 }),
  { what: 'chain-4000: peak memory of any operation, MB', atMost: 250, value: peak('chain-4000') },
  wall('linear-100', 'create', { fasterThan: 'mininet', atLeast: 20 }),
  { what: '`--version`, against an empty node process', atMost: 1.5, value: versionRatio },
];

const words = {
  create: 'create',
  plan: 'second plan',
  change: 'one address',
  destroy: 'destroy',
  script: 'the script',
  floor: 'the floor',
  ip: 'the ip engine',
  mininet: 'Mininet',
};

/**
 * → [{ what, limit, measured, reached, floor }]: `reached` is undefined for what this run did not measure, `floor` is what
 * the floor measures, undefined where that says nothing.
 */
export function judge(results) {
  return targets.map(({ what, atMost, atLeast, value, floor }) => {
    const measured = value(results);
    const limit = atMost ?? atLeast;
    const reached = atMost === undefined ? measured >= limit : measured <= limit;
    return {
      what: typeof what === 'function' ? what() : what,
      limit: `${atMost === undefined ? '≥' : '≤'} ${limit}`,
      measured,
      reached: measured === undefined ? undefined : reached,
      floor: floor?.(results),
    };
  });
}

function wall(name, operation, { ratioTo, fasterThan, ...limit }) {
  const of =
    (candidate) =>
    ({ cases }) => {
      const samples = cases.find(({ entry }) => entry.name === name)?.samples;
      if (ratioTo !== undefined) return wallRatio(samples, operation, candidate, ratioTo);
      if (fasterThan !== undefined) return wallRatio(samples, operation, fasterThan, candidate);
      return wallMedian(samples, operation, candidate);
    };
  return {
    ...limit,
    what: () => `${name}: ${words[operation]}, ${unit(ratioTo, fasterThan)}`,
    value: of('netlink'),
    ...(ratioTo === 'floor' ? {} : { floor: of('floor') }),
  };
}

function unit(ratioTo, fasterThan) {
  if (ratioTo !== undefined) return `against ${words[ratioTo]}`;
  return fasterThan === undefined ? 's' : `times faster than ${words[fasterThan]}`;
}

function peak(name) {
  return ({ cases }) => {
    const samples = cases.find(({ entry }) => entry.name === name)?.samples;
    const values = ['create', 'plan', 'change', 'destroy'].flatMap(
      (operation) => figures(samples, 'netlink', operation, 'peak') ?? [],
    );
    return values.length === 0 ? undefined : Math.max(...values);
  };
}

function versionRatio({ start }) {
  const walls = (name) => start[name].map(({ wall: seconds }) => seconds);
  return ratio(walls('--version'), walls('an empty node process'));
}
