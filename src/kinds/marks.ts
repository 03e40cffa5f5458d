import { createHash } from 'node:crypto';
import type { IpLink, Mark } from '../observe/live.ts';

/** The protocol number of our routes; not in iproute2's rt_protos, nor used by a known routing daemon. */
export const ROUTE_PROTOCOL = 116;

const form = /^topoweave:([a-z][a-z0-9-]*):([a-z0-9+]*)(?: (.*))?$/;

export function parseMark(alias: string | undefined): Mark | undefined {
  // Most links of a machine are asked several times, and many of them carry no alias at all.
  if (alias === undefined || !alias.startsWith('topoweave:')) return undefined;
  const match = form.exec(alias);
  if (match === null) return undefined;
  return { lab: match[1] ?? '', tag: match[2] ?? '', text: match[3] ?? '' };
}

const marks = new WeakMap<IpLink, { readonly mark: Mark | undefined }>();

/** The mark on a link; parsed once. */
export function markOf(link: IpLink): Mark | undefined {
  const known = marks.get(link);
  if (known !== undefined) return known.mark;
  const mark = parseMark(link.ifalias);
  marks.set(link, { mark });
  return mark;
}

export function formatMark(mark: Mark): string {
  return `topoweave:${mark.lab}:${mark.tag}${mark.text === '' ? '' : ` ${mark.text}`}`;
}

/** The lab's link group: 31 bits, `t` (0x74) in the highest byte and 24 bits of a hash of the name below. */
export function labGroup(lab: string): number {
  const known = groups.get(lab);
  if (known !== undefined) return known;
  const group = 0x74000000 + createHash('sha256').update(lab).digest().readUIntBE(0, 3);
  groups.set(lab, group);
  return group;
}

const groups = new Map<string, number>();

/** The tag that both ends of a link share. */
export function linkTag(...ends: string[]): string {
  return createHash('sha256').update(ends.sort().join(' ')).digest('hex').slice(0, 12);
}

/**
 * The lab that a link belongs to: by its alias, or, while a killed run left it without one, by its group.
 */
export function linkBelongsTo(link: IpLink, lab: string): boolean {
  const mark = markOf(link);
  if (mark !== undefined) return mark.lab === lab;
  return link.group === String(labGroup(lab));
}
