import { macBytes, readMac } from '../engine/netlink/bytes.ts';
import type { AttributeReader } from '../engine/netlink/message.ts';
import { type AttributeType, onOff, registerPortCodec, tableCodec, u8, u16, u32 } from './link-codec.ts';

const decimal = /^\d+$/;

/** A time of the kernel, 64 bits in hundredths of a second. */
function clock(number: number): AttributeType {
  return {
    number,
    write: (writer, type, word) => {
      if (!decimal.test(word)) return false;
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt(word));
      writer.attributeBytes(type, bytes);
      return true;
    },
    read: (data, type) => {
      const value = data.value(type);
      return value === undefined ? undefined : Number(value.readBigUInt64LE());
    },
  };
}

/** One bit of IFLA_BR_MULTI_BOOLOPT, struct br_boolopt_multi: the values, then which of them are meant. */
function booleanOption(number: number, bit: number): AttributeType {
  return {
    number,
    write: (writer, type, word) => {
      if (word !== '0' && word !== '1') return false;
      const bytes = Buffer.alloc(8);
      bytes.writeUInt32LE(word === '1' ? 1 << bit : 0);
      bytes.writeUInt32LE(1 << bit, 4);
      writer.attributeBytes(type, bytes);
      return true;
    },
    read: (data, type) => {
      const value = data.value(type);
      return value === undefined ? undefined : (value.readUInt32LE() >> bit) & 1;
    },
  };
}

/** iproute2 prints a mask as a hexadecimal text. */
function mask(number: number): AttributeType {
  return {
    ...u16(number),
    read: (data: AttributeReader, type: number) => {
      const value = data.u16(type);
      if (value === undefined) return undefined;
      return value === 0 ? '0' : `0x${value.toString(16)}`;
    },
  };
}

const protocols: Readonly<Record<string, number>> = { '802.1Q': 0x8100, '802.1ad': 0x88a8 };

const vlanProtocol: AttributeType = {
  number: 8,
  write: (writer, type, word) => {
    const value = protocols[word];
    if (value === undefined) return false;
    writer.attributeU16be(type, value);
    return true;
  },
  read: (data, type) => {
    const value = data.u16be(type);
    return Object.keys(protocols).find((name) => protocols[name] === value);
  },
};

const groupAddress: AttributeType = {
  number: 20,
  json: 'group_addr',
  write: (writer, type, word) => {
    const bytes = macBytes(word);
    if (bytes === undefined) return false;
    writer.attributeBytes(type, bytes);
    return true;
  },
  read: (data, type) => {
    const value = data.value(type);
    return value === undefined ? undefined : readMac(value);
  },
};

function named(json: string, type: AttributeType): AttributeType {
  return { ...type, json };
}

/** IFLA_BR_* of linux/if_link.h. */
export const bridgeCodec = tableCodec({
  forward_delay: u32(1),
  hello_time: u32(2),
  max_age: u32(3),
  ageing_time: u32(4),
  stp_state: u32(5),
  priority: u16(6),
  vlan_filtering: u8(7),
  vlan_protocol: vlanProtocol,
  group_fwd_mask: mask(9),
  topology_change: u8(14),
  group_address: groupAddress,
  mcast_router: u8(22),
  mcast_snooping: u8(23),
  mcast_query_use_ifaddr: u8(24),
  mcast_querier: u8(25),
  mcast_hash_max: u32(27),
  mcast_last_member_count: named('mcast_last_member_cnt', u32(28)),
  mcast_startup_query_count: named('mcast_startup_query_cnt', u32(29)),
  mcast_last_member_interval: named('mcast_last_member_intvl', clock(30)),
  mcast_membership_interval: named('mcast_membership_intvl', clock(31)),
  mcast_querier_interval: named('mcast_querier_intvl', clock(32)),
  mcast_query_interval: named('mcast_query_intvl', clock(33)),
  mcast_query_response_interval: named('mcast_query_response_intvl', clock(34)),
  mcast_startup_query_interval: named('mcast_startup_query_intvl', clock(35)),
  nf_call_iptables: u8(36),
  nf_call_ip6tables: u8(37),
  nf_call_arptables: u8(38),
  vlan_default_pvid: u16(39),
  vlan_stats_enabled: u8(41),
  mcast_stats_enabled: u8(42),
  mcast_igmp_version: u8(43),
  mcast_mld_version: u8(44),
  no_linklocal_learn: booleanOption(46, 0),
});

/** What a link is to the bridge that it is a port of: IFLA_BRPORT_* of linux/if_link.h. */
registerPortCodec(
  'bridge',
  tableCodec({
    priority: u16(2),
    cost: u32(3),
    hairpin: onOff(4),
    guard: onOff(5),
    root_block: onOff(6),
    fastleave: onOff(7),
    learning: onOff(8),
    flood: onOff(9),
    proxy_arp: onOff(10),
    mcast_router: named('multicast_router', u8(25)),
    mcast_flood: onOff(27),
    mcast_to_unicast: onOff(28),
    bcast_flood: onOff(30),
    group_fwd_mask: mask(31),
    neigh_suppress: onOff(32),
    isolated: onOff(33),
    locked: onOff(39),
  }),
);
