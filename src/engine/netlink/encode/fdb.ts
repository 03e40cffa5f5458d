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
import type { Encode } from './encode.ts';

const NUD_PERMANENT = 0x80;
const NUD_NOARP = 0x40;
const NTF_SELF = 0x02;
const NTF_MASTER = 0x04;

/** `bridge fdb append|replace|del MAC dev NAME dst ADDRESS` (iproute2 6.1, fdb_modify in bridge/fdb.c). */
export const encodeFdb: Encode = (words, writer, sequence, context) => {
  if (words[4] === 'master') return encodeBridgeEntry(words, writer, sequence, context);
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

/** `bridge fdb replace|del MAC dev PORT master static [vlan ID]`, an entry in the table of the port's bridge. */
const encodeBridgeEntry: Encode = (words, writer, sequence, context) => {
  const [verb, mac = '', dev, name = '', master, state, vlan, id = '', ...rest] = words;
  const macAddress = macBytes(mac);
  if ((verb !== 'replace' && verb !== 'del') || dev !== 'dev' || rest.length > 0) return false;
  if (macAddress === undefined || master !== 'master' || state !== 'static') return false;
  if (vlan !== undefined && (vlan !== 'vlan' || !/^\d+$/.test(id))) return false;
  const index = context.ifindex(name);
  const isNew = verb === 'replace';
  writer.begin(isNew ? RTM_NEWNEIGH : RTM_DELNEIGH, isNew ? NLM_F_CREATE | NLM_F_REPLACE : 0, sequence);
  writer.u32(AF_BRIDGE);
  writer.u32(index);
  writer.u16(NUD_NOARP);
  writer.u8(NTF_MASTER);
  writer.u8(0);
  writer.attributeBytes(NDA.LLADDR, macAddress);
  if (vlan !== undefined) writer.attributeU16(NDA.VLAN, Number(id));
  writer.end();
  return true;
};
