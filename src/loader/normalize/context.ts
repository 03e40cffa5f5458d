import type { Defaults, TopologyFile } from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import {
  type Adopted,
  type Bridge,
  type Device,
  type Exposed,
  type Geneve,
  type Gre,
  HOST,
  type Interface,
  type IpTunnel,
  type Loopback,
  type OvsBridge,
  type OvsInternal,
  type Veth,
  type Vxlan,
  type Wireguard,
} from '../../topology/model.ts';
import { suggest } from '../suggest.ts';
import { listNames } from './names.ts';
import type { Report } from './problem.ts';

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** An interface while later passes still fill in its mtu and its master. */
export type InterfaceDraft =
  | Mutable<Veth>
  | Mutable<Bridge>
  | Mutable<OvsBridge>
  | Mutable<OvsInternal>
  | Mutable<Gre>
  | Mutable<IpTunnel>
  | Mutable<Geneve>
  | Mutable<Vxlan>
  | Mutable<Wireguard>
  | Mutable<Loopback>
  | Mutable<Device>
  | Mutable<Adopted>;

export interface Sized {
  readonly mtu: number;
  readonly place: Place;
}

/** What the file says about an interface and the model does not keep. */
export interface Entry {
  readonly item: InterfaceDraft;
  /** The mtu at the interface itself, or else at its link or tunnel. */
  readonly mtu: Sized | undefined;
  /** For a bridge's port, either end: the bridge that it takes its mtu from. */
  readonly portOf?: Entry | undefined;
}

export interface Context {
  readonly data: TopologyFile;
  readonly defaults: Defaults;
  readonly report: Report;
  /** Every name under `namespaces`, with its place. */
  readonly declared: ReadonlyMap<string, Place>;
  /** By namespace: the ports that it exposes; filled in before any is published. */
  readonly exposed: Map<string, readonly Exposed[]>;
  /** By `NAMESPACE/INTERFACE`, in the order of the file. */
  readonly entries: Map<string, Entry>;
  /** Interfaces of the host that are adopted, with the place. */
  readonly adoptedFrom: Map<string, Place>;
}

export function createContext(
  data: TopologyFile,
  declared: ReadonlyMap<string, Place>,
  report: Report,
): Context {
  return {
    data,
    defaults: data.defaults ?? {},
    report,
    declared,
    exposed: new Map(),
    entries: new Map(),
    adoptedFrom: new Map(),
  };
}

export function interfaceKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

/** Takes up an interface; one that is defined already is an error, and the first definition stays. */
export function addEntry({ entries, report }: Context, entry: Entry): void {
  const { namespace, name, place } = entry.item;
  const key = interfaceKey(namespace, name);
  const earlier = entries.get(key);
  if (earlier === undefined) {
    entries.set(key, entry);
    return;
  }
  report({
    code: 'interface-twice',
    message: `interface ${namespace}:${name} is already defined; give one of the two another name`,
    place,
    related: [{ message: `${namespace}:${name} is first defined here`, place: earlier.item.place }],
  });
}

/** Whether a namespace may be used: it is declared, or it is the machine's own. */
export function checkNamespace({ declared, report }: Context, name: string, place: Place): boolean {
  if (name === HOST || declared.has(name)) return true;
  const names = [...declared.keys()];
  const nearest = suggest(name, [...names, HOST]);
  report({
    code: 'undeclared-namespace',
    message: `namespace '${name}' is not declared; ${names.length === 0 ? 'none is' : `declared are ${listNames(names)}`}`,
    place,
    help: nearest === undefined ? `declare it under namespaces: ${name}: {}` : `did you mean '${nearest}'?`,
  });
  return false;
}

export function isInterfaceKind<Kind extends Interface['kind']>(
  item: InterfaceDraft,
  kind: Kind,
): item is Extract<InterfaceDraft, { kind: Kind }> {
  return item.kind === kind;
}
