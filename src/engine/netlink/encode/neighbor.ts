import { addressBytes, macBytes } from '../bytes.ts';
import {
  AF_INET,
  AF_INET6,
  NDA,
  NLM_F_CREATE,
  NLM_F_REPLACE,
  NTF,
  RTM_DELNEIGH,
  RTM_NEWNEIGH,
} from '../constants.ts';
import { numberOf } from '../names.ts';
import type { Encode } from './encode.ts';

const NUD_PERMANENT = 0x80;

/**
 * `ip neigh replace|del [proxy] ADDRESS [lladdr MAC] dev NAME [router] [nud permanent] [protocol NUMBER]` (iproute2 6.1,
 * ipneigh_modify in ip/ipneigh.c).
 */
export const encodeNeighbor: Encode = (words, writer, sequence, context) => {
  const [verb, ...all] = words;
  if (verb !== 'replace' && verb !== 'del') return false;
  const isProxy = all[0] === 'proxy';
  const [address = '', ...rest] = isProxy ? all.slice(1) : all;
  const target = addressBytes(address);
  if (target === undefined) return false;
  let mac: Buffer | undefined;
  let dev: string | undefined;
  let protocol: number | undefined;
  let flags: number = isProxy ? NTF.PROXY : 0;
  for (let at = 0; at < rest.length; ) {
    const [word, value = ''] = [rest[at], rest[at + 1]];
    at += word === 'router' ? 1 : 2;
    if (word === 'router') flags |= NTF.ROUTER;
    else if (word === 'dev') dev = value;
    else if (word === 'lladdr') mac = macBytes(value);
    else if (word === 'protocol') protocol = numberOf('rt_protos', value);
    else if (word !== 'nud' || value !== 'permanent') return false;
  }
  if (dev === undefined || rest.includes('lladdr') !== (mac !== undefined)) return false;
  const index = context.ifindex(dev);
  const isNew = verb === 'replace';
  writer.begin(isNew ? RTM_NEWNEIGH : RTM_DELNEIGH, isNew ? NLM_F_CREATE | NLM_F_REPLACE : 0, sequence);
  writer.u32(target.length === 4 ? AF_INET : AF_INET6);
  writer.u32(index);
  writer.u16(NUD_PERMANENT);
  writer.u8(flags);
  writer.u8(0);
  writer.attributeBytes(NDA.DST, target);
  if (mac !== undefined) writer.attributeBytes(NDA.LLADDR, mac);
  if (protocol !== undefined) writer.attributeU8(NDA.PROTOCOL, protocol);
  writer.end();
  return true;
};
