import { addressBytes } from '../bytes.ts';
import {
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  NHA,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  RTM_DELNEXTHOP,
  RTM_NEWNEXTHOP,
} from '../constants.ts';
import { numberOf } from '../names.ts';
import type { Encode } from './encode.ts';

const ONLINK = 4;

/**
 * `ip [-6] nexthop add|replace|del id N [via ADDRESS] [dev NAME] [onlink] [blackhole] [group ID[,WEIGHT]/…] [protocol N]`
 * (iproute2 6.1, ipnh_modify in ip/ipnexthop.c).
 */
export const encodeNexthop: Encode = (words, writer, sequence, context, preferred) => {
  const [verb, ...rest] = words;
  if (verb !== 'add' && verb !== 'replace' && verb !== 'del') return false;
  const options = new Map<string, string>();
  for (let at = 0; at < rest.length; ) {
    const word = rest[at] ?? '';
    const isFlag = word === 'onlink' || word === 'blackhole';
    options.set(word, isFlag ? '' : (rest[at + 1] ?? ''));
    at += isFlag ? 1 : 2;
  }
  const known = ['id', 'via', 'dev', 'onlink', 'blackhole', 'group', 'protocol'];
  const [id, via, dev, group] = ['id', 'via', 'dev', 'group'].map((word) => options.get(word));
  const gateway = via === undefined ? undefined : addressBytes(via);
  const members = group === undefined ? undefined : groupBytes(group);
  const protocol = numberOf('rt_protos', options.get('protocol') ?? '0');
  if ([...options.keys()].some((word) => !known.includes(word)) || !/^\d+$/.test(id ?? '')) return false;
  if ((via !== undefined && gateway === undefined) || (group !== undefined && members === undefined))
    return false;
  if (protocol === undefined) return false;
  const index = dev === undefined ? undefined : context.ifindex(dev);
  const isRemoval = verb === 'del';
  const flags = verb === 'add' ? NLM_F_CREATE | NLM_F_EXCL : isRemoval ? 0 : NLM_F_CREATE | NLM_F_REPLACE;
  writer.begin(isRemoval ? RTM_DELNEXTHOP : RTM_NEWNEXTHOP, flags, sequence);
  const own = gateway === undefined ? (preferred === 6 ? AF_INET6 : AF_INET) : familyOf(gateway);
  // A group is of no family, nor is an id that is removed.
  writer.u8(isRemoval || members !== undefined ? AF_UNSPEC : own);
  writer.u8(0);
  writer.u8(isRemoval ? 0 : protocol);
  writer.u8(0);
  writer.u32(options.has('onlink') ? ONLINK : 0);
  writer.attributeU32(NHA.ID, Number(id));
  if (members !== undefined) writer.attributeBytes(NHA.GROUP, members);
  if (options.has('blackhole')) writer.attributeBytes(NHA.BLACKHOLE, Buffer.alloc(0));
  if (index !== undefined) writer.attributeU32(NHA.OIF, index);
  if (gateway !== undefined) writer.attributeBytes(NHA.GATEWAY, gateway);
  writer.end();
  return true;
};

function familyOf(address: Buffer): number {
  return address.length === 4 ? AF_INET : AF_INET6;
}

/** struct nexthop_grp of each member: id, weight - 1, three bytes of zero. */
function groupBytes(text: string): Buffer | undefined {
  const members = text.split('/');
  const bytes = Buffer.alloc(members.length * 8);
  for (const [index, member] of members.entries()) {
    const [, id, weight = '1'] = /^(\d+)(?:,(\d+))?$/.exec(member) ?? [];
    if (id === undefined) return undefined;
    bytes.writeUInt32LE(Number(id), index * 8);
    bytes[index * 8 + 4] = Number(weight) - 1;
  }
  return bytes;
}
