import type { EncodeContext } from '../../../kinds/link-codec.ts';
import { macBytes } from '../bytes.ts';
import { IFLA } from '../constants.ts';
import type { MessageWriter } from '../message.ts';

/** Size of struct ifinfomsg, and where its flags stand. */
const HEADER_SIZE = 16;

/** struct ifinfomsg: without an index the device is named by IFLA_IFNAME, so that none has to be asked for. */
export function writeLinkHeader(writer: MessageWriter, flags = 0, change = 0, index = 0): void {
  writer.u32(0);
  writer.u32(index);
  writer.u32(flags);
  writer.u32(change);
}

/** The header of the peer inside of a veth's data. */
export function writePeerHeader(writer: MessageWriter): void {
  for (let at = 0; at < HEADER_SIZE; at += 4) writer.u32(0);
}

/**
 * Writes the settings that every link has, in the words of ip-link(8): `name`, `group`, `mtu`, `txqueuelen`, `gso_max_size`,
 * `gso_max_segs`, `gro_max_size`, `address`, `alias`, `link`, `master`, `nomaster`, `netns`. Returns how many words were understood, from the front.
 */
export function writeLinkSettings(
  words: readonly string[],
  writer: MessageWriter,
  context: EncodeContext,
): number {
  let at = 0;
  while (at < words.length) {
    const value = words[at + 1];
    if (words[at] === 'nomaster') {
      writer.attributeU32(IFLA.MASTER, 0);
      at += 1;
      continue;
    }
    if (value === undefined || !writeSetting(words[at] ?? '', value, writer, context)) return at;
    at += 2;
  }
  return at;
}

const numbers = {
  group: IFLA.GROUP,
  mtu: IFLA.MTU,
  txqueuelen: IFLA.TXQLEN,
  gso_max_size: IFLA.GSO_MAX_SIZE,
  gso_max_segs: IFLA.GSO_MAX_SEGS,
  gro_max_size: IFLA.GRO_MAX_SIZE,
} as const;

function writeSetting(name: string, value: string, writer: MessageWriter, context: EncodeContext): boolean {
  switch (name) {
    case 'name':
      writer.attributeText(IFLA.IFNAME, value);
      return true;
    case 'alias':
      // The kernel takes the bytes alone; an empty one removes the alias (dev_set_alias in net/core/dev.c).
      writer.attributeBytes(IFLA.IFALIAS, Buffer.from(value));
      return true;
    case 'link':
      writer.attributeU32(IFLA.LINK, context.ifindex(value));
      return true;
    case 'master':
      writer.attributeU32(IFLA.MASTER, context.ifindex(value));
      return true;
    case 'netns':
      writer.attributeU32(IFLA.NET_NS_FD, context.netns(value));
      return true;
    case 'group':
    case 'mtu':
    case 'txqueuelen':
    case 'gso_max_size':
    case 'gso_max_segs':
    case 'gro_max_size':
      if (!/^\d+$/.test(value)) return false;
      writer.attributeU32(numbers[name], Number(value));
      return true;
    case 'address': {
      const bytes = macBytes(value);
      if (bytes === undefined) return false;
      writer.attributeBytes(IFLA.ADDRESS, bytes);
      return true;
    }
    default:
      return false;
  }
}
