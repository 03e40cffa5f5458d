/** A packet has a time to live of 64 hops. */
const MAX_HOPS = 60;
const SAMPLES = 4;

/** Pairs that a ping proves: some nodes over the whole shape, each with the farthest that a packet gets to. */
export function samplePairs(
  size: number,
  distancesOf: (node: number) => ArrayLike<number>,
): (readonly [number, number])[] {
  const pairs = new Map<string, readonly [number, number]>();
  for (let i = 0; i <= SAMPLES; i += 1) {
    const from = Math.round((i * (size - 1)) / SAMPLES);
    const distances = distancesOf(from);
    let to = -1;
    for (let node = 0; node < size; node += 1) {
      const distance = distances[node] ?? 0;
      if (distance > 0 && distance <= MAX_HOPS && distance > (to === -1 ? 0 : (distances[to] ?? 0)))
        to = node;
    }
    if (to !== -1) pairs.set([from, to].sort((a, b) => a - b).join(), [from, to]);
  }
  return [...pairs.values()];
}
