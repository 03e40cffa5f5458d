import { addressBits, formatIp, lastAddressOf, parseCidr } from '../../../lib/ip.ts';
import { addressBytes } from '../bytes.ts';
import {
  AF_INET,
  AF_INET6,
  IFA,
  IFA_F,
  NLM_F_CREATE,
  NLM_F_EXCL,
  RTM_DELADDR,
  RTM_NEWADDR,
} from '../constants.ts';
import type { Encode } from './command.ts';

const SCOPE_GLOBAL = 0;
const SCOPE_HOST = 254;

/** `ip address add|del ADDRESS/LENGTH dev NAME [nodad] [brd +]` (iproute2 6.1, ipaddr_modify in ip/ipaddress.c). */
export const encodeAddress: Encode = (words, writer, sequence, context) => {
  const [verb, text = '', dev, name = '', ...rest] = words;
  const cidr = parseCidr(text);
  const bytes = cidr === undefined ? undefined : addressBytes(cidr.address);
  if ((verb !== 'add' && verb !== 'del') || cidr === undefined || bytes === undefined || dev !== 'dev')
    return false;
  const options = rest.join(' ');
  if (!/^(nodad)? ?(brd \+)?$/.test(options)) return false;
  const isV4 = cidr.family === 4;
  const index = context.ifindex(name);
  writer.begin(
    verb === 'add' ? RTM_NEWADDR : RTM_DELADDR,
    verb === 'add' ? NLM_F_CREATE | NLM_F_EXCL : 0,
    sequence,
  );
  writer.u8(isV4 ? AF_INET : AF_INET6);
  writer.u8(cidr.prefixLength);
  writer.u8(options.includes('nodad') ? IFA_F.NODAD : 0);
  writer.u8(isV4 && bytes[0] === 127 ? SCOPE_HOST : SCOPE_GLOBAL);
  writer.u32(index);
  writer.attributeBytes(IFA.LOCAL, bytes);
  writer.attributeBytes(IFA.ADDRESS, bytes);
  if (options.includes('brd') && cidr.prefixLength < addressBits(cidr.family) - 1) {
    const broadcast = addressBytes(formatIp(lastAddressOf(cidr), cidr.family));
    if (broadcast !== undefined) writer.attributeBytes(IFA.BROADCAST, broadcast);
  }
  writer.end();
  return true;
};
