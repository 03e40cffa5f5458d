import { compareNames } from '../../lib/collections.ts';
import { canonicalAddress } from '../../lib/ip.ts';
import type { Vxlan } from '../../topology/model.ts';
import { expandMac } from './settings.ts';
import type { TunnelEnd } from './tunnel-items.ts';

/** The entries of one end: those of the tunnel that lead elsewhere, and its own. What is wrong was reported before. */
export function expandFdb({ tunnel, end }: TunnelEnd, local: string | undefined): Vxlan['fdb'] {
  const entries = new Map<string, string>();
  for (const fdb of [tunnel.fdb, end.fdb]) {
    for (const [text, address] of Object.entries(fdb ?? {})) {
      const mac = expandMac(text, '', () => undefined);
      const peer = canonicalAddress(address);
      if (mac !== undefined && peer !== undefined && peer !== local) entries.set(mac, peer);
    }
  }
  return [...entries]
    .map(([mac, peer]) => ({ mac, peer }))
    .sort((one, other) => compareNames(one.mac, other.mac));
}
