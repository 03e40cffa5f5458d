import type { IpLink } from '../observe/live.ts';
import type { ReadRequest } from './engine.ts';

/** What the kernel itself gives to interfaces (net.core.default_qdisc, and attach_default_qdiscs in sch_generic.c). */
const usual = new Set(['noqueue', 'noop', 'mq', 'pfifo_fast', 'fq_codel', 'fq', 'sfq', 'pfifo', 'bfifo']);

/**
 * Whether the queueing disciplines of a namespace are read: where a link shows one that somebody chose, or has an ifb
 * device, or where the file wants one for received packets, which no link shows.
 */
export function mayHaveDisciplines(
  { name, links }: { readonly name: string; readonly links: readonly IpLink[] },
  { ingress }: ReadRequest,
): boolean {
  return (
    ingress?.has(name) === true || links.some((link) => isChosen(link) || link.linkinfo?.info_kind === 'ifb')
  );
}

function isChosen({ qdisc }: IpLink): boolean {
  return qdisc !== undefined && !usual.has(qdisc);
}

/** A file cannot declare another name, and no line of a batch could name it. */
function isPlain(name: string): boolean {
  return /^[!-~]+$/.test(name) && !/["#\\]/.test(name);
}

/** The links whose incoming side can be redirected: none where there is no ifb device for it. */
export function redirectable(
  { name, links }: { readonly name: string; readonly links: readonly IpLink[] },
  { ingress }: ReadRequest,
): IpLink[] {
  const isNeeded = ingress?.has(name) === true || links.some((link) => link.linkinfo?.info_kind === 'ifb');
  return isNeeded ? links.filter(({ ifname }) => ifname !== 'lo' && isPlain(ifname)) : [];
}
