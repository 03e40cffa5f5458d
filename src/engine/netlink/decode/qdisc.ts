import type { LinkNames } from '../../../kinds/link-codec.ts';
import type { TcQdisc } from '../../../observe/live.ts';
import { AF_UNSPEC, RTM_GETQDISC } from '../constants.ts';
import { AttributeReader, requestHeader } from '../message.ts';
import { FULL, NETEM_LOSS, NS_PER_TICK, TBF, TCA, TCA_NETEM } from '../qdisc-constants.ts';
import type { NetlinkSocket } from '../socket.ts';

/** Size of struct tcmsg: family, ifindex, handle, parent, info. */
const HEADER_SIZE = 20;
const ROOT = 0xffffffff;
/** Size of struct tc_netem_qopt, behind which netem's attributes are. */
const NETEM_SIZE = 24;

/** The queueing disciplines of the socket's namespace, as `tc -j qdisc show` (iproute2 6.1) prints them. */
export function readQdiscs(socket: NetlinkSocket, names: LinkNames): TcQdisc[] {
  return socket.list(RTM_GETQDISC, requestHeader(HEADER_SIZE, AF_UNSPEC), (bytes, start, end) => {
    const parent = bytes.readUInt32LE(start + 12);
    const attributes = new AttributeReader(bytes, start + HEADER_SIZE, end);
    const kind = attributes.text(TCA.KIND) ?? '';
    const options = attributes.value(TCA.OPTIONS);
    return {
      kind,
      handle: `${(bytes.readUInt32LE(start + 8) >>> 16).toString(16)}:`,
      dev: names.nameOf(bytes.readInt32LE(start + 4)),
      ...(parent === ROOT ? { root: true } : parent === 0 ? {} : { parent: classId(parent) }),
      ...(options === undefined ? {} : { options: decodeOptions(kind, options) }),
    };
  });
}

function classId(value: number): string {
  const [major, minor] = [value >>> 16, value & 0xffff];
  return `${major === 0 ? '' : major.toString(16)}:${minor === 0 ? '' : minor.toString(16)}`;
}

function decodeOptions(kind: string, options: Buffer): Readonly<Record<string, unknown>> {
  if (kind === 'netem') return decodeNetem(options);
  return kind === 'tbf' ? decodeTbf(options) : {};
}

/** tc/q_netem.c of iproute2: only what is not zero is printed, times in seconds, shares as parts of one. */
function decodeNetem(options: Buffer): Readonly<Record<string, unknown>> {
  const [latency = 0, limit = 0, loss = 0, gap = 0, duplicate = 0, jitter = 0] = words(options, 0, 6);
  const attributes = new AttributeReader(options, NETEM_SIZE, options.length);
  const [delayCorrelation = 0, lossCorrelation = 0, duplicateCorrelation = 0] = words(
    attributes.value(TCA_NETEM.CORR),
  );
  const [reorder = 0, reorderCorrelation = 0] = words(attributes.value(TCA_NETEM.REORDER));
  const [corrupt = 0, corruptCorrelation = 0] = words(attributes.value(TCA_NETEM.CORRUPT));
  const delayTime = seconds(attributes.value(TCA_NETEM.LATENCY64), latency);
  const jitterTime = seconds(attributes.value(TCA_NETEM.JITTER64), jitter);
  const rate = rateOf(attributes);
  return {
    limit,
    ...(delayTime === 0 && jitterTime === 0
      ? {}
      : { delay: { delay: delayTime, jitter: jitterTime, correlation: delayCorrelation / FULL } }),
    ...decodeLoss(attributes.nested(TCA_NETEM.LOSS)),
    ...(loss === 0 ? {} : { 'loss-random': { loss: loss / FULL, correlation: lossCorrelation / FULL } }),
    ...(duplicate === 0
      ? {}
      : { duplicate: { duplicate: duplicate / FULL, correlation: duplicateCorrelation / FULL } }),
    ...(reorder === 0
      ? {}
      : { reorder: { reorder: reorder / FULL, correlation: reorderCorrelation / FULL } }),
    ...(corrupt === 0
      ? {}
      : { corrupt: { corrupt: corrupt / FULL, correlation: corruptCorrelation / FULL } }),
    ...(rate === 0 ? {} : { rate: { rate } }),
    gap,
  };
}

/** Of both forms of a time the one in nanoseconds, where the kernel gives it: since 4.15. */
function seconds(nanoseconds: Buffer | undefined, ticks: number): number {
  return (nanoseconds === undefined ? ticks * NS_PER_TICK : Number(nanoseconds.readBigInt64LE())) / 1e9;
}

function rateOf(attributes: AttributeReader): number {
  const large = attributes.value(TCA_NETEM.RATE64);
  return large === undefined
    ? (words(attributes.value(TCA_NETEM.RATE))[0] ?? 0)
    : Number(large.readBigUInt64LE());
}

function decodeLoss(loss: AttributeReader | undefined): Readonly<Record<string, unknown>> {
  const state = loss?.value(NETEM_LOSS.GI);
  if (state !== undefined) {
    const [p13 = 0, p31 = 0, p32 = 0, p14 = 0, p23 = 0] = words(state).map((word) => word / FULL);
    return { 'loss-state': { p13, p31, p32, p23, p14 } };
  }
  const gemodel = loss?.value(NETEM_LOSS.GE);
  if (gemodel === undefined) return {};
  const [p = 0, r = 0, h = 0, k = 0] = words(gemodel).map((word) => word / FULL);
  // The kernel has the chance that a packet gets through in the bad state.
  return { 'loss-gemodel': { p, r, '1-h': 1 - h, '1-k': k } };
}

/** tc/q_tbf.c: the burst as what is sent in its time, and the queue as the time that a packet waits at the most. */
function decodeTbf(options: Buffer): Readonly<Record<string, unknown>> {
  const attributes = new AttributeReader(options, 0, options.length);
  const parameters = attributes.value(TBF.PARMS);
  if (parameters === undefined) return {};
  const large = attributes.value(TBF.RATE64);
  const rate = large === undefined ? parameters.readUInt32LE(8) : Number(large.readBigUInt64LE());
  const [limit = 0, buffer = 0] = words(parameters, 24, 2);
  const time = Math.floor((buffer * NS_PER_TICK) / 1000);
  const burst = Math.floor((rate * time) / 1_000_000);
  return { rate, burst, lat: Math.max(0, Math.floor((1_000_000 * limit) / rate - time)) };
}

function words(bytes: Buffer | undefined, start = 0, count = (bytes?.length ?? 0) >> 2): number[] {
  return Array.from({ length: count }, (_, at) => bytes?.readUInt32LE(start + 4 * at) ?? 0);
}
