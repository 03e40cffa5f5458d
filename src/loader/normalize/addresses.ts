import type { AddressSettings as RawAddressSettings } from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { addressBits, type Cidr, isMulticast, parseCidr, parseIp, withLength } from '../../lib/ip.ts';
import type { Address, AddressSettings } from '../../topology/model.ts';
import type { Report } from './problem.ts';
import { expandIp, hint } from './settings.ts';

export type RawAddress = string | RawAddressSettings;

/** In the place of an address: one that a DHCP server gives. */
export const DHCP4 = 'dhcp4';

/** The place of `dhcp4` among the addresses; undefined: it is not there. */
export function placeOfDhcp(raw: RawAddress | readonly RawAddress[], base: string): Place | undefined {
  if (raw === DHCP4) return { pointer: base, part: 'value' };
  const index = isList(raw) ? raw.indexOf(DHCP4) : -1;
  return index < 0 ? undefined : { pointer: `${base}/${index}`, part: 'value' };
}

/** One address or a list; `base` is the pointer. `dhcp4` among them is left out, where it may be there. */
export function expandAddresses(
  raw: RawAddress | readonly RawAddress[],
  base: string,
  report: Report,
  takesDhcp = false,
): Address[] {
  if (isList(raw))
    return raw.flatMap((entry, index) => expandAddresses(entry, `${base}/${index}`, report, takesDhcp));
  if (raw === DHCP4 && takesDhcp) return [];
  const address =
    typeof raw === 'string'
      ? expandAddress(raw, { pointer: base, part: 'value' }, report)
      : expandLong(raw, base, report);
  return address === undefined ? [] : [address];
}

function expandAddress(text: string, place: Place, report: Report): Address | undefined {
  const cidr = parseCidr(text);
  const fail = (message: string) => report({ code: 'bad-address', message, place });
  if (text === DHCP4) {
    fail('only an Ethernet interface can get an address by DHCP');
    return undefined;
  }
  if (cidr === undefined) {
    fail(
      parseIp(text) === undefined
        ? `'${text}' is not an address with a prefix length; ${hint(text)}`
        : `'${text}' has no prefix length; ${hint(text)}`,
    );
    return undefined;
  }
  const { address, prefixLength, family, value } = cidr;
  if (isMulticast(cidr)) fail(`${text} is a multicast address, which no interface can have`);
  else if (value === 0n) fail(`${text} is the unspecified address, which no interface can have`);
  else return { address, prefixLength, family, place };
  return undefined;
}

/** The long form; one that says no more than the short one gives the same. */
function expandLong(raw: RawAddressSettings, base: string, report: Report): Address | undefined {
  const at = (key: keyof RawAddressSettings): Place => ({ pointer: `${base}/${key}`, part: 'value' });
  const found =
    raw.peer === undefined
      ? { address: expandAddress(raw.address, at('address'), report), peer: undefined }
      : expandPeer(raw.address, raw.peer, at, report);
  if (found?.address === undefined) return undefined;
  const { address, peer } = found;
  const { lifetime: asked = 'forever' } = raw;
  // netplan's 0 means deprecated, and not gone at once.
  const lifetime = asked === 0 ? 'forever' : asked;
  const settings: AddressSettings = {
    peer,
    scope: raw.scope,
    lifetime,
    preferred: raw.preferred ?? asked,
    label: raw.label,
    broadcast: raw.broadcast === undefined ? undefined : expandIp(raw.broadcast, at('broadcast'), report),
    prefixRoute: raw['prefix-route'] ?? true,
    dad: raw.dad ?? true,
    exclusive: raw.exclusive ?? false,
  };
  checkSettings(address, settings, at, report);
  const { scope, label, broadcast, prefixRoute, dad, preferred, exclusive } = settings;
  const isUsual = prefixRoute && dad && !exclusive && preferred === 'forever';
  const isPlain = (peer ?? scope ?? label ?? broadcast) === undefined && isUsual;
  const { address: text, prefixLength, family, place } = address;
  if (isPlain && lifetime === 'forever') return { address: text, prefixLength, family, place };
  return { address: text, prefixLength, family, settings, place };
}

function checkSettings(
  { family }: Address,
  { scope, lifetime, preferred, label, broadcast, dad }: AddressSettings,
  at: (key: keyof RawAddressSettings) => Place,
  report: Report,
): void {
  const fail = (message: string, key: keyof RawAddressSettings) =>
    report({ code: 'bad-address', message, place: at(key) });
  if (family === 6) {
    if (scope !== undefined)
      fail('the kernel makes the scope of an IPv6 address from the address; leave it out', 'scope');
    if (label !== undefined) fail('only IPv4 addresses have labels', 'label');
    if (broadcast !== undefined) fail('IPv6 has no broadcast', 'broadcast');
  } else {
    if (!dad) fail('only IPv6 addresses are tried for duplicates; leave dad out', 'dad');
    if (broadcast?.includes(':')) fail(`${broadcast} is not an IPv4 address`, 'broadcast');
  }
  const isLonger = lifetime !== 'forever' && (preferred === 'forever' || preferred > lifetime);
  if (isLonger)
    fail(`the address is gone after ${lifetime} seconds, and cannot be preferred longer`, 'preferred');
}

function expandPeer(
  text: string,
  peerText: string,
  at: (key: keyof RawAddressSettings) => Place,
  report: Report,
): { address: Address; peer: string } | undefined {
  const [own = '', length] = text.split('/');
  const address = expandIp(own, at('address'), report);
  const peerIp = parseIp(peerText);
  const peer = peerIp === undefined ? parseCidr(peerText) : withLength(peerIp, addressBits(peerIp.family));
  const fail = (message: string, key: keyof RawAddressSettings) =>
    report({ code: 'bad-address', message, place: at(key) });
  if (peer === undefined) {
    fail(`'${peerText}' is not an address; write one such as 10.0.0.2/32`, 'peer');
    return undefined;
  }
  const ip = address === undefined ? undefined : parseIp(address);
  if (address === undefined || ip === undefined) return undefined;
  const problem = peerProblem(ip.family, length, peer);
  if (problem !== undefined) {
    fail(problem, 'peer');
    return undefined;
  }
  const { prefixLength } = peer;
  return { address: { address, prefixLength, family: ip.family, place: at('address') }, peer: peer.address };
}

function peerProblem(family: 4 | 6, length: string | undefined, peer: Cidr): string | undefined {
  if (peer.family !== family) return `the address is IPv${family} and its peer is IPv${peer.family}`;
  const bits = addressBits(family);
  if (length !== undefined && length !== String(bits) && length !== String(peer.prefixLength))
    return 'the prefix is that of the peer; write the length there, and none at the address';
  return isMulticast(peer) || peer.value === 0n ? `${peer.address} can be no peer` : undefined;
}

function isList(raw: RawAddress | readonly RawAddress[]): raw is readonly RawAddress[] {
  return Array.isArray(raw);
}
