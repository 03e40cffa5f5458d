import { defineDeviceKind } from './device.ts';
import { type LinkCodec, oneOf, tableCodec, u16 } from './link-codec.ts';

/** IFLA_IPVLAN_* of linux/if_link.h. */
const FLAGS = 2;
const mode = tableCodec({ mode: oneOf(u16, 1, { l2: 0, l3: 1, l3s: 2 }) });

/** By number: IPVLAN_F_PRIVATE is 1, IPVLAN_F_VEPA 2. */
const flags = ['bridge', 'private', 'vepa'];

/** The flag is a word of its own, and in the JSON a key that is true (iproute2 6.1, ip/iplink_ipvlan.c). */
const codec: LinkCodec = {
  encode: (words, writer, context) => {
    const flag = words.findIndex((word) => flags.includes(word));
    if (flag >= 0) writer.attributeU16(FLAGS, flags.indexOf(words[flag] ?? ''));
    return mode.encode(flag < 0 ? words : words.toSpliced(flag, 1), writer, context);
  },
  decode: (data, names) => ({
    ...mode.decode(data, names),
    [flags[data.u16(FLAGS) ?? 0] ?? 'unknown']: true,
  }),
};

/** All on top of one interface share mode and flag, which change while they run (ipvlan_nl_changelink). */
export const ipvlanKind = defineDeviceKind('ipvlan', {
  changes: { mode: 'in-place', flag: 'in-place' },
  // Without a flag, ip link sends that of a bridge.
  always: ['mode', 'flag'],
  words: ({ mode: name, flag }) => ['mode', String(name), String(flag)],
  read: (data) => ({
    mode: String(data['mode']),
    flag: flags.find((name) => data[name] === true) ?? 'unknown',
  }),
  codec,
  needs: { module: 'ipvlan', link: true, words: ['mode', 'l2'] },
});
