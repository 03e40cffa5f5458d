import type { Impairment as RawImpairment } from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { formatSize, parsePercent, parseRate, parseSize, parseTime } from '../../lib/units.ts';
import type { Distribution, ImpairmentSettings, LossModel } from '../../topology/model.ts';
import type { Report } from '../normalize/problem.ts';
import { defaultBurst, defaultLimit, limitNeeded } from './defaults.ts';

/** A value of the file, and the pointer of it. */
export interface RawValue {
  readonly value: unknown;
  readonly at: string;
}

export type RawValues = ReadonlyMap<string, RawValue>;

/** The keys of an impairment, in the order of the documentation. */
export const impairmentKeys = [
  'delay',
  'jitter',
  'distribution',
  'delay-correlation',
  'loss',
  'loss-correlation',
  'duplicate',
  'duplicate-correlation',
  'corrupt',
  'corrupt-correlation',
  'reorder',
  'reorder-correlation',
  'gap',
  'rate',
  'burst',
  'limit',
] as const satisfies readonly (keyof RawImpairment)[];

export function isImpairmentKey(name: string): boolean {
  return (impairmentKeys as readonly string[]).includes(name);
}

type Key = (typeof impairmentKeys)[number];

/** tc and the kernel count the delay in ticks of 64 ns with 32 bits (PSCHED_SHIFT in include/net/pkt_sched.h). */
const LONGEST_DELAY = 274_000_000;

const examples = { time: '50ms', percent: '0.1%', rate: '10mbit', size: '32kb' } as const;
type Unit = keyof typeof examples;

const units: Partial<Record<Key, Unit>> = {
  delay: 'time',
  jitter: 'time',
  rate: 'rate',
  burst: 'size',
};

/** What has no effect without another key. */
const needed: readonly (readonly [key: Key, needs: Key])[] = [
  ['distribution', 'jitter'],
  ['delay-correlation', 'jitter'],
  ['loss-correlation', 'loss'],
  ['duplicate-correlation', 'duplicate'],
  ['corrupt-correlation', 'corrupt'],
  ['reorder-correlation', 'reorder'],
  ['reorder', 'delay'],
  ['gap', 'reorder'],
  ['burst', 'rate'],
];

/** The keys of an impairment among those of a map, with their places; those of `over` win. */
export function collectValues(
  raw: object | null | undefined,
  base: string,
  under: RawValues = new Map(),
): RawValues {
  const values = new Map(under);
  for (const key of impairmentKeys) {
    const value = (raw as Readonly<Record<string, unknown>> | null | undefined)?.[key];
    if (value !== undefined) values.set(key, { value, at: `${base}/${key}` });
  }
  return values;
}

/**
 * The canonical form, with the rest derived; what cannot be taken is reported.
 *
 * @param mtu that of the interface: a packet must fit into the burst.
 */
export function expandImpairment(
  values: RawValues,
  { mtu, report }: { readonly mtu: number; readonly report: Report },
): ImpairmentSettings {
  const read = new Reader(values, report);
  for (const [key, needs] of needed) {
    if (values.has(key) && !values.has(needs)) read.fail(key, `'${key}' has no effect without '${needs}'`);
  }
  const loss = read.loss();
  if (typeof loss !== 'number' && values.has('loss-correlation'))
    read.fail('loss-correlation', "a loss model has no 'loss-correlation'");
  const [delay, jitter] = [read.number('delay'), read.number('jitter')];
  const reorder = read.number('reorder');
  const frame = frameSize(mtu);
  const parts = {
    delay,
    jitter,
    distribution: (values.get('distribution')?.value ?? 'uniform') as Distribution,
    delayCorrelation: read.number('delay-correlation'),
    loss,
    lossCorrelation: read.number('loss-correlation'),
    duplicate: read.number('duplicate'),
    duplicateCorrelation: read.number('duplicate-correlation'),
    corrupt: read.number('corrupt'),
    corruptCorrelation: read.number('corrupt-correlation'),
    reorder,
    reorderCorrelation: read.number('reorder-correlation'),
    gap: reorder === 0 ? 0 : Number(values.get('gap')?.value ?? 1),
    rate: read.number('rate'),
    burst: read.number('burst'),
    frame,
  };
  checkTimes(read, parts);
  const burst = checkRate(read, parts, mtu);
  const limit = Number(values.get('limit')?.value ?? defaultLimit(parts));
  checkLimit(read, { ...parts, limit });
  return { ...parts, burst, limit };
}

/** An Ethernet header, and one VLAN tag, before the packet. */
export function frameSize(mtu: number): number {
  return mtu + 18;
}

type Parts = Omit<ImpairmentSettings, 'limit'>;

function checkTimes(read: Reader, { delay, jitter }: Parts): void {
  for (const [key, value] of [
    ['delay', delay],
    ['jitter', jitter],
  ] as const) {
    if (value > LONGEST_DELAY)
      read.fail(key, `${key} ${read.text(key)} is longer than the kernel takes, 274s`);
  }
  if (jitter > delay && read.has('jitter'))
    read.warn(
      'jitter',
      `jitter ${read.text('jitter')} is more than the delay ${read.has('delay') ? read.text('delay') : '0ms'}: packets cannot be early, so the delay is longer on average`,
    );
}

/** The burst: that of the file, one that is derived where nothing but the rate is wanted, or none. */
function checkRate(read: Reader, parts: Parts, mtu: number): number {
  const { rate, burst, frame } = parts;
  if (rate > 0 && rate < 8 && read.has('rate'))
    read.fail('rate', `rate ${read.text('rate')} is less than one byte in a second`);
  if (!read.has('burst')) return rate > 0 && !needsNetem(parts) ? defaultBurst(rate, frame) : 0;
  if (burst >= frame) return burst;
  read.fail(
    'burst',
    `burst ${read.text('burst')} is smaller than a packet, and each one would be dropped; mtu ${mtu} takes ${formatSize(frame)}`,
    'leave burst out: then it is derived from the rate',
  );
  return frame;
}

function checkLimit(read: Reader, settings: ImpairmentSettings): void {
  const least = limitNeeded(settings);
  if (!read.has('limit') || settings.limit >= least) return;
  read.warn(
    'limit',
    `limit ${settings.limit} is less than the ${least} packets that are on the way at this rate and delay; the others are dropped`,
    'leave limit out: then it is derived',
  );
}

/** Whether there is more than a rate. */
export function needsNetem({
  delay,
  jitter,
  loss,
  duplicate,
  corrupt,
  reorder,
}: Pick<ImpairmentSettings, 'delay' | 'jitter' | 'loss' | 'duplicate' | 'corrupt' | 'reorder'>): boolean {
  return [delay, jitter, duplicate, corrupt, reorder].some((value) => value > 0) || loss !== 0;
}

/** Reads the values of one impairment; a wrong one is reported and counts as none. */
class Reader {
  readonly #values: RawValues;
  readonly #report: Report;
  readonly #failed = new Set<string>();

  constructor(values: RawValues, report: Report) {
    this.#values = values;
    this.#report = report;
  }

  /** Whether there is such a value, and a right one. */
  has(key: Key): boolean {
    return this.#values.has(key) && !this.#failed.has(key);
  }

  text(key: Key): string {
    return String(this.#values.get(key)?.value);
  }

  fail(key: Key, message: string, help?: string): void {
    this.#failed.add(key);
    const part = message.startsWith(`'${key}'`) ? 'key' : 'value';
    this.#tell(this.#values.get(key)?.at ?? '', { message, part, ...(help === undefined ? {} : { help }) });
  }

  warn(key: Key, message: string, help?: string): void {
    this.#report({
      severity: 'warning',
      code: 'impairment',
      message,
      place: { pointer: this.#values.get(key)?.at ?? '', part: 'value' },
      ...(help === undefined ? {} : { help }),
    });
  }

  /** In the unit of the model; 0 where there is none. */
  number(key: Key): number {
    const raw = this.#values.get(key);
    if (raw === undefined) return 0;
    const value = this.#parse(key, raw, units[key] ?? 'percent');
    if (value === undefined) this.#failed.add(key);
    return value ?? 0;
  }

  loss(): number | LossModel {
    const raw = this.#values.get('loss');
    if (raw === undefined || typeof raw.value === 'string') return this.number('loss');
    const models = raw.value as NonNullable<Exclude<RawImpairment['loss'], string>>;
    const { gemodel, state } = models;
    if ((gemodel === undefined) === (state === undefined)) {
      this.fail('loss', 'a loss model is one of gemodel and state');
      return 0;
    }
    const chance = (text: string | undefined, name: string, preset: number) =>
      text === undefined
        ? preset
        : (this.#parse(
            name,
            { value: text, at: `${raw.at}/${gemodel ? 'gemodel' : 'state'}/${name}` },
            'percent',
          ) ?? preset);
    if (gemodel !== undefined) {
      const p = chance(gemodel.p, 'p', 0);
      const r = chance(gemodel.r, 'r', rest(p));
      return {
        model: 'gemodel',
        chances: [p, r, chance(gemodel['1-h'], '1-h', 100), chance(gemodel['1-k'], '1-k', 0)],
      };
    }
    const p13 = chance(state?.p13, 'p13', 0);
    const p31 = chance(state?.p31, 'p31', rest(p13));
    const p32 = chance(state?.p32, 'p32', 0);
    return {
      model: 'state',
      chances: [p13, p31, p32, chance(state?.p23, 'p23', 100), chance(state?.p14, 'p14', 0)],
    };
  }

  #parse(name: string, { value, at }: RawValue, unit: Unit): number | undefined {
    const text = String(value);
    const number = parsers[unit](text);
    // What is written as more than nothing must not become nothing.
    if (number !== undefined && !(number === 0 && /[1-9]/.test(text))) return number;
    this.#tell(at, { message: explain(name, text, unit), part: 'value' });
    return undefined;
  }

  #tell(at: string, { message, part, help }: { message: string; part: Place['part']; help?: string }): void {
    this.#report({
      code: 'impairment',
      message,
      place: { pointer: at, part },
      ...(help === undefined ? {} : { help }),
    });
  }
}

const parsers: Readonly<Record<Unit, (text: string) => number | undefined>> = {
  time: parseTime,
  percent: parsePercent,
  rate: parseRate,
  size: parseSize,
};

function explain(name: string, text: string, unit: Unit): string {
  const what = { time: 'a time', percent: 'a share', rate: 'a rate', size: 'a size' }[unit];
  const such = `write one such as ${examples[unit]}`;
  const isNumber = /^[0-9]+(\.[0-9]+)?$/.test(text);
  if (unit === 'percent' && /^[0-9.]+ ?%$/.test(text)) {
    return Number.parseFloat(text) > 100
      ? `'${name}' is ${text}; at most 100%`
      : `'${name}' is ${text}; the smallest is 0.0001%`;
  }
  if (unit === 'rate' && /^[0-9.]+ ?[kmgt]?i?bp?s$/i.test(text))
    return `'${text}' is not a rate: in tc, bps is bytes in a second; write bits, such as ${examples.rate}`;
  if (isNumber) return `'${name}' is ${text} without a unit; ${such}`;
  return `'${text}' is not ${what}; ${such}`;
}

function rest(percent: number): number {
  return Math.round((100 - percent) * 10_000) / 10_000;
}
