import { parseIp } from '../../lib/ip.ts';
import type { Namespace } from '../../topology/model.ts';
import type { NameBook } from './names-files.ts';
import type { Network } from './network.ts';
import { addressOfNamespace } from './targets.ts';

/** What the names of hosts stand for, beside those that namespaces have by themselves. */
export interface HostNames {
  /** The address of a name in a namespace, as its /etc/hosts says; undefined: the name is not known there. */
  readonly find: (name: string, from: string) => HostAddress | undefined;
  /** All that a namespace may ask for. */
  readonly known: (from: string) => readonly string[];
  /** A namespace that alone knows the name, by its own `hosts`. */
  readonly onlyIn: (name: string) => string | undefined;
}

export interface HostAddress {
  /** What has the name: a namespace, or an address. */
  readonly of: string;
  /** undefined: a namespace without one. */
  readonly address: string | undefined;
}

interface Request {
  readonly book: NameBook;
  readonly namespaces: readonly Namespace[];
  readonly network: Network;
}

/**
 * An entry of the namespace's own stands before the names of the lab, its own names apart, as in its file. The machine and
 * others without a file know the names of the lab too: each is one namespace's alone.
 */
export function createHostNames({ book, namespaces, network }: Request): HostNames {
  const own = new Map(
    namespaces.flatMap(({ name, names }) =>
      names === undefined ? [] : [[name, new Map(names.hosts.map((entry) => [entry.name, entry.to]))]],
    ),
  );
  const addressOf = (of: string, from: string): HostAddress => ({
    of,
    address: parseIp(of)?.address ?? addressOfNamespace(network, of, from),
  });
  return {
    find: (name, from) => {
      const owner = book.ownerOf(name);
      const entry = owner === from ? undefined : own.get(from)?.get(name);
      const [of] = entry ?? (owner === undefined ? [] : [owner]);
      return of === undefined ? undefined : addressOf(of, from);
    },
    known: (from) => [...new Set([...(own.get(from)?.keys() ?? []), ...book.names()])],
    onlyIn: (name) => [...own].find(([, entries]) => entries.has(name))?.[0],
  };
}
