import type { Tunnel, TunnelEndpoint } from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { parseIp } from '../../lib/ip.ts';
import type { Context } from './context.ts';
import { expandIp } from './settings.ts';
import { tunnelTypes } from './underlay.ts';

/** The type for the other family of outer packets, as help says it. */
const others: Readonly<Record<string, string>> = {
  gre: 'ip6gre',
  gretap: 'ip6gretap',
  ip6gre: 'gre',
  ip6gretap: 'gretap',
  ipip: 'ip6tnl',
  sit: 'ip6tnl',
  ip6tnl: 'ipip or sit',
};

/** An address of the outer packet, of the family that the type travels in. */
export function expandOuter(
  context: Context,
  text: string,
  at: string,
  { type }: Pick<Tunnel, 'type'>,
): string | undefined {
  const place: Place = { pointer: at, part: 'value' };
  const address = expandIp(text, place, context.report);
  const wanted = tunnelTypes[type].outer;
  if (address === undefined || wanted === undefined) return address;
  const family = parseIp(address)?.family;
  if (family === wanted) return address;
  context.report({
    code: 'tunnel',
    message: `${type} travels in IPv${wanted} packets, and ${address} is an IPv${family} address`,
    place,
    help: `use type: ${others[type]} for IPv${family}`,
  });
  return undefined;
}

/** The peers of a vxlan end: those of a wireguard end have names. */
export function listedPeers(end: TunnelEndpoint | undefined): readonly string[] {
  return Array.isArray(end?.peers) ? end.peers : [];
}
