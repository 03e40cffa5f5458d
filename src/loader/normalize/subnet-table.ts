import { type Cidr, type Ip, networkOf } from '../../lib/ip.ts';

/** The subnets of one prefix length. */
interface Level<T> {
  readonly length: number;
  readonly networks: Map<bigint, T[]>;
}

const none: readonly never[] = [];

/**
 * Which of many subnets an address is in, by a look-up for each prefix length in use, the longest first: a router with
 * thousands of subnets and thousands of routes must not compare each with each. Thousands of namespaces with a subnet or
 * two have a table each, so one without entries is next to nothing.
 */
export class SubnetTable<T> {
  readonly #levels: Record<4 | 6, readonly Level<T>[]> = { 4: none, 6: none };

  add({ family, prefixLength: length, network }: Cidr, value: T): void {
    let level = this.#levels[family].find((each) => each.length === length);
    if (level === undefined) {
      level = { length, networks: new Map() };
      this.#levels[family] = [...this.#levels[family], level].sort((a, b) => b.length - a.length);
    }
    const values = level.networks.get(network);
    if (values === undefined) level.networks.set(network, [value]);
    else values.push(value);
  }

  /** Every subnet that has the address, the longest prefix first, then in the order in which they were added. */
  findAll(ip: Ip): readonly T[] {
    const found = this.#levels[ip.family].map(
      ({ length, networks }) => networks.get(networkOf(ip, length)) ?? [],
    );
    return found.length === 1 ? (found[0] ?? []) : found.flat();
  }
}
