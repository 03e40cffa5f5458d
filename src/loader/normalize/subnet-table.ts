import { type Cidr, type Ip, networkOf } from '../../lib/ip.ts';

/**
 * Which of many subnets an address is in, by a look-up for each prefix length in use, the longest first: a router with
 * thousands of subnets and thousands of routes must not compare each with each.
 */
export interface SubnetTable<T> {
  readonly add: (cidr: Cidr, value: T) => void;
  /** Every subnet that has the address, the longest prefix first, then in the order in which they were added. */
  readonly findAll: (ip: Ip) => readonly T[];
}

export function createSubnetTable<T>(): SubnetTable<T> {
  const byLength: Readonly<Record<4 | 6, Map<number, Map<bigint, T[]>>>> = { 4: new Map(), 6: new Map() };
  const lengths: Record<4 | 6, number[]> = { 4: [], 6: [] };
  return {
    add: ({ family, prefixLength, network }, value) => {
      let networks = byLength[family].get(prefixLength);
      if (networks === undefined) {
        networks = new Map();
        byLength[family].set(prefixLength, networks);
        lengths[family].push(prefixLength);
        lengths[family].sort((a, b) => b - a);
      }
      const values = networks.get(network);
      if (values === undefined) networks.set(network, [value]);
      else values.push(value);
    },
    findAll: (ip) => {
      const found: T[] = [];
      for (const length of lengths[ip.family]) {
        found.push(...(byLength[ip.family].get(length)?.get(networkOf(ip, length)) ?? []));
      }
      return found;
    },
  };
}
