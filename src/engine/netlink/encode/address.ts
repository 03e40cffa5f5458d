import { addressBits, type Cidr, formatIp, lastAddressOf, parseCidr } from '../../../lib/ip.ts';
import { addressBytes } from '../bytes.ts';
import {
  AF_INET,
  AF_INET6,
  IFA,
  IFA_F,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  RTM_DELADDR,
  RTM_NEWADDR,
} from '../constants.ts';
import { numberOf } from '../names.ts';
import type { Encode } from './encode.ts';

const SCOPE_GLOBAL = 0;
const SCOPE_HOST = 254;

const FOREVER = 0xffffffff;
const verbs: Readonly<Record<string, readonly [type: number, flags: number]>> = {
  add: [RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL],
  change: [RTM_NEWADDR, NLM_F_REPLACE],
  del: [RTM_DELADDR, 0],
};

interface Options {
  flags: number;
  scope: number | undefined;
  label: string | undefined;
  /** `+`: the last address of the subnet. */
  broadcast: string | undefined;
  valid: number | undefined;
  preferred: number | undefined;
}

/**
 * `ip address add|change|del ADDRESS/LENGTH dev NAME …`, or `ADDRESS peer PEER/LENGTH` (iproute2 6.1, ipaddr_modify in
 * ip/ipaddress.c).
 */
export const encodeAddress: Encode = (words, writer, sequence, context) => {
  const [message, messageFlags] = verbs[words[0] ?? ''] ?? [];
  const hasPeer = words[2] === 'peer';
  const [dev, name = '', ...rest] = words.slice(hasPeer ? 4 : 2);
  const cidr = parseCidr(words[hasPeer ? 3 : 1] ?? '');
  const far = cidr === undefined ? undefined : addressBytes(cidr.address);
  const local = hasPeer ? addressBytes(words[1] ?? '') : far;
  if (message === undefined || messageFlags === undefined || dev !== 'dev') return false;
  if (cidr === undefined || far === undefined || local === undefined) return false;
  const options = readOptions(rest);
  if (options === undefined) return false;
  const isV4 = cidr.family === 4;
  const index = context.ifindex(name);
  writer.begin(message, messageFlags, sequence);
  writer.u8(isV4 ? AF_INET : AF_INET6);
  writer.u8(cidr.prefixLength);
  writer.u8(options.flags & 0xff);
  writer.u8(options.scope ?? (isV4 && local[0] === 127 ? SCOPE_HOST : SCOPE_GLOBAL));
  writer.u32(index);
  writer.attributeBytes(IFA.LOCAL, local);
  writer.attributeBytes(IFA.ADDRESS, far);
  if (options.flags > 0xff) writer.attributeU32(IFA.FLAGS, options.flags);
  if (options.label !== undefined) writer.attributeText(IFA.LABEL, options.label);
  const broadcast = broadcastBytes(options.broadcast, cidr);
  if (broadcast !== undefined) writer.attributeBytes(IFA.BROADCAST, broadcast);
  if (options.valid !== undefined || options.preferred !== undefined) {
    const times = Buffer.alloc(16);
    times.writeUInt32LE(options.preferred ?? FOREVER, 0);
    times.writeUInt32LE(options.valid ?? FOREVER, 4);
    writer.attributeBytes(IFA.CACHEINFO, times);
  }
  writer.end();
  return true;
};

function broadcastBytes(text: string | undefined, cidr: Cidr): Buffer | undefined {
  if (text === undefined) return undefined;
  if (text !== '+') return addressBytes(text);
  if (cidr.prefixLength >= addressBits(cidr.family) - 1) return undefined;
  return addressBytes(formatIp(lastAddressOf(cidr), cidr.family));
}

function readOptions(words: readonly string[]): Options | undefined {
  const options: Options = {
    flags: 0,
    scope: undefined,
    label: undefined,
    broadcast: undefined,
    valid: undefined,
    preferred: undefined,
  };
  for (let at = 0; at < words.length; ) {
    const [word = '', value = ''] = [words[at], words[at + 1]];
    if (word === 'nodad' || word === 'noprefixroute') {
      options.flags |= word === 'nodad' ? IFA_F.NODAD : IFA_F.NOPREFIXROUTE;
      at += 1;
      continue;
    }
    if (word === 'brd') options.broadcast = value;
    else if (word === 'label') options.label = value;
    else if (word === 'scope') options.scope = numberOf('rt_scopes', value);
    else if (word === 'valid_lft' || word === 'preferred_lft') {
      const seconds = value === 'forever' ? FOREVER : Number(value);
      if (!Number.isInteger(seconds)) return undefined;
      options[word === 'valid_lft' ? 'valid' : 'preferred'] = seconds;
    } else return undefined;
    at += 2;
  }
  return words.includes('scope') && options.scope === undefined ? undefined : options;
}
