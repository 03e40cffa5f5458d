// Medians, and ratios between candidates.

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function summary(values) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** The median of the ratios, round by round, so that a drift of the machine's speed counts for both. */
export function ratio(values, base) {
  return median(values.map((value, index) => value / base[index]));
}

/** One figure of all rounds of a candidate's operation; undefined when it has no such operation. */
export function figures(samples, candidate, operation, figure) {
  const values = samples?.[candidate]?.map((round) => round[operation]?.[figure]) ?? [];
  return values.length === 0 || values.some((value) => value == null) ? undefined : values;
}

export function wallRatio(samples, operation, candidate, base) {
  const [values, baseline] = [candidate, base].map((key) => figures(samples, key, operation, 'wall'));
  return values === undefined || baseline === undefined ? undefined : ratio(values, baseline);
}

export function wallMedian(samples, operation, candidate) {
  const values = figures(samples, candidate, operation, 'wall');
  return values === undefined ? undefined : median(values);
}
