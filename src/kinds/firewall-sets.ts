import { addressBits, lastAddressOf, parseCidr, parseIp, withLength } from '../lib/ip.ts';
import { sameValue } from './resource.ts';

/** Whether two lists of elements stand for the same: the kernel may show a range, or two that touch, in another way. */
export function sameElements(wanted: readonly string[], live: readonly string[] | undefined): boolean {
  if (live === undefined) return false;
  // As nearly always.
  if (sameValue('elements', wanted, live)) return true;
  return sameValue('elements', canonical(wanted), canonical(live));
}

/** Sorted, and what touches put together; names stay as they are. */
function canonical(elements: readonly string[]): string[] {
  const names: string[] = [];
  const spans: { family: string; first: bigint; last: bigint }[] = [];
  for (const element of elements) {
    const span = spanOf(element);
    if (span === undefined) names.push(element);
    else spans.push(span);
  }
  spans.sort(
    (a, b) => a.family.localeCompare(b.family) || (a.first < b.first ? -1 : a.first > b.first ? 1 : 0),
  );
  const joined: typeof spans = [];
  for (const span of spans) {
    const before = joined.at(-1);
    if (before !== undefined && before.family === span.family && span.first <= before.last + 1n) {
      if (span.last > before.last) before.last = span.last;
    } else joined.push(span);
  }
  return [...names.sort(), ...joined.map(({ family, first, last }) => `${family} ${first} ${last}`)];
}

function spanOf(element: string): { family: string; first: bigint; last: bigint } | undefined {
  const ports = /^(\d+)(?:-(\d+))?$/.exec(element);
  if (ports !== null)
    return { family: 'port', first: BigInt(ports[1] ?? 0), last: BigInt(ports[2] ?? ports[1] ?? 0) };
  const ip = parseIp(element);
  const cidr = ip === undefined ? parseCidr(element) : withLength(ip, addressBits(ip.family));
  if (cidr !== undefined) return { family: `${cidr.family}`, first: cidr.network, last: lastAddressOf(cidr) };
  const [from, to] = element.split('-').map(parseIp);
  if (from === undefined || to === undefined) return undefined;
  return { family: `${from.family}`, first: from.value, last: to.value };
}
