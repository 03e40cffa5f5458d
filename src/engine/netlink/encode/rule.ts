import { parseCidr } from '../../../lib/ip.ts';
import { protocolNumber } from '../../../lib/ip-protocol.ts';
import { addressBytes } from '../bytes.ts';
import {
  AF_INET,
  AF_INET6,
  FIB_RULE,
  FR_ACT,
  FRA,
  NLM_F_CREATE,
  NLM_F_EXCL,
  RTM_DELRULE,
  RTM_NEWRULE,
} from '../constants.ts';
import type { MessageWriter } from '../message.ts';
import { numberOf } from '../names.ts';
import type { Encode } from './encode.ts';

const verdicts: Readonly<Record<string, number>> = {
  blackhole: FR_ACT.BLACKHOLE,
  unreachable: FR_ACT.UNREACHABLE,
  prohibit: FR_ACT.PROHIBIT,
  nop: FR_ACT.NOP,
};

interface Prefix {
  readonly bytes: Buffer | undefined;
  readonly length: number;
}

interface ParsedRule {
  source: Prefix;
  target: Prefix;
  tos: number;
  table: number;
  action: number;
  flags: number;
  /** Writes the attributes that need no place in the header. */
  readonly attributes: ((writer: MessageWriter) => void)[];
}

/** `ip [-6] rule add|del …` (iproute2 6.1, iprule_modify in ip/iprule.c). */
export const encodeRule: Encode = (words, writer, sequence, _context, family) => {
  const [verb, ...rest] = words;
  if (verb !== 'add' && verb !== 'del') return false;
  const rule = parseRule(rest);
  if (rule === undefined) return false;
  const isNew = verb === 'add';
  writer.begin(isNew ? RTM_NEWRULE : RTM_DELRULE, isNew ? NLM_F_CREATE | NLM_F_EXCL : 0, sequence);
  writer.u8(family === 6 ? AF_INET6 : AF_INET);
  writer.u8(rule.target.length);
  writer.u8(rule.source.length);
  writer.u8(rule.tos);
  writer.u8(rule.table < 256 ? rule.table : 0);
  writer.u16(0);
  writer.u8(rule.action);
  writer.u32(rule.flags);
  if (rule.source.bytes !== undefined) writer.attributeBytes(FRA.SRC, rule.source.bytes);
  if (rule.target.bytes !== undefined) writer.attributeBytes(FRA.DST, rule.target.bytes);
  if (rule.table >= 256) writer.attributeU32(FRA.TABLE, rule.table);
  for (const write of rule.attributes) write(writer);
  writer.end();
  return true;
};

function parseRule(words: readonly string[]): ParsedRule | undefined {
  const rule: ParsedRule = {
    source: { bytes: undefined, length: 0 },
    target: { bytes: undefined, length: 0 },
    tos: 0,
    table: 0,
    action: FR_ACT.TO_TBL,
    flags: 0,
    attributes: [],
  };
  for (let at = 0; at < words.length; ) {
    const word = words[at] ?? '';
    const verdict = verdicts[word];
    if (verdict !== undefined) {
      rule.action = verdict;
      at += 1;
    } else if (word === 'not') {
      rule.flags |= FIB_RULE.INVERT;
      at += 1;
    } else if (word === 'l3mdev') {
      rule.attributes.push((writer) => writer.attributeU8(FRA.L3MDEV, 1));
      at += 1;
    } else {
      const value = words[at + 1];
      if (value === undefined || !readOption(rule, word, value)) return undefined;
      at += 2;
    }
  }
  return rule;
}

function readOption(rule: ParsedRule, word: string, value: string): boolean {
  const number = (attribute: number): boolean => {
    if (!/^\d+$/.test(value)) return false;
    rule.attributes.push((writer) => writer.attributeU32(attribute, Number(value)));
    return true;
  };
  switch (word) {
    case 'from':
    case 'to': {
      const prefix = readPrefix(value);
      if (prefix === undefined) return false;
      if (word === 'from') rule.source = prefix;
      else rule.target = prefix;
      return true;
    }
    case 'iif':
    case 'oif':
      rule.attributes.push((writer) =>
        writer.attributeText(word === 'iif' ? FRA.IIFNAME : FRA.OIFNAME, value),
      );
      return true;
    case 'fwmark':
      return readMark(rule, value);
    case 'tos':
      rule.tos = Number(value);
      return Number.isInteger(rule.tos) && rule.tos >= 0 && rule.tos <= 255;
    case 'table':
      rule.table = numberOf('rt_tables', value) ?? 0;
      return rule.table > 0;
    case 'goto':
      rule.action = FR_ACT.GOTO;
      return number(FRA.GOTO);
    case 'priority':
      return number(FRA.PRIORITY);
    case 'suppress_prefixlength':
      return number(FRA.SUPPRESS_PREFIXLEN);
    case 'protocol':
    case 'ipproto': {
      const found = word === 'protocol' ? numberOf('rt_protos', value) : protocolNumber(value);
      if (found === undefined) return false;
      rule.attributes.push((writer) =>
        writer.attributeU8(word === 'protocol' ? FRA.PROTOCOL : FRA.IP_PROTO, found),
      );
      return true;
    }
    case 'sport':
    case 'dport':
      return readRange(rule, word === 'sport' ? FRA.SPORT_RANGE : FRA.DPORT_RANGE, value, 2);
    case 'uidrange':
      return readRange(rule, FRA.UID_RANGE, value, 4);
    default:
      return false;
  }
}

function readPrefix(text: string): Prefix | undefined {
  if (text === 'all') return { bytes: undefined, length: 0 };
  const cidr = parseCidr(text);
  const bytes = addressBytes(cidr?.address ?? text);
  return bytes === undefined ? undefined : { bytes, length: cidr?.prefixLength ?? bytes.length * 8 };
}

function readMark(rule: ParsedRule, text: string): boolean {
  const [mark, mask, ...more] = text.split('/').map(Number);
  if (mark === undefined || !Number.isInteger(mark) || more.length > 0) return false;
  if (mask !== undefined && !Number.isInteger(mask)) return false;
  rule.attributes.push((writer) => {
    writer.attributeU32(FRA.FWMARK, mark);
    if (mask !== undefined) writer.attributeU32(FRA.FWMASK, mask);
  });
  return true;
}

/** Two numbers of two or four bytes each: struct fib_rule_port_range, struct fib_rule_uid_range. */
function readRange(rule: ParsedRule, attribute: number, text: string, size: 2 | 4): boolean {
  const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
  if (first === undefined) return false;
  const bytes = Buffer.alloc(size * 2);
  bytes.writeUIntLE(Number(first), 0, size);
  bytes.writeUIntLE(Number(last), size, size);
  rule.attributes.push((writer) => writer.attributeBytes(attribute, bytes));
  return true;
}
