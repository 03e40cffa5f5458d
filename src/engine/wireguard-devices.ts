import { linkBelongsTo } from '../kinds/marks.ts';
import type { IpLink } from '../observe/live.ts';

/** The WireGuard devices to read: a stranger's are left alone, and so are its keys. */
export function wireguardOf(links: readonly IpLink[], lab: string | undefined): string[] {
  if (lab === undefined) return [];
  return links.flatMap((link) =>
    link.linkinfo?.info_kind === 'wireguard' && linkBelongsTo(link, lab) ? link.ifname : [],
  );
}
