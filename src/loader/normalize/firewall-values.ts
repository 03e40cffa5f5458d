import type { Place } from '../../lib/diagnostic.ts';
import {
  addressBits,
  formatIp,
  formatNetwork,
  lastAddressOf,
  parseCidr,
  parseIp,
  withLength,
} from '../../lib/ip.ts';
import type { FirewallSetType } from '../../topology/firewall.ts';
import type { Report } from './problem.ts';

/** A value of a set or of a list, from the first to the last of what it stands for. */
export interface Span {
  readonly text: string;
  readonly first: bigint;
  readonly last: bigint;
  /** Of two that are of different families, only those of one can overlap. */
  readonly family: 4 | 6;
  readonly place: Place;
}

/** An address, a prefix or a range of addresses; undefined for anything else. */
export function readAddresses(text: string, place: Place): Span | undefined {
  const ip = parseIp(text);
  if (ip !== undefined)
    return { text: ip.address, first: ip.value, last: ip.value, family: ip.family, place };
  const cidr = parseCidr(text);
  if (cidr !== undefined) {
    if (cidr.network !== cidr.value) return undefined;
    const isHost = cidr.prefixLength === addressBits(cidr.family);
    const shown = isHost ? cidr.address : formatNetwork(cidr);
    return { text: shown, first: cidr.network, last: lastAddressOf(cidr), family: cidr.family, place };
  }
  const [first, last, ...more] = text.split('-').map((part) => parseIp(part.trim()));
  if (first === undefined || last === undefined || more.length > 0 || first.family !== last.family)
    return undefined;
  if (first.value >= last.value) return undefined;
  const shown = `${formatIp(first.value, first.family)}-${formatIp(last.value, last.family)}`;
  return { text: shown, first: first.value, last: last.value, family: first.family, place };
}

/** What is wrong with a text that stands for no addresses. */
export function addressProblem(text: string): string {
  const cidr = parseCidr(text);
  if (cidr !== undefined) {
    const network = formatNetwork(withLength(cidr, cidr.prefixLength));
    return `${text} is an address inside of ${network} and not a prefix; write ${cidr.address} or ${network}`;
  }
  const [first, last] = text.split('-').map((part) => parseIp(part.trim()));
  if (first !== undefined && last !== undefined) {
    if (first.family !== last.family) return `the ends of ${text} are of different families`;
    return `the range ${text} runs backwards`;
  }
  return `'${text}' is not an address; write one such as 10.0.0.1, a prefix such as 10.0.0.0/8, or a range such as 10.0.0.1-10.0.0.9`;
}

/** A number up to `most`, or a range of them. */
export function readNumbers(text: string, most: number, place: Place): Span | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  if (first > last || last > most) return undefined;
  const shown = first === last ? String(first) : `${first}-${last}`;
  return { text: shown, first: BigInt(first), last: BigInt(last), family: 4, place };
}

export function portProblem(text: string): string {
  const match = /^(\d+)-(\d+)$/.exec(text);
  const [first, last] = [Number(match?.[1]), Number(match?.[2])];
  if (match !== null && first > last) return `the range ${text} runs backwards; write ${last}-${first}`;
  return `'${text}' is not a port; write a number from 0 to 65535, or a range such as 8000-8099`;
}

/** What nft takes in quotes without a meaning of its own; a `*` is one only at the end. */
export function isInterfaceText(text: string): boolean {
  return /^[^\s/:%"'`\\*#$;&|<>(){}[\]!?,@]+$/u.test(text) && !text.startsWith('-');
}

/** What the first element of a set says of all of them. */
export function typeOfElement(text: string): FirewallSetType {
  if (/^\d+(-\d+)?$/.test(text)) return 'ports';
  return readAddresses(text, nowhere) !== undefined || /[:/]/.test(text) || /^[\d.]+(-[\d.]+)?$/.test(text)
    ? 'addresses'
    : 'interfaces';
}

const nowhere: Place = { pointer: '', part: 'value' };

/** Sorts values; nftables refuses two that overlap, so that is an error here. */
export function sortSpans(spans: readonly Span[], what: string, report: Report): string[] {
  const sorted = [...spans].sort(
    (a, b) => a.family - b.family || compare(a.first, b.first) || compare(a.last, b.last),
  );
  const kept: Span[] = [];
  for (const span of sorted) {
    const earlier = kept.at(-1);
    if (earlier === undefined || earlier.family !== span.family || earlier.last < span.first) {
      kept.push(span);
      continue;
    }
    const isSame = earlier.first === span.first && earlier.last === span.last;
    report({
      code: 'firewall-overlap',
      message: isSame
        ? `${span.text} is in ${what} twice`
        : `${span.text} and ${earlier.text} of ${what} overlap; nftables takes an element once`,
      place: span.place,
      help: isSame
        ? 'leave one of the two out'
        : `leave out ${span.last <= earlier.last ? span.text : earlier.text}`,
      related: [{ message: `${earlier.text} stands here`, place: earlier.place }],
    });
  }
  return kept.map(({ text }) => text);
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
