import { parsePercent, parseRate, parseSize, parseTime } from '../../../lib/units.ts';
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, RTM_DELQDISC, RTM_NEWQDISC } from '../constants.ts';
import type { MessageWriter } from '../message.ts';
import {
  FULL,
  INGRESS_HANDLE,
  INGRESS_PARENT,
  NETEM_LOSS,
  NS_PER_TICK,
  ROOT_PARENT,
  TBF,
  TCA,
  TCA_NETEM,
} from '../qdisc-constants.ts';
import { distributionTable } from './distribution.ts';
import type { Encode } from './encode.ts';

const flags: Readonly<Record<string, number>> = {
  add: NLM_F_CREATE | NLM_F_EXCL,
  replace: NLM_F_CREATE | NLM_F_REPLACE,
  change: 0,
  del: 0,
};

/** A number of 32 bits and what goes with it stay below this. */
const MAX_U32 = 0xffffffff;

/** `tc qdisc add|replace|change|del dev NAME …` (iproute2 6.1, tc/tc_qdisc.c) for netem, tbf and ingress. */
export const encodeQdisc: Encode = (words, writer, sequence, context) => {
  const [verb = '', dev, name = '', ...rest] = words;
  const flag = flags[verb];
  const place = placeOf(rest);
  if (flag === undefined || dev !== 'dev' || place === undefined) return false;
  const { parent, handle, kind, options } = place;
  if ((kind === undefined) !== (verb === 'del')) return false;
  const index = context.ifindex(name);
  writer.begin(verb === 'del' ? RTM_DELQDISC : RTM_NEWQDISC, flag, sequence);
  writer.u32(0);
  writer.u32(index);
  writer.u32(handle);
  writer.u32(parent);
  writer.u32(0);
  if (kind !== undefined) {
    writer.attributeText(TCA.KIND, kind);
    if (!writeOptions(kind, options, writer)) return false;
  }
  writer.end();
  return true;
};

interface QdiscPlace {
  readonly parent: number;
  readonly handle: number;
  readonly kind: string | undefined;
  readonly options: readonly string[];
}

/** `ingress`, `root [handle H:]`, `parent C:M [handle H:]`, then the kind and its options. */
function placeOf(words: readonly string[]): QdiscPlace | undefined {
  const [first, second = ''] = words;
  if (first === 'ingress')
    return { parent: INGRESS_PARENT, handle: INGRESS_HANDLE, kind: 'ingress', options: [] };
  let at = first === 'root' ? 1 : 2;
  const parent = first === 'root' ? ROOT_PARENT : first === 'parent' ? classNumber(second) : undefined;
  if (parent === undefined) return undefined;
  let handle: number | undefined = 0;
  if (words[at] === 'handle') {
    handle = classNumber(words[at + 1] ?? '');
    at += 2;
  }
  if (handle === undefined) return undefined;
  return { parent, handle, kind: words[at], options: words.slice(at + 1) };
}

/** `7470:1`, both parts hexadecimal. */
function classNumber(text: string): number | undefined {
  const [, major, minor] = /^([0-9a-f]{1,4}):([0-9a-f]{0,4})$/.exec(text) ?? [];
  if (major === undefined) return undefined;
  return ((Number.parseInt(major, 16) << 16) | Number.parseInt(minor || '0', 16)) >>> 0;
}

function writeOptions(kind: string, words: readonly string[], writer: MessageWriter): boolean {
  if (kind === 'ingress') return words.length === 0;
  const options = kind === 'netem' ? parseNetem(words) : undefined;
  if (kind === 'netem') return options !== undefined && writeNetem(options, writer);
  return kind === 'tbf' && writeTbf(words, writer);
}

interface NetemOptions {
  limit: number;
  gap: number;
  /** Microseconds. */
  delay: number;
  jitter: number;
  distribution: string | undefined;
  /** Of 32 bits. */
  loss: number;
  duplicate: number;
  correlations: [delay: number, loss: number, duplicate: number];
  model: { readonly type: number; readonly chances: readonly number[] } | undefined;
  reorder: readonly number[];
  corrupt: readonly number[];
  /** Bytes in a second. */
  rate: number;
}

/** The words as discipline.ts writes them: each word with all that it takes. */
function parseNetem(words: readonly string[]): NetemOptions | undefined {
  const options: NetemOptions = {
    limit: 1000,
    gap: 0,
    delay: 0,
    jitter: 0,
    distribution: undefined,
    loss: 0,
    duplicate: 0,
    correlations: [0, 0, 0],
    model: undefined,
    reorder: [0, 0],
    corrupt: [0, 0],
    rate: 0,
  };
  for (let at = 0; at < words.length; ) {
    const used = takeNetemWord(words.slice(at), options);
    if (used === 0) return undefined;
    at += used;
  }
  if (options.reorder[0] !== 0 && options.gap === 0) options.gap = 1;
  return options;
}

/** Returns how many words it took, 0 where one is not known. */
function takeNetemWord([word = '', ...values]: readonly string[], options: NetemOptions): number {
  const [first = '', second = '', third = ''] = values;
  const share = fraction(first);
  const correlation = fraction(second);
  switch (word) {
    case 'limit':
    case 'gap':
      if (!/^\d+$/.test(first)) return 0;
      options[word] = Number(first);
      return 2;
    case 'delay': {
      const [delay, jitter, dependence] = [parseTime(first), parseTime(second), fraction(third)];
      if (delay === undefined || jitter === undefined || dependence === undefined) return 0;
      options.delay = delay;
      options.jitter = jitter;
      options.correlations[0] = dependence;
      return 4;
    }
    case 'distribution':
      options.distribution = first;
      return 2;
    case 'loss':
      return takeLoss(values, options);
    case 'duplicate':
      if (share === undefined || correlation === undefined) return 0;
      options.duplicate = share;
      options.correlations[2] = correlation;
      return 3;
    case 'corrupt':
    case 'reorder':
      if (share === undefined || correlation === undefined) return 0;
      options[word] = [share, correlation];
      return 3;
    case 'rate': {
      const bits = parseRate(first);
      if (bits === undefined) return 0;
      options.rate = Math.floor(bits / 8);
      return 2;
    }
    default:
      return 0;
  }
}

function takeLoss([model = '', ...values]: readonly string[], options: NetemOptions): number {
  const count = { random: 2, gemodel: 4, state: 5 }[model] ?? 0;
  const chances = values.slice(0, count).map(fraction);
  const numbers = chances.filter((chance) => chance !== undefined);
  if (count === 0 || numbers.length !== count) return 0;
  const [one = 0, two = 0, three = 0, four = 0, five = 0] = numbers;
  if (model === 'random') {
    options.loss = one;
    options.correlations[1] = two;
  } else if (model === 'gemodel') {
    // The kernel wants the chance that a packet gets through in the bad state.
    options.model = { type: NETEM_LOSS.GE, chances: [one, two, FULL - three, four] };
  } else {
    // struct tc_netem_gimodel: p13, p31, p32, p14, p23.
    options.model = { type: NETEM_LOSS.GI, chances: [one, two, three, five, four] };
  }
  return 2 + count;
}

/** A percentage as a number of 32 bits. */
function fraction(text: string): number | undefined {
  const percent = parsePercent(text);
  return percent === undefined ? undefined : Math.round((percent / 100) * FULL);
}

/**
 * struct tc_netem_qopt, then attributes without a nest of their own. The times are there twice: in ticks for kernels
 * before 4.15, and in nanoseconds.
 */
function writeNetem(options: NetemOptions, writer: MessageWriter): boolean {
  const { model, distribution, delay, jitter, rate } = options;
  const table = distribution === undefined ? undefined : distributionTable(distribution);
  if (distribution !== undefined && table === undefined) return false;
  writer.nest(TCA.OPTIONS, () => {
    for (const word of [
      ticks(delay),
      options.limit,
      options.loss,
      options.gap,
      options.duplicate,
      ticks(jitter),
    ])
      writer.u32(word);
    writer.attributeBytes(TCA_NETEM.CORR, words32(options.correlations));
    if (table !== undefined) writer.attributeBytes(TCA_NETEM.DELAY_DIST, table);
    writer.attributeBytes(TCA_NETEM.REORDER, words32(options.reorder));
    writer.attributeBytes(TCA_NETEM.CORRUPT, words32(options.corrupt));
    if (model !== undefined)
      writer.nest(TCA_NETEM.LOSS, () => writer.attributeBytes(model.type, words32(model.chances)));
    // struct tc_netem_rate: the rate, and overheads of a packet and of a cell.
    if (rate > MAX_U32) writer.attributeBytes(TCA_NETEM.RATE64, word64(rate));
    writer.attributeBytes(TCA_NETEM.RATE, words32([Math.min(rate, MAX_U32), 0, 0, 0]));
    writer.attributeBytes(TCA_NETEM.LATENCY64, word64(delay * 1000));
    writer.attributeBytes(TCA_NETEM.JITTER64, word64(jitter * 1000));
  });
  return true;
}

function ticks(microseconds: number): number {
  return Math.min(MAX_U32, Math.round((microseconds * 1000) / NS_PER_TICK));
}

function words32(values: readonly number[]): Buffer {
  return Buffer.from(Uint32Array.from(values).buffer);
}

function word64(value: number): Buffer {
  return Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
}

/** TC_LINKLAYER_ETHERNET: with it the kernel needs no table of transmission times (tbf_change in net/sched/sch_tbf.c). */
const ETHERNET = 1;
/** struct tc_tbf_qopt: the rate, the peak rate, limit, buffer, mtu; a rate is 12 bytes with the number itself last. */
const TBF_SIZE = 36;

function writeTbf(words: readonly string[], writer: MessageWriter): boolean {
  const [rateWord, rateText = '', burstWord, burstText = '', limitWord, limitText = '', ...more] = words;
  if (rateWord !== 'rate' || burstWord !== 'burst' || limitWord !== 'limit' || more.length > 0) return false;
  const [bits, burst, limit] = [parseRate(rateText), parseSize(burstText), parseSize(limitText)];
  if (bits === undefined || burst === undefined || limit === undefined) return false;
  const rate = Math.floor(bits / 8);
  const buffer = Math.min(MAX_U32, Math.ceil((burst / rate) * (1e9 / NS_PER_TICK)));
  const parameters = Buffer.alloc(TBF_SIZE);
  parameters[1] = ETHERNET;
  parameters.writeUInt32LE(Math.min(rate, MAX_U32), 8);
  parameters.writeUInt32LE(limit, 24);
  parameters.writeUInt32LE(buffer, 28);
  writer.nest(TCA.OPTIONS, () => {
    writer.attributeBytes(TBF.PARMS, parameters);
    writer.attributeBytes(TBF.BURST, words32([burst]));
    if (rate > MAX_U32) writer.attributeBytes(TBF.RATE64, word64(rate));
  });
  return true;
}
