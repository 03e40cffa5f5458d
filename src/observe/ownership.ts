import { parseMark } from '../kinds/marks.ts';
import type { IpLink, LiveNamespace } from './live.ts';

/** A namespace that is somebody else's, whatever it carries: no mark in it counts. */
export function disown(namespace: LiveNamespace, why: string): LiveNamespace {
  return { ...namespace, mark: undefined, notOurs: why, links: namespace.links.map(withoutMark) };
}

/** The same link as if nobody had marked it. */
export function withoutMark(link: IpLink): IpLink {
  const { ifalias, group: _group, ...rest } = link;
  const mark = parseMark(ifalias);
  const text = mark === undefined ? ifalias : mark.text;
  return { ...rest, group: 'default', ...(text === undefined || text === '' ? {} : { ifalias: text }) };
}
