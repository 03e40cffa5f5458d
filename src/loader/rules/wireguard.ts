import { overlaps, parseCidr } from '../../lib/ip.ts';
import type { AllowedIp, Wireguard, WireguardPeer } from '../../topology/model.ts';
import type { Report } from '../normalize/problem.ts';
import type { Subject } from './rules.ts';
import { nameOf } from './segments.ts';

/**
 * Of two peers of one interface, the same packet must not be meant for both. A default route may stand beside narrower
 * prefixes: the kernel takes the longest one (drivers/net/wireguard/allowedips.c).
 */
export function checkAllowedIps({ topology }: Subject, report: Report): void {
  const said = new Set<string>();
  const compared = new Set<string>();
  for (const item of topology.interfaces) {
    if (item.kind !== 'wireguard') continue;
    for (const [index, peer] of item.peers.entries()) {
      for (const other of item.peers.slice(0, index)) {
        const pair = `${item.name} ${other.name} ${peer.name}`;
        // What two ends have is the same for every third one.
        if (other.isEnd && peer.isEnd && compared.has(pair)) continue;
        compared.add(pair);
        checkPair(item, other, peer, { report, said });
      }
    }
  }
}

interface Reporting {
  readonly report: Report;
  /** Each pair of places is a mistake once, however many interfaces have both peers. */
  readonly said: Set<string>;
}

function checkPair(
  item: Wireguard,
  one: WireguardPeer,
  other: WireguardPeer,
  { report, said }: Reporting,
): void {
  for (const earlier of one.allowedIps) {
    for (const later of other.allowedIps) {
      if (!isSharedBy(earlier, later)) continue;
      const places = `${earlier.place.pointer} ${later.place.pointer}`;
      if (said.has(places)) continue;
      said.add(places);
      const what = earlier.prefix === later.prefix ? later.prefix : `${later.prefix} and ${earlier.prefix}`;
      report({
        code: 'allowed-ips',
        message: `${what}: ${nameOf(item)} would not know whether to send this to ${other.name} or to ${one.name}`,
        place: later.place,
        help: 'give each prefix to one peer only',
        related: [{ message: `${one.name} has ${earlier.prefix} from here`, place: earlier.place }],
      });
    }
  }
}

function isSharedBy(one: AllowedIp, other: AllowedIp): boolean {
  if (one.prefix === other.prefix) return true;
  const [a, b] = [parseCidr(one.prefix), parseCidr(other.prefix)];
  return a !== undefined && b !== undefined && a.prefixLength > 0 && b.prefixLength > 0 && overlaps(a, b);
}
