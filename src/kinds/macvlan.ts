import { defineDeviceKind } from './device.ts';
import { oneOf, tableCodec, u32 } from './link-codec.ts';

/** IFLA_MACVLAN_MODE of linux/if_link.h. */
const codec = tableCodec({
  mode: oneOf(u32, 1, { private: 1, vepa: 2, bridge: 4, passthru: 8, source: 16 }),
});

const kindOf = (name: 'macvlan' | 'macvtap') =>
  defineDeviceKind(name, {
    changes: { mode: 'in-place' },
    // "Passthrough mode can't be set or cleared dynamically" (macvlan_changelink in drivers/net/macvlan.c).
    classOf: (attribute, wanted, live) => {
      if (attribute !== 'mode') return undefined;
      const modes = [wanted.attributes['mode'], live.attributes['mode']];
      return modes.includes('passthru') ? 'replace' : 'in-place';
    },
    words: ({ mode }, names) => (names.includes('mode') ? ['mode', String(mode)] : []),
    read: (data) => ({ mode: String(data['mode']) }),
    codec,
    needs: { module: name, link: true, words: ['mode', 'bridge'] },
  });

export const macvlanKind = kindOf('macvlan');
export const macvtapKind = kindOf('macvtap');
