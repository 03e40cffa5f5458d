import { addressBytes, readAddress } from '../engine/netlink/bytes.ts';
import { eachAttribute } from '../engine/netlink/message.ts';
import { defineDeviceKind } from './device.ts';
import { type AttributeType, type LinkCodec, oneOf, tableCodec, u8, u32 } from './link-codec.ts';
import type { Attributes, ChangeClass, Value } from './resource.ts';

const numbers = (...names: readonly string[]) =>
  Object.fromEntries(names.map((name, index) => [name, index]));

/** Each ARP target is an attribute of its own inside of this one; for ip-link(8) they are one word. */
const arpTargets: AttributeType = {
  number: 8,
  write: (writer, number, word) => {
    const addresses = word === '' ? [] : word.split(',').map(addressBytes);
    if (addresses.some((bytes) => bytes?.length !== 4)) return false;
    writer.nest(number, () => {
      for (const [index, bytes] of addresses.entries()) if (bytes) writer.attributeBytes(index, bytes);
    });
    return true;
  },
  read: (data, number) => {
    const value = data.value(number);
    if (value === undefined) return undefined;
    const found: string[] = [];
    eachAttribute(value, (_type, start) => found.push(readAddress(value.subarray(start, start + 4))));
    return found;
  },
};

const validate = numbers('none', 'active', 'backup', 'all', 'filter', 'filter_active', 'filter_backup');

/** IFLA_BOND_* of linux/if_link.h, in the words of iproute2 6.1 (ip/iplink_bond.c). */
const table: Readonly<Record<string, AttributeType>> = {
  mode: oneOf(
    u8,
    1,
    numbers(
      'balance-rr',
      'active-backup',
      'balance-xor',
      'broadcast',
      '802.3ad',
      'balance-tlb',
      'balance-alb',
    ),
  ),
  miimon: u32(3),
  updelay: u32(4),
  downdelay: u32(5),
  arp_interval: u32(7),
  arp_ip_target: arpTargets,
  // ip prints null for none.
  arp_validate: withNull(oneOf(u32, 9, validate), 'none'),
  arp_all_targets: oneOf(u32, 10, numbers('any', 'all')),
  primary_reselect: oneOf(u8, 12, numbers('always', 'better', 'failure')),
  fail_over_mac: oneOf(u8, 13, numbers('none', 'active', 'follow')),
  xmit_hash_policy: oneOf(
    u8,
    14,
    numbers('layer2', 'layer3+4', 'layer2+3', 'encap2+3', 'encap3+4', 'vlan+srcmac'),
  ),
  resend_igmp: u32(15),
  num_peer_notif: u8(16),
  all_slaves_active: u8(17),
  min_links: u32(18),
  lp_interval: u32(19),
  packets_per_slave: u32(20),
  ad_lacp_rate: oneOf(u8, 21, numbers('slow', 'fast')),
  ad_select: oneOf(u8, 22, numbers('stable', 'bandwidth', 'count')),
};

function withNull(type: AttributeType, word: string): AttributeType {
  return {
    ...type,
    read: (data, number) => {
      const value = type.read(data, number);
      return value === word ? null : value;
    },
  };
}

const PRIMARY = 11;

/** Words that `ip link set` has and that are other ones in the JSON. */
const aliases: Readonly<Record<string, string>> = {
  num_grat_arp: 'num_peer_notif',
  lacp_rate: 'ad_lacp_rate',
};
const plain = tableCodec(table);

const codec: LinkCodec = {
  encode: (words, writer, context) => {
    const [word, name = ''] = words;
    if (word === 'primary' && words.length === 2) {
      writer.attributeU32(PRIMARY, context.ifindex(name));
      return true;
    }
    const known = words.map((text, at) => (at % 2 === 0 ? (aliases[text] ?? text) : text));
    return plain.encode(known, writer, context);
  },
  decode: (data, names) => {
    const primary = data.u32(PRIMARY);
    return {
      ...plain.decode(data, names),
      ...(primary === undefined ? {} : { primary: names.nameOf(primary) }),
    };
  },
};

interface Parameter {
  /** The word of ip-link(8). */
  readonly word: string;
  /** The key in the JSON, where it is another one. */
  readonly key?: string;
  readonly change: ChangeClass;
  readonly write?: (value: Value | undefined) => string;
  readonly read?: (value: unknown) => Value;
}

const onOff: Pick<Parameter, 'write' | 'read'> = {
  write: (value) => (value === true ? '1' : '0'),
  read: (value) => value === 1 || value === true,
};

/**
 * The parameters by their names in the file, in the order in which the kernel takes them. What it wants a bond without
 * members for is a new bond; what it wants the bond down for is a bounce (the flags in bond_opts, in
 * drivers/net/bonding/bond_options.c).
 */
const parameters: Readonly<Record<string, Parameter>> = {
  mode: { word: 'mode', change: 'replace' },
  'mii-monitor-interval': { word: 'miimon', change: 'in-place' },
  'up-delay': { word: 'updelay', change: 'in-place' },
  'down-delay': { word: 'downdelay', change: 'in-place' },
  'arp-interval': { word: 'arp_interval', change: 'in-place' },
  'arp-ip-targets': {
    word: 'arp_ip_target',
    change: 'in-place',
    write: (value) => (value as readonly string[]).join(','),
    read: (value) => (value ?? []) as readonly string[],
  },
  'arp-validate': { word: 'arp_validate', change: 'in-place', read: (value) => String(value ?? 'none') },
  'arp-all-targets': { word: 'arp_all_targets', change: 'in-place' },
  'primary-reselect-policy': { word: 'primary_reselect', change: 'in-place' },
  'fail-over-mac': { word: 'fail_over_mac', change: 'replace' },
  'transmit-hash-policy': { word: 'xmit_hash_policy', change: 'in-place' },
  'resend-igmp': { word: 'resend_igmp', change: 'in-place' },
  'gratuitous-arp': { word: 'num_grat_arp', key: 'num_peer_notif', change: 'in-place' },
  'all-members-active': { word: 'all_slaves_active', change: 'in-place', ...onOff },
  'min-links': { word: 'min_links', change: 'in-place' },
  'learn-packet-interval': { word: 'lp_interval', change: 'in-place' },
  'packets-per-member': { word: 'packets_per_slave', change: 'in-place' },
  'lacp-rate': { word: 'lacp_rate', key: 'ad_lacp_rate', change: 'bounce' },
  'ad-select': { word: 'ad_select', change: 'bounce' },
};

export const bondKind = defineDeviceKind('bond', {
  changes: Object.fromEntries(Object.entries(parameters).map(([name, { change }]) => [name, change])),
  words,
  // The primary is set by its member: see master.ts.
  elsewhere: ['primary'],
  read: (data) =>
    Object.fromEntries(
      Object.entries(parameters).map(([name, { word, key = word, read = plainValue }]) => [
        name,
        read(data[key]),
      ]),
    ),
  codec,
  needs: { module: 'bonding', words: ['mode', 'active-backup'] },
});

function words(attributes: Attributes, names: readonly string[]): string[] {
  const wanted = new Set(names);
  // Each way of looking at members switches the other one off, and the kernel counts the delays in its intervals.
  if (wanted.has('mii-monitor-interval') || wanted.has('arp-interval')) {
    for (const name of ['mii-monitor-interval', 'up-delay', 'down-delay', 'arp-interval', 'arp-validate'])
      wanted.add(name);
  }
  return Object.entries(parameters).flatMap(([name, { word, write = String }]) => {
    const value = attributes[name];
    if (!wanted.has(name) || value === undefined || isRefused(name, attributes)) return [];
    return [word, write(value)];
  });
}

/** Without MII monitoring the kernel takes no delay, not even zero (bond_option_updelay_set). */
function isRefused(name: string, attributes: Attributes): boolean {
  return (name === 'up-delay' || name === 'down-delay') && attributes['mii-monitor-interval'] === 0;
}

function plainValue(value: unknown): Value {
  return typeof value === 'number' ? value : String(value);
}
