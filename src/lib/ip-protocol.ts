/** IP protocols by the names of /etc/protocols: those that a rule can be about. */
const numbers: Readonly<Record<string, number>> = {
  icmp: 1,
  tcp: 6,
  udp: 17,
  gre: 47,
  esp: 50,
  ah: 51,
  'ipv6-icmp': 58,
  sctp: 132,
};

const names = new Map(Object.entries(numbers).map(([name, number]) => [number, name]));

export const ipProtocols: readonly string[] = Object.keys(numbers);

/** As iproute2 prints it: `ipproto-N` where it has no name. */
export function protocolName(number: number): string {
  return names.get(number) ?? `ipproto-${number}`;
}

/** The number of a name, or of a number as text; undefined for neither. */
export function protocolNumber(text: string): number | undefined {
  const digits = /^(?:ipproto-)?(\d{1,3})$/.exec(text)?.[1];
  if (digits === undefined) return numbers[text.toLowerCase()];
  return Number(digits) <= 255 ? Number(digits) : undefined;
}
