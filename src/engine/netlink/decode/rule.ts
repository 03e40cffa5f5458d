import { readAddress } from '../bytes.ts';
import { AF_INET, AF_INET6, RTM_GETRULE } from '../constants.ts';
import { AttributeReader, requestHeader } from '../message.ts';
import { nameOf } from '../names.ts';
import type { NetlinkSocket } from '../socket.ts';

/** A rule of the routing policy, as `ip -j -d rule show` prints it. */
export interface IpRule {
  readonly priority: number;
  /** `all` or an address, with `srclen` where it is a prefix. */
  readonly src: string;
  readonly srclen?: number;
  readonly dst?: string;
  readonly dstlen?: number;
  readonly iif?: string;
  readonly oif?: string;
  /** Hexadecimal. */
  readonly fwmark?: string;
  readonly fwmask?: string;
  readonly table?: string;
  readonly action?: string;
  readonly protocol?: string;
}

/** linux/fib_rules.h. */
const FRA = {
  DST: 1,
  SRC: 2,
  IIFNAME: 3,
  PRIORITY: 6,
  FWMARK: 10,
  TABLE: 15,
  FWMASK: 16,
  OIFNAME: 17,
  PROTOCOL: 21,
} as const;

/** Size of struct fib_rule_hdr: family, lengths, tos, table, two reserved, action, flags. */
const HEADER_SIZE = 12;
const TO_TABLE = 1;
const actions: Readonly<Record<number, string>> = {
  3: 'nop',
  6: 'blackhole',
  7: 'unreachable',
  8: 'prohibit',
};

/** The rules of one family, in the order of their priority. */
export function readRules(socket: NetlinkSocket, family: 4 | 6): IpRule[] {
  const header = requestHeader(HEADER_SIZE, family === 4 ? AF_INET : AF_INET6);
  return socket.list(RTM_GETRULE, header, decodeRule);
}

function decodeRule(bytes: Buffer, start: number, end: number): IpRule {
  const attributes = new AttributeReader(bytes, start + HEADER_SIZE, end);
  const bits = bytes[start] === AF_INET ? 32 : 128;
  const [source, target] = [attributes.value(FRA.SRC), attributes.value(FRA.DST)];
  const [iif, oif] = [attributes.text(FRA.IIFNAME), attributes.text(FRA.OIFNAME)];
  const [mark = 0, mask] = [attributes.u32(FRA.FWMARK), attributes.u32(FRA.FWMASK)];
  const action = bytes[start + 7] ?? 0;
  const protocol = attributes.u8(FRA.PROTOCOL);
  return {
    priority: attributes.u32(FRA.PRIORITY) ?? 0,
    ...(source === undefined
      ? { src: 'all' }
      : { src: readAddress(source), ...length('srclen', bytes[start + 2], bits) }),
    ...(target === undefined
      ? {}
      : { dst: readAddress(target), ...length('dstlen', bytes[start + 1], bits) }),
    ...(mark === 0 && (mask ?? 0) === 0 ? {} : { fwmark: hex(mark) }),
    ...(mask === undefined || mask === 0xffffffff || (mark === 0 && mask === 0) ? {} : { fwmask: hex(mask) }),
    ...(iif === undefined ? {} : { iif }),
    ...(oif === undefined ? {} : { oif }),
    ...(action === TO_TABLE ? { table: tableName(attributes, bytes[start + 4] ?? 0) } : {}),
    ...(actions[action] === undefined ? {} : { action: actions[action] }),
    ...(protocol === undefined ? {} : { protocol: nameOf('rt_protos', protocol) }),
  };
}

function length(name: 'srclen' | 'dstlen', value: number | undefined, bits: number): object {
  return value === undefined || value === bits ? {} : { [name]: value };
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

function tableName(attributes: AttributeReader, fallback: number): string {
  return nameOf('rt_tables', attributes.u32(FRA.TABLE) ?? fallback);
}
