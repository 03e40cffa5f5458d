import { createHash } from 'node:crypto';
import type { IpLink, Mark } from '../observe/live.ts';

/** The protocol number of our routes, rules, nexthops and neighbours; not in iproute2's rt_protos, nor used by a known routing daemon. */
export const OWN_PROTOCOL = 116;

const form = /^topoweave:([a-z][a-z0-9-]*):([a-z0-9+]*)(?: (.*))?$/;

const parsed = new Map<string, Mark | undefined>();

/** Each kind looks at the same links, so each alias is taken apart once. */
export function parseMark(alias: string | undefined): Mark | undefined {
  if (alias === undefined) return undefined;
  const known = parsed.get(alias);
  if (known !== undefined || parsed.has(alias)) return known;
  const match = form.exec(alias);
  const mark =
    match === null ? undefined : { lab: match[1] ?? '', tag: match[2] ?? '', text: match[3] ?? '' };
  parsed.set(alias, mark);
  return mark;
}

export function formatMark(mark: Mark): string {
  return `topoweave:${mark.lab}:${mark.tag}${mark.text === '' ? '' : ` ${mark.text}`}`;
}

/** What the mark of a namespace says that it holds: `nft+rules`. */
export function tagsOf({ tag }: Mark): string[] {
  return tag.split('+');
}

const groups = new Map<string, number>();

/** The lab's link group: 31 bits, `t` (0x74) in the highest byte and 24 bits of a hash of the name below. */
export function labGroup(lab: string): number {
  const known = groups.get(lab);
  if (known !== undefined) return known;
  const group = 0x74000000 + createHash('sha256').update(lab).digest().readUIntBE(0, 3);
  groups.set(lab, group);
  return group;
}

const tags = new Map<string, string>();

/** The tag that both ends of a link share; both ask for it. */
export function linkTag(one: string, other: string): string {
  const ends = one < other ? `${one} ${other}` : `${other} ${one}`;
  const known = tags.get(ends);
  if (known !== undefined) return known;
  const tag = createHash('sha256').update(ends).digest('hex').slice(0, 12);
  tags.set(ends, tag);
  return tag;
}

/**
 * The lab that a link belongs to: by its alias, or, while a killed run left it without one, by its group.
 */
export function linkBelongsTo(link: IpLink, lab: string): boolean {
  const mark = parseMark(link.ifalias);
  if (mark !== undefined) return mark.lab === lab;
  return link.group === String(labGroup(lab));
}
