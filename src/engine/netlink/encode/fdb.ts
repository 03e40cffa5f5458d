import { addressBytes, macBytes } from '../bytes.ts';
import {
  AF_BRIDGE,
  NDA,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_REPLACE,
  RTM_DELNEIGH,
  RTM_NEWNEIGH,
} from '../constants.ts';
import type { Encode } from './command.ts';

const NUD_PERMANENT = 0x80;
const NTF_SELF = 0x02;

/** `bridge fdb append|replace|del MAC dev NAME dst ADDRESS` (iproute2 6.1, fdb_modify in bridge/fdb.c). */
export const encodeFdb: Encode = (words, writer, sequence, context) => {
  const [verb, mac = '', dev, name = '', dst, peer = '', ...rest] = words;
  const [macAddress, destination] = [macBytes(mac), addressBytes(peer)];
  if (
    (verb !== 'append' && verb !== 'replace' && verb !== 'del') ||
    dev !== 'dev' ||
    dst !== 'dst' ||
    rest.length > 0
  )
    return false;
  if (macAddress === undefined || destination === undefined) return false;
  const index = context.ifindex(name);
  const isNew = verb !== 'del';
  const how = NLM_F_CREATE | (verb === 'append' ? NLM_F_APPEND : NLM_F_REPLACE);
  writer.begin(isNew ? RTM_NEWNEIGH : RTM_DELNEIGH, isNew ? how : 0, sequence);
  // struct ndmsg: family, padding, ifindex, state, flags, type.
  writer.u32(AF_BRIDGE);
  writer.u32(index);
  writer.u16(NUD_PERMANENT);
  writer.u8(NTF_SELF);
  writer.u8(0);
  writer.attributeBytes(NDA.LLADDR, macAddress);
  writer.attributeBytes(NDA.DST, destination);
  writer.end();
  return true;
};
