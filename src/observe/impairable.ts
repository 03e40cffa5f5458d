import { readDisciplines } from '../kinds/discipline.ts';
import { linkBelongsTo, parseMark } from '../kinds/marks.ts';
import type { Attributes } from '../kinds/resource.ts';
import { compareNames } from '../lib/collections.ts';
import type { IpLink, Live } from './live.ts';

/** An interface of a lab, and what happens to the packets that it sends. */
export interface ImpairableEnd {
  readonly namespace: string;
  readonly name: string;
  readonly mtu: number;
  /** undefined: nothing on purpose. */
  readonly impairment: Attributes | undefined;
}

/** A cable with both of its ends, or an interface that is no end of one. */
export interface ImpairableLink {
  readonly lab: string;
  readonly ends: readonly ImpairableEnd[];
}

/** Every link that a lab made, by the name of its first end. */
export function listImpairable(live: Live, lab?: string): ImpairableLink[] {
  const links = new Map<string, { lab: string; ends: ImpairableEnd[] }>();
  for (const { name: namespace, links: found, qdiscs = [] } of live.namespaces.values()) {
    for (const link of found) {
      const mark = link.ifname === 'lo' ? undefined : parseMark(link.ifalias);
      if (mark === undefined || (lab !== undefined && mark.lab !== lab)) continue;
      const key =
        link.linkinfo?.info_kind === 'veth' ? `${mark.lab} ${mark.tag}` : `${namespace}:${link.ifname}`;
      const entry = links.get(key) ?? { lab: mark.lab, ends: [] };
      links.set(key, entry);
      const impairment = readDisciplines(qdiscs.filter(({ dev }) => dev === link.ifname));
      entry.ends.push({ namespace, name: link.ifname, mtu: link.mtu, impairment });
    }
  }
  const sorted = [...links.values()].map(({ lab: owner, ends }) => ({
    lab: owner,
    ends: ends.sort((a, b) => compareNames(endName(a), endName(b))),
  }));
  return sorted.sort((a, b) => compareNames(a.lab, b.lab) || compareNames(linkName(a), linkName(b)));
}

export function endName({ namespace, name }: Pick<ImpairableEnd, 'namespace' | 'name'>): string {
  return `${namespace}:${name}`;
}

/** `a:eth0--b:eth0` */
export function linkName({ ends }: ImpairableLink): string {
  return ends.map(endName).join('--');
}

/** Whether there is an interface of this name that no lab made. */
export function isForeign(live: Live, text: string): boolean {
  const colon = text.indexOf(':');
  const links: readonly IpLink[] = live.namespaces.get(text.slice(0, colon))?.links ?? [];
  const link = links.find(({ ifname }) => ifname === text.slice(colon + 1));
  const lab = parseMark(link?.ifalias)?.lab;
  return link !== undefined && (lab === undefined || !linkBelongsTo(link, lab) || link.ifname === 'lo');
}
