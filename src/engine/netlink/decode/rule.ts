import { protocolName } from '../../../lib/ip-protocol.ts';
import type { IpRule } from '../../../observe/live.ts';
import { readAddress } from '../bytes.ts';
import { AF_INET, AF_INET6, AF_UNSPEC, FIB_RULE, FR_ACT, FRA, RTM_GETRULE } from '../constants.ts';
import { AttributeReader, requestHeader } from '../message.ts';
import { nameOf, tosName } from '../names.ts';
import type { NetlinkSocket } from '../socket.ts';

/** Size of struct fib_rule_hdr: family, lengths, tos, table, two reserved, action, flags. */
const HEADER_SIZE = 12;
const NO_LIMIT = 0xffffffff;
const actions: Readonly<Record<number, string>> = {
  [FR_ACT.BLACKHOLE]: 'blackhole',
  [FR_ACT.UNREACHABLE]: 'unreachable',
  [FR_ACT.PROHIBIT]: 'prohibit',
};

type MutableRule = { -readonly [Key in keyof IpRule]: IpRule[Key] };

/** What one message says: the kernel's own rules are the same bytes in each namespace, and there are thousands of them. */
const decoded = new Map<string, IpRule>();
const MOST_DECODED = 1000;

/** The rules of both families, each in the order of their priority. */
export function readRules(socket: NetlinkSocket): IpRule[] {
  const all = socket.list(RTM_GETRULE, requestHeader(HEADER_SIZE, AF_UNSPEC), (bytes, start, end) => {
    const family = bytes[start];
    // Those of multicast routing have tables and rules of their own.
    if (family !== AF_INET && family !== AF_INET6) return undefined;
    const key = bytes.toString('latin1', start, end);
    const known = decoded.get(key);
    if (known !== undefined) return known;
    const rule: IpRule = { ...decodeRule(bytes, start, end), family: family === AF_INET ? 4 : 6 };
    if (decoded.size >= MOST_DECODED) decoded.clear();
    decoded.set(key, rule);
    return rule;
  });
  return all.some(({ family }, index) => family === 4 && all[index - 1]?.family === 6)
    ? [...all.filter(({ family }) => family === 4), ...all.filter(({ family }) => family === 6)]
    : all;
}

/** As `ip -j -d rule show` prints it (iproute2 6.1, print_rule in ip/iprule.c). */
function decodeRule(bytes: Buffer, start: number, end: number): IpRule {
  const attributes = new AttributeReader(bytes, start + HEADER_SIZE, end);
  const bits = bytes[start] === AF_INET ? 32 : 128;
  const flags = bytes.readUInt32LE(start + 8);
  const rule: MutableRule = { priority: attributes.u32(FRA.PRIORITY) ?? 0, src: 'all' };
  if ((flags & FIB_RULE.INVERT) !== 0) rule.not = null;
  const [source, target] = [attributes.value(FRA.SRC), attributes.value(FRA.DST)];
  const [sourceLength = 0, targetLength = 0] = [bytes[start + 2], bytes[start + 1]];
  if (source !== undefined) rule.src = readAddress(source);
  if (source !== undefined && sourceLength !== bits) rule.srclen = sourceLength;
  if (target !== undefined) rule.dst = readAddress(target);
  if (target !== undefined && targetLength !== bits) rule.dstlen = targetLength;
  addSelectors(rule, attributes, flags);
  const tos = bytes[start + 3] ?? 0;
  if (tos !== 0) rule.tos = tosName(tos);
  addAction(rule, attributes, { action: bytes[start + 7] ?? 0, flags, table: bytes[start + 4] ?? 0 });
  const protocol = attributes.u8(FRA.PROTOCOL);
  if (protocol !== undefined) rule.protocol = nameOf('rt_protos', protocol);
  return rule;
}

function addSelectors(rule: MutableRule, attributes: AttributeReader, flags: number): void {
  const [mark = 0, mask] = [attributes.u32(FRA.FWMARK), attributes.u32(FRA.FWMASK)];
  if (mark !== 0 || (mask ?? 0) !== 0) {
    rule.fwmark = hex(mark);
    if (mask !== undefined && mask !== 0xffffffff) rule.fwmask = hex(mask);
  }
  const [iif, oif] = [attributes.text(FRA.IIFNAME), attributes.text(FRA.OIFNAME)];
  if (iif !== undefined) rule.iif = iif;
  if (iif !== undefined && (flags & FIB_RULE.IIF_DETACHED) !== 0) rule.iif_detached = null;
  if (oif !== undefined) rule.oif = oif;
  if (oif !== undefined && (flags & FIB_RULE.OIF_DETACHED) !== 0) rule.oif_detached = null;
  const users = attributes.value(FRA.UID_RANGE);
  if (users !== undefined) {
    rule.uid_start = users.readUInt32LE(0);
    rule.uid_end = users.readUInt32LE(4);
  }
  const protocol = attributes.u8(FRA.IP_PROTO);
  if (protocol !== undefined) rule.ipproto = protocolName(protocol);
  const [sport, dport] = [attributes.value(FRA.SPORT_RANGE), attributes.value(FRA.DPORT_RANGE)];
  if (sport !== undefined) {
    const [first, last] = [sport.readUInt16LE(0), sport.readUInt16LE(2)];
    if (first === last) rule.sport = first;
    else Object.assign(rule, { sport_start: first, sport_end: last });
  }
  if (dport !== undefined) {
    const [first, last] = [dport.readUInt16LE(0), dport.readUInt16LE(2)];
    if (first === last) rule.dport = first;
    else Object.assign(rule, { dport_start: first, dport_end: last });
  }
}

interface Action {
  readonly action: number;
  readonly flags: number;
  /** Of the header, which has one byte for it. */
  readonly table: number;
}

function addAction(rule: MutableRule, attributes: AttributeReader, { action, flags, table }: Action): void {
  if ((attributes.u8(FRA.L3MDEV) ?? 0) !== 0) rule.l3mdev = null;
  const number = attributes.u32(FRA.TABLE) ?? table;
  if (number !== 0) {
    rule.table = nameOf('rt_tables', number);
    const length = attributes.u32(FRA.SUPPRESS_PREFIXLEN) ?? NO_LIMIT;
    if (length !== NO_LIMIT) rule.suppress_prefixlen = length;
    const group = attributes.u32(FRA.SUPPRESS_IFGROUP) ?? NO_LIMIT;
    if (group !== NO_LIMIT) rule.suppress_ifgroup = nameOf('group', group);
  }
  if (action === FR_ACT.GOTO) {
    rule.goto = attributes.u32(FRA.GOTO) ?? 0;
    if ((flags & FIB_RULE.UNRESOLVED) !== 0) rule.unresolved = null;
  } else if (action === FR_ACT.NOP) rule.nop = null;
  else if (actions[action] !== undefined) rule.action = actions[action];
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
