/** A query for the name servers of the root: header, one question (RFC 1035, 4.1). Each name server answers, if only to refuse. */
const dnsQuery = Buffer.from('74770100000100000000000000000200 01'.replaceAll(' ', ''), 'hex');

/** A client's request of version 4; all else may be zero (RFC 5905, 7.3). */
const ntpRequest = Buffer.concat([Buffer.of(0x23), Buffer.alloc(47)]);

const byPort: ReadonlyMap<number, Buffer> = new Map([
  [53, dnsQuery],
  [123, ntpRequest],
]);

/** Any other service, and the check's own listener, is sent a word. */
const word = Buffer.from('topoweave');

/**
 * What a udp check sends, in base64: a server answers only what it understands.
 *
 * @param ports the port that the check names, and those that it leads to.
 */
export function datagramFor(ports: readonly number[]): string {
  const known = ports.flatMap((port) => byPort.get(port) ?? []);
  return (known[0] ?? word).toString('base64');
}
