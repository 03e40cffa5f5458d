import type { AttributeReader, MessageWriter } from '../engine/netlink/message.ts';
import { defineDeviceKind } from './device.ts';
import { type AttributeType, tableCodec, u16 } from './link-codec.ts';

const protocols: Readonly<Record<string, number>> = { '802.1Q': 0x8100, '802.1ad': 0x88a8 };

const protocol: AttributeType = {
  number: 5,
  write: (writer: MessageWriter, number: number, word: string) => {
    const value = protocols[word];
    if (value === undefined) return false;
    writer.attributeU16be(number, value);
    return true;
  },
  read: (data: AttributeReader, number: number) => {
    const value = data.u16be(number);
    return Object.keys(protocols).find((name) => protocols[name] === value);
  },
};

/** A VLAN; the kernel refuses to change the id or the protocol of one (vlan_changelink in net/8021q/vlan_netlink.c). */
export const vlanKind = defineDeviceKind('vlan', {
  changes: {},
  words: (attributes, names) =>
    ['protocol', 'id']
      .filter((name) => names.includes(name))
      .flatMap((name) => [name, String(attributes[name])]),
  read: (data) => ({ id: Number(data['id']), protocol: String(data['protocol']) }),
  // IFLA_VLAN_* of linux/if_link.h.
  codec: tableCodec({ id: u16(1), protocol }),
  // vlan_device_event in net/8021q/vlan.c, and up again with it.
  fallsWithLink: true,
  needs: { module: '8021q', link: true, words: ['id', '1'] },
});
