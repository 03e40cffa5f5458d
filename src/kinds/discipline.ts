import {
  formatPercent,
  formatRate,
  formatSize,
  formatTime,
  parsePercent,
  parseRate,
  parseSize,
  parseTime,
} from '../lib/units.ts';
import type { TcQdisc } from '../observe/live.ts';
import type { Distribution, ImpairmentSettings, LossModel } from '../topology/model.ts';
import type { Attributes, Value } from './resource.ts';

/**
 * netem does everything but bursts: its rate is that of a cable, where each packet takes its time. A rate alone is for
 * tbf, which more kernels have; both, where what is delayed or lost also goes in bursts: tbf outside, netem inside of it.
 */
export type Discipline = 'netem' | 'tbf' | 'tbf+netem';

/**
 * The handles say that a queueing discipline is ours, and what the kernel does not tell: the distribution, of which
 * netem_dump in net/sched/sch_netem.c says nothing. Another handle is another discipline, which takes the place of the
 * old one at once (qdisc_graft in net/sched/sch_api.c).
 */
const netemHandles: Readonly<Record<Distribution, string>> = {
  uniform: '7470:',
  normal: '7471:',
  pareto: '7472:',
  paretonormal: '7473:',
};
const TBF = '7478:';
const TBF_WITH_NETEM = '7479:';

const none = 'none';

/** The attributes of an interface that has none of it. */
const nothing: Attributes = {
  discipline: none,
  handle: '0:',
  delay: none,
  jitter: none,
  distribution: 'uniform',
  'delay-correlation': none,
  loss: none,
  'loss-correlation': none,
  duplicate: none,
  'duplicate-correlation': none,
  corrupt: none,
  'corrupt-correlation': none,
  reorder: none,
  'reorder-correlation': none,
  gap: 0,
  rate: none,
  burst: none,
  limit: 0,
  queue: none,
};

/** Every attribute that is compared. */
export const settingNames: readonly string[] = Object.keys(nothing);

/** Which disciplines it takes. */
export function disciplineOf(settings: ImpairmentSettings): Discipline {
  if (settings.burst === 0) return 'netem';
  const { delay, jitter, loss, duplicate, corrupt, reorder } = settings;
  const more = [delay, jitter, duplicate, corrupt, reorder].some((value) => value > 0) || loss !== 0;
  return more ? 'tbf+netem' : 'tbf';
}

export function toAttributes(settings: ImpairmentSettings): Attributes {
  const { distribution, loss, gap, rate, burst, limit, frame } = settings;
  const discipline = disciplineOf(settings);
  const percent = (value: number) => (value === 0 ? none : formatPercent(value));
  return {
    ...nothing,
    discipline,
    handle: rootHandle(discipline, distribution),
    delay: settings.delay === 0 ? none : formatTime(settings.delay),
    jitter: settings.jitter === 0 ? none : formatTime(settings.jitter),
    distribution,
    'delay-correlation': percent(settings.delayCorrelation),
    loss: typeof loss === 'number' ? percent(loss) : formatLoss(loss),
    'loss-correlation': percent(settings.lossCorrelation),
    duplicate: percent(settings.duplicate),
    'duplicate-correlation': percent(settings.duplicateCorrelation),
    corrupt: percent(settings.corrupt),
    'corrupt-correlation': percent(settings.corruptCorrelation),
    reorder: percent(settings.reorder),
    'reorder-correlation': percent(settings.reorderCorrelation),
    gap,
    rate: rate === 0 ? none : formatRate(rate),
    burst: burst === 0 ? none : formatSize(burst),
    ...(discipline === 'tbf' ? {} : { limit }),
    ...(discipline === 'netem' ? {} : { queue: formatSize(burst + limit * frame) }),
  };
}

function rootHandle(discipline: Discipline, distribution: Distribution): string {
  if (discipline === 'netem') return netemHandles[distribution];
  return discipline === 'tbf' ? TBF : TBF_WITH_NETEM;
}

const lossWords = {
  gemodel: ['p', 'r', '1-h', '1-k'],
  state: ['p13', 'p31', 'p32', 'p23', 'p14'],
} as const;

/** `gemodel p 1% r 10% 1-h 70% 1-k 0.1%` */
function formatLoss({ model, chances }: LossModel): string {
  return [model, ...lossWords[model].flatMap((word, at) => [word, formatPercent(chances[at] ?? 0)])].join(
    ' ',
  );
}

/** What the disciplines of one interface are; undefined where the kernel chose one itself. */
export function readDisciplines(qdiscs: readonly TcQdisc[]): Attributes | undefined {
  const root = qdiscs.find((qdisc) => qdisc.root === true);
  if (root === undefined || root.handle === '0:') return undefined;
  const inner = qdiscs.find(({ parent }) => parent === `${root.handle}1`);
  const netem = [root, inner].find((qdisc) => qdisc?.kind === 'netem');
  const discipline = inner === undefined ? root.kind : `${root.kind}+${inner.kind}`;
  return {
    ...nothing,
    discipline,
    handle: root.handle,
    ...(netem === undefined ? {} : readNetem(netem)),
    ...(root.kind === 'tbf' ? readTbf(root.options ?? {}) : {}),
  };
}

function readNetem({ handle, options = {} }: TcQdisc): Attributes {
  const { delay, loss, duplicate, corrupt, reorder, rate } = {
    delay: part(options, 'delay'),
    loss: part(options, 'loss-random'),
    duplicate: part(options, 'duplicate'),
    corrupt: part(options, 'corrupt'),
    reorder: part(options, 'reorder'),
    rate: part(options, 'rate'),
  };
  const known = Object.entries(netemHandles).find(([, own]) => own === handle);
  const bits = 8 * (rate['rate'] ?? 0);
  return {
    delay: time(delay['delay']),
    jitter: time(delay['jitter']),
    'delay-correlation': share(delay['correlation']),
    // Of one that was made by hand nothing is known.
    distribution: known?.[0] ?? 'unknown',
    loss: readLoss(options) ?? share(loss['loss']),
    'loss-correlation': share(loss['correlation']),
    duplicate: share(duplicate['duplicate']),
    'duplicate-correlation': share(duplicate['correlation']),
    corrupt: share(corrupt['corrupt']),
    'corrupt-correlation': share(corrupt['correlation']),
    reorder: share(reorder['reorder']),
    'reorder-correlation': share(reorder['correlation']),
    gap: Number(options['gap'] ?? 0),
    rate: bits === 0 ? none : formatRate(bits),
    limit: Number(options['limit']),
  };
}

function readTbf(options: Readonly<Record<string, unknown>>): Attributes {
  const [rate, burst] = [Number(options['rate'] ?? 0), Number(options['burst'] ?? 0)];
  const queue = burst + (Number(options['lat'] ?? 0) * rate) / 1_000_000;
  // tc cuts: 32kb come back as 32767.
  const whole = (burst + 1) % 1024 === 0 ? burst + 1 : burst;
  return { rate: formatRate(8 * rate), burst: formatSize(whole), queue: formatSize(Math.round(queue)) };
}

function part(options: Readonly<Record<string, unknown>>, name: string): Readonly<Record<string, number>> {
  return (options[name] ?? {}) as Readonly<Record<string, number>>;
}

/** tc prints seconds. */
function time(seconds = 0): string {
  return seconds === 0 ? none : formatTime(Math.round(seconds * 1_000_000));
}

/** tc prints a part of one. */
function share(fraction = 0): string {
  const percent = Math.round(fraction * 1_000_000) / 10_000;
  return percent === 0 ? none : formatPercent(percent);
}

function readLoss(options: Readonly<Record<string, unknown>>): string | undefined {
  for (const model of ['gemodel', 'state'] as const) {
    if (options[`loss-${model}`] === undefined) continue;
    const chances = part(options, `loss-${model}`);
    return formatLoss({
      model,
      chances: lossWords[model].map((word) => Math.round((chances[word] ?? 0) * 1_000_000) / 10_000),
    });
  }
  return undefined;
}

/**
 * Whether two values are the same as far as tc and the kernel keep them: tc prints six digits, times that went through
 * ticks of 64 ns cut to microseconds, and the burst as what the rate sends in such a time.
 */
export function sameSetting(attribute: string, wanted: Value, live: Value | undefined): boolean {
  if (wanted === live) return true;
  const [one, other] = [numberOf(attribute, wanted), numberOf(attribute, live)];
  if (one === undefined || other === undefined) return false;
  const difference = Math.abs(one - other);
  if (attribute === 'delay' || attribute === 'jitter') return difference <= Math.max(2, one * 1e-5);
  if (attribute === 'burst') return difference <= Math.max(128, one * 0.01);
  if (attribute === 'queue') return difference <= Math.max(1024, one * 0.02);
  if (attribute === 'rate') return difference < 8;
  return difference < 1e-4;
}

const readers: Readonly<Record<string, (text: string) => number | undefined>> = {
  delay: parseTime,
  jitter: parseTime,
  rate: parseRate,
  burst: parseSize,
  queue: parseSize,
};

function numberOf(attribute: string, value: Value | undefined): number | undefined {
  if (value === none) return 0;
  if (typeof value !== 'string') return undefined;
  return (readers[attribute] ?? parsePercent)(value);
}

/** Words of `tc qdisc`, behind `dev NAME`. */
export type Words = readonly string[];

/** What makes the disciplines, in place of those that are there. */
export function makingWords(attributes: Attributes): Words[] {
  const root = ['root', 'handle', String(attributes['handle'])];
  switch (attributes['discipline'] as Discipline) {
    case 'netem':
      return [[...root, ...netemWords(attributes, 'new')]];
    case 'tbf':
      return [[...root, ...tbfWords(attributes)]];
    case 'tbf+netem':
      return [
        [...root, ...tbfWords(attributes)],
        [...innerWords(attributes), ...netemWords(attributes, 'new')],
      ];
  }
}

/** What changes the disciplines that are there, without a packet lost that waits in them. */
export function changingWords(attributes: Attributes, changed: readonly string[]): Words[] {
  const root = ['root', 'handle', String(attributes['handle'])];
  if (attributes['discipline'] === 'netem') return [[...root, ...netemWords(attributes, 'old')]];
  const words: Words[] = [];
  if (changed.some((name) => shaping.has(name))) words.push([...root, ...tbfWords(attributes)]);
  if (changed.some((name) => !shaping.has(name)))
    words.push([...innerWords(attributes), ...netemWords(attributes, 'old')]);
  return words;
}

/** What tbf does, where there is one. */
const shaping: ReadonlySet<string> = new Set(['rate', 'burst', 'queue']);

/** Whether a change takes another discipline. */
export function takesAnother(changed: readonly string[]): boolean {
  return ['discipline', 'handle', 'distribution'].some((name) => changed.includes(name));
}

function innerWords({ distribution }: Attributes): Words {
  return ['parent', `${TBF_WITH_NETEM}1`, 'handle', netemHandles[distribution as Distribution]];
}

function tbfWords({ rate, burst, queue }: Attributes): Words {
  return ['tbf', 'rate', bits(rate), 'burst', bytes(burst), 'limit', bytes(queue)];
}

/** Every setting each time: what a change leaves out would stay (netem_change in net/sched/sch_netem.c). */
function netemWords(attributes: Attributes, target: 'new' | 'old'): Words {
  const { limit, distribution, gap, discipline } = attributes;
  const percent = (name: string) => (attributes[name] === none ? '0%' : String(attributes[name]));
  const microseconds = (name: string) =>
    attributes[name] === none ? '0us' : `${parseTime(String(attributes[name]))}us`;
  return [
    ...['netem', 'limit', String(limit)],
    ...['delay', microseconds('delay'), microseconds('jitter'), percent('delay-correlation')],
    // A change keeps the table.
    ...(target === 'new' && distribution !== 'uniform' ? ['distribution', String(distribution)] : []),
    ...lossArguments(String(attributes['loss']), percent),
    ...['duplicate', percent('duplicate'), percent('duplicate-correlation')],
    ...['corrupt', percent('corrupt'), percent('corrupt-correlation')],
    ...['reorder', percent('reorder'), percent('reorder-correlation')],
    ...(gap === 0 ? [] : ['gap', String(gap)]),
    ...['rate', discipline === 'netem' ? bits(attributes['rate']) : '0bit'],
  ];
}

function lossArguments(loss: string, percent: (name: string) => string): string[] {
  const [model = '', ...words] = loss.split(' ');
  if (model !== 'gemodel' && model !== 'state')
    return ['loss', 'random', percent('loss'), percent('loss-correlation')];
  return ['loss', model, ...words.filter((_, at) => at % 2 === 1)];
}

function bits(rate: Value | undefined): string {
  return `${rate === none ? 0 : parseRate(String(rate))}bit`;
}

function bytes(size: Value | undefined): string {
  return `${parseSize(String(size))}b`;
}
