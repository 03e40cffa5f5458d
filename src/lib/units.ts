/** Numbers with their units as tc writes them: `50ms`, `0.1%`, `10mbit`, `32kb`. */

const timeUnits = { us: 1, ms: 1000, s: 1_000_000 } as const;
const rateUnits = { bit: 1, kbit: 1000, mbit: 1_000_000, gbit: 1_000_000_000 } as const;
const sizeUnits = { b: 1, kb: 1024, mb: 1024 * 1024 } as const;
const byteUnits = { ...sizeUnits, gb: 1024 ** 3, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3 } as const;

/** Microseconds; undefined where the text is no time. */
export function parseTime(text: string): number | undefined {
  return parseWith(text, timeUnits);
}

/** Bits in a second. */
export function parseRate(text: string): number | undefined {
  return parseWith(text, rateUnits);
}

/** Bytes. */
export function parseSize(text: string): number | undefined {
  return parseWith(text, sizeUnits);
}

/** Bytes of a file: plain ones, or with a unit, `10MB` and `10MiB` alike. */
export function parseBytes(text: string): number | undefined {
  return /^[0-9]+$/.test(text) ? Number(text) : parseWith(text, byteUnits);
}

/** In percent; what is behind the fourth decimal is lost in the JSON of tc. */
export function parsePercent(text: string): number | undefined {
  const value = parseWith(text, { '%': 1 }, (number) => Math.round(number * 10_000) / 10_000);
  return value === undefined || value > 100 ? undefined : value;
}

export function formatTime(microseconds: number): string {
  if (microseconds >= timeUnits.s && microseconds % timeUnits.s === 0)
    return `${microseconds / timeUnits.s}s`;
  return microseconds >= timeUnits.ms ? `${microseconds / timeUnits.ms}ms` : `${microseconds}us`;
}

/** With at most three decimals in its unit. */
export function formatRate(bits: number): string {
  for (const unit of ['gbit', 'mbit', 'kbit'] as const) {
    const size = rateUnits[unit];
    if (bits >= size && (bits * 1000) % size === 0) return `${bits / size}${unit}`;
  }
  return `${bits}bit`;
}

export function formatSize(bytes: number): string {
  for (const unit of ['mb', 'kb'] as const) {
    if (bytes >= sizeUnits[unit] && bytes % sizeUnits[unit] === 0) return `${bytes / sizeUnits[unit]}${unit}`;
  }
  return `${bytes}b`;
}

export function formatPercent(percent: number): string {
  return `${percent}%`;
}

function parseWith(
  text: string,
  units: Readonly<Record<string, number>>,
  round: (value: number) => number = Math.round,
): number | undefined {
  const [, number = '', unit = ''] = /^([0-9]+(?:\.[0-9]+)?) ?([a-z%]+)$/.exec(text.toLowerCase()) ?? [];
  const size = Object.hasOwn(units, unit) ? units[unit] : undefined;
  return size === undefined ? undefined : round(Number(number) * size);
}
