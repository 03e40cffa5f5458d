import { ipProtocols, protocolNumber } from '../lib/ip-protocol.ts';

/** Protocols by the names that rules use: those of nft, and so icmpv6. */
const numbers: Readonly<Record<string, number>> = Object.fromEntries(
  ipProtocols.map((name) => [name === 'ipv6-icmp' ? 'icmpv6' : name, protocolNumber(name) ?? 0]),
);

const names = new Map(Object.entries(numbers).map(([name, number]) => [number, name]));

export const firewallProtocols: readonly string[] = Object.keys(numbers);

/** Those that have ports. */
export const portProtocols: ReadonlySet<string> = new Set(['tcp', 'udp', 'sctp']);

/** The name, or the number where there is none; undefined for what is neither. */
export function canonicalProtocol(text: string): string | undefined {
  if (!/^\d{1,3}$/.test(text)) {
    const word = text.toLowerCase() === 'ipv6-icmp' ? 'icmpv6' : text.toLowerCase();
    return numbers[word] === undefined ? undefined : word;
  }
  const number = Number(text);
  return number > 255 ? undefined : (names.get(number) ?? String(number));
}

export function protocolValue(name: string): number {
  return numbers[name] ?? Number(name);
}

/** Types of messages, by protocol (IANA; nft(8) has the same words, but for those of router discovery). */
export const icmpTypes: Readonly<Record<'icmp' | 'icmpv6', Readonly<Record<string, number>>>> = {
  icmp: {
    'echo-reply': 0,
    'destination-unreachable': 3,
    redirect: 5,
    'echo-request': 8,
    'router-advertisement': 9,
    'router-solicitation': 10,
    'time-exceeded': 11,
    'parameter-problem': 12,
    'timestamp-request': 13,
    'timestamp-reply': 14,
  },
  icmpv6: {
    'destination-unreachable': 1,
    'packet-too-big': 2,
    'time-exceeded': 3,
    'parameter-problem': 4,
    'echo-request': 128,
    'echo-reply': 129,
    'router-solicitation': 133,
    'router-advertisement': 134,
    'neighbor-solicitation': 135,
    'neighbor-advertisement': 136,
    redirect: 137,
  },
};
