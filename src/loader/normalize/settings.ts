import type { Place } from '../../lib/diagnostic.ts';
import { addressBits, formatNetwork, parseCidr, parseIp, withLength } from '../../lib/ip.ts';
import type { Address, InterfaceOptions } from '../../topology/model.ts';
import { expandAddresses, placeOfDhcp, type RawAddress } from './addresses.ts';
import {
  expandInterfaceSysctls,
  type InterfaceSysctl,
  type RawInterfaceSysctls,
} from './interface-sysctls.ts';
import type { Report } from './problem.ts';

/** The settings that any interface takes; `addresses` alone is the short form. */
export interface RawSettings extends RawInterfaceSysctls {
  readonly addresses?: RawAddress | readonly RawAddress[];
  readonly macaddress?: string;
  readonly mtu?: number;
  readonly state?: 'up' | 'down';
  readonly alias?: string;
  readonly was?: string;
  readonly options?: InterfaceOptions;
}

export interface Settings {
  readonly addresses: readonly Address[];
  readonly macaddress: string | undefined;
  readonly mtu: { readonly mtu: number; readonly place: Place } | undefined;
  readonly state: 'up' | 'down';
  readonly alias: string | undefined;
  readonly was?: string | undefined;
  /** Parameters of the interface, whose name is not known here. */
  readonly sysctls: readonly InterfaceSysctl[] | undefined;
  readonly options?: InterfaceOptions;
  readonly dhcp4?: { readonly place: Place };
}

/** The settings of an interface that may get an address by DHCP. */
export function expandSettingsWithDhcp(
  raw: RawSettings | string | readonly RawAddress[] | null | undefined,
  base: string,
  report: Report,
): Settings {
  const isShort = typeof raw === 'string' || isList(raw);
  const addresses = isShort ? raw : raw?.addresses;
  const place =
    addresses === undefined ? undefined : placeOfDhcp(addresses, isShort ? base : `${base}/addresses`);
  const settings = expandSettings(raw, base, report, place !== undefined);
  return place === undefined ? settings : { ...settings, dhcp4: { place } };
}

/** Expands the settings of one interface; `base` is their pointer. */
export function expandSettings(
  raw: RawSettings | string | readonly RawAddress[] | null | undefined,
  base: string,
  report: Report,
  takesDhcp = false,
): Settings {
  if (typeof raw === 'string') return withAddresses(expandAddresses(raw, base, report, takesDhcp));
  if (isList(raw)) return withAddresses(expandAddresses(raw, base, report, takesDhcp));
  if (raw === null || raw === undefined) return withAddresses([]);
  const { addresses, macaddress, mtu, state, alias, was, options } = raw;
  return {
    addresses:
      addresses === undefined ? [] : expandAddresses(addresses, `${base}/addresses`, report, takesDhcp),
    macaddress: macaddress === undefined ? undefined : expandMac(macaddress, `${base}/macaddress`, report),
    mtu: mtu === undefined ? undefined : { mtu, place: { pointer: `${base}/mtu`, part: 'value' } },
    state: state ?? 'up',
    alias: alias === '' ? undefined : alias,
    ...(was === undefined ? {} : { was }),
    sysctls: expandInterfaceSysctls(raw, base, report),
    ...(options === undefined ? {} : { options }),
  };
}

function withAddresses(addresses: readonly Address[]): Settings {
  return {
    addresses,
    macaddress: undefined,
    mtu: undefined,
    state: 'up',
    alias: undefined,
    sysctls: undefined,
  };
}

export function hint(text: string): string {
  const ip = parseIp(text);
  if (ip !== undefined) return `write ${ip.address}/${ip.family === 4 ? 24 : 64} or another length`;
  if (text.includes('%')) return 'leave the zone id out';
  const [address = '', length] = text.split('/');
  const family = parseIp(address)?.family;
  if (family !== undefined) return `the length ${length} is not between 0 and ${family === 4 ? 32 : 128}`;
  const isDotted = /^[0-9]+(\.[0-9]+){3}$/.test(address);
  if (isDotted && address.split('.').some((byte) => /^0[0-9]/.test(byte)))
    return 'write it without leading zeros';
  if (isDotted) return 'each byte is between 0 and 255';
  return 'write one such as 10.0.0.1/24 or 2001:db8::1/64';
}

export function expandMac(
  text: string,
  at: string,
  report: Report,
  part: Place['part'] = 'value',
): string | undefined {
  const place: Place = { pointer: at, part };
  const mac = text.toLowerCase();
  const fail = (message: string) => report({ code: 'bad-mac', message, place });
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac)) {
    fail(`'${text}' is not a MAC address; write six bytes such as 02:42:ac:11:00:02, in quotes`);
  } else if (mac === '00:00:00:00:00:00') {
    fail(`the MAC address ${text} is all zero, which no interface can have`);
  } else if ((Number.parseInt(mac.slice(0, 2), 16) & 1) === 1) {
    fail(`${text} is a multicast MAC address; the first byte of an interface's must be even`);
  } else {
    return mac;
  }
  return undefined;
}

/** A prefix that stands for many addresses, in canonical form; a bare address stands for itself alone. */
export function expandPrefix(
  text: string,
  place: Place,
  report: Report,
): { prefix: string; family: 4 | 6 } | undefined {
  const ip = parseIp(text);
  const cidr = ip === undefined ? parseCidr(text) : withLength(ip, addressBits(ip.family));
  if (cidr === undefined) {
    const message = `'${text}' is not a prefix; ${text.includes('/') ? hint(text) : 'write one such as 10.0.0.0/8 or 2001:db8::/32'}`;
    report({ code: 'bad-address', message, place });
    return undefined;
  }
  const prefix = formatNetwork(cidr);
  if (cidr.network !== cidr.value) {
    const message = `${text} is an address inside of ${prefix} and not a prefix; write ${prefix}`;
    report({ code: 'bad-address', message, place });
    return undefined;
  }
  return { prefix, family: cidr.family };
}

/** An address without a length, in canonical form. */
export function expandIp(text: string, place: Place, report: Report): string | undefined {
  const ip = parseIp(text);
  if (ip !== undefined) return ip.address;
  const [address = ''] = text.split('/');
  const help =
    parseCidr(text) === undefined
      ? 'write one such as 10.0.0.1 or 2001:db8::1'
      : `write ${address} without the length`;
  report({ code: 'bad-address', message: `'${text}' is not an address; ${help}`, place });
  return undefined;
}

function isList(raw: unknown): raw is readonly RawAddress[] {
  return Array.isArray(raw);
}
