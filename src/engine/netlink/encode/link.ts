import { type EncodeContext, linkCodec, portCodec } from '../../../kinds/link-codec.ts';
import {
  IFLA,
  IFLA_INFO,
  NLA_F_NESTED,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  RTM_DELLINK,
  RTM_DELLINKPROP,
  RTM_NEWLINK,
  RTM_NEWLINKPROP,
} from '../constants.ts';
import type { MessageWriter } from '../message.ts';
import type { Encode } from './encode.ts';
import { writeLinkHeader, writeLinkSettings } from './link-settings.ts';

const IFF_UP = 1;

/** `ip link add|set|del` (iproute2 6.1, ip/iplink.c) as one message. */
export const encodeLink: Encode = (words, writer, sequence, context) => {
  switch (words[0]) {
    case 'add':
      return encodeAdd(words.slice(1), writer, sequence, context);
    case 'set':
      return encodeSet(words.slice(1), writer, sequence, context);
    case 'del':
      return encodeDel(words.slice(1), writer, sequence);
    case 'property':
      return encodeProperty(words.slice(1), writer, sequence);
    default:
      return false;
  }
};

/** `dev NAME`, or `group NUMBER`: all links of a group. */
function encodeDel(
  [word, value = '', ...rest]: readonly string[],
  writer: MessageWriter,
  sequence: number,
): boolean {
  if ((word !== 'dev' && word !== 'group') || rest.length > 0) return false;
  writer.begin(RTM_DELLINK, 0, sequence);
  writeLinkHeader(writer);
  if (word === 'dev') writer.attributeText(IFLA.IFNAME, value);
  else writer.attributeU32(IFLA.GROUP, Number(value));
  writer.end();
  return true;
}

/** `add|del dev NAME altname NAME`: an alternative name. */
function encodeProperty(words: readonly string[], writer: MessageWriter, sequence: number): boolean {
  const [action, dev, name = '', altname, value = ''] = words;
  if (dev !== 'dev' || altname !== 'altname' || words.length !== 5) return false;
  if (action === 'add') {
    writer.begin(RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND, sequence);
  } else if (action === 'del') writer.begin(RTM_DELLINKPROP, 0, sequence);
  else return false;
  writeLinkHeader(writer);
  writer.attributeText(IFLA.IFNAME, name);
  // Unlike IFLA_LINKINFO, the kernel takes this one only with the flag (rtnl_linkprop in net/core/rtnetlink.c).
  writer.nest(IFLA.PROP_LIST | NLA_F_NESTED, () => writer.attributeText(IFLA.ALT_IFNAME, value));
  writer.end();
  return true;
}

function encodeAdd(
  words: readonly string[],
  writer: MessageWriter,
  sequence: number,
  context: EncodeContext,
): boolean {
  writer.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sequence);
  writeLinkHeader(writer);
  const known = writeLinkSettings(words, writer, context);
  if (words[known] !== 'type' || !encodeType(words.slice(known + 1), writer, context)) return false;
  writer.end();
  return true;
}

/** `promisc on`: the flag (linux/if.h) and whether it is set; of `arp` the kernel has the opposite. */
const flagWords: Readonly<Record<string, { readonly bit: number; readonly on: string }>> = {
  promisc: { bit: 0x100, on: 'on' },
  allmulticast: { bit: 0x200, on: 'on' },
  multicast: { bit: 0x1000, on: 'on' },
  arp: { bit: 0x80, on: 'off' },
};

/** `dev NAME`, then settings, the state and the words of the kind, in any order; or a flag alone. */
function encodeSet(
  words: readonly string[],
  writer: MessageWriter,
  sequence: number,
  context: EncodeContext,
): boolean {
  const [dev, name = '', ...rest] = words;
  if (dev !== 'dev') return false;
  const flag = flagWords[rest[0] ?? ''];
  if (flag !== undefined && rest.length === 2) {
    writer.begin(RTM_NEWLINK, 0, sequence);
    writeLinkHeader(writer, rest[1] === flag.on ? flag.bit : 0, flag.bit);
    writer.attributeText(IFLA.IFNAME, name);
    writer.end();
    return true;
  }
  const state = rest.includes('type') ? undefined : rest.at(-1);
  const hasState = state === 'up' || state === 'down';
  const settings = hasState ? rest.slice(0, -1) : rest;
  // Kernels before 5.19 take a group without an index as a change of all links of that group, whatever the name.
  // A new name stands where the present one would.
  const needsIndex = settings.includes('group') || settings.includes('name');
  const index = needsIndex ? context.ifindex(name) : 0;
  writer.begin(RTM_NEWLINK, 0, sequence);
  writeLinkHeader(writer, state === 'up' ? IFF_UP : 0, hasState ? IFF_UP : 0, index);
  if (index === 0) writer.attributeText(IFLA.IFNAME, name);
  const known = writeLinkSettings(settings, writer, context);
  if (known < settings.length) {
    if (settings[known] !== 'type' || !encodeType(settings.slice(known + 1), writer, context)) return false;
  }
  writer.end();
  return true;
}

/** The kind and what it takes; `bridge_slave` is what a link is to its bridge. */
function encodeType(words: readonly string[], writer: MessageWriter, context: EncodeContext): boolean {
  const [type = '', ...rest] = words;
  const isPort = type.endsWith('_slave');
  const kind = isPort ? type.slice(0, -'_slave'.length) : type;
  const codec = isPort ? portCodec(kind) : linkCodec(kind);
  // A kind without words of its own needs no encoder.
  if (codec === undefined && rest.length > 0) return false;
  let isKnown = true;
  writer.nest(IFLA.LINKINFO, () => {
    writer.attributeText(isPort ? IFLA_INFO.SLAVE_KIND : IFLA_INFO.KIND, kind);
    if (codec === undefined || rest.length === 0) return;
    writer.nest(isPort ? IFLA_INFO.SLAVE_DATA : IFLA_INFO.DATA, () => {
      isKnown = codec.encode(rest, writer, context);
    });
  });
  return isKnown;
}
