import {
  describeFilter,
  type ForeignFilter,
  type ForeignFilters,
  letThrough,
} from '../observe/foreign-filters.ts';
import { HOST, type Interface, type Topology } from '../topology/model.ts';

/** Something of the machine that a plan cannot change, and that keeps a lab from working. */
export interface PlanWarning {
  readonly code: 'foreign-filter' | 'bridge-filter';
  readonly message: string;
  readonly help: string;
}

/** Whether the lab has anything in the machine's own namespace that filters of others could drop. */
export function mayMeetFilters(topology: Topology): boolean {
  return ownInterfaces(topology).length > 0;
}

function ownInterfaces({ interfaces }: Topology): Interface[] {
  return interfaces.filter(
    ({ namespace, kind, master }) =>
      namespace === HOST && kind !== 'loopback' && kind !== 'adopted' && master === undefined,
  );
}

/** What filters of others do to the lab, and what to do about it. */
export function foreignWarnings(
  topology: Topology,
  filters: ForeignFilters,
  isForwarding: boolean,
): PlanWarning[] {
  const forwards =
    isForwarding ||
    topology.namespaces.some(({ name, forwarding }) => name === HOST && forwarding !== undefined);
  return [
    ...(forwards ? forwardWarnings(topology, filters) : []),
    ...(filters.bridgesFiltered ? bridgeWarnings(topology, filters) : []),
  ];
}

function forwardWarnings(topology: Topology, { forward }: ForeignFilters): PlanWarning[] {
  return forward.flatMap((filter): PlanWarning[] => {
    const names = ownInterfaces(topology)
      .filter(({ addresses }) => addresses.some(({ address }) => isSeen(filter, address)))
      .map(({ name }) => name)
      .filter((name) => !filter.letsThrough.has(name));
    if (names.length === 0) return [];
    return [
      {
        code: 'foreign-filter',
        message: `${describeFilter(filter)}: what host forwards by ${listOf(names)} is lost`,
        help: `topoweave does not touch the rules of others; to let it through: ${helpFor(filter, names)}`,
      },
    ];
  });
}

function bridgeWarnings(topology: Topology, { forward }: ForeignFilters): PlanWarning[] {
  const ports = topology.interfaces.filter(({ namespace }) => namespace === HOST).map(({ master }) => master);
  const bridges = ownInterfaces(topology)
    .filter(({ kind, name }) => kind === 'bridge' && ports.filter((master) => master === name).length > 1)
    .map(({ name }) => name);
  return forward.flatMap((filter): PlanWarning[] => {
    const names = bridges.filter((name) => !filter.letsThrough.has(name));
    if (names.length === 0) return [];
    return [
      {
        code: 'bridge-filter',
        message: `br_netfilter gives what ${listOf(names)} passes between its ports to the filters for IP packets, and ${describeFilter(filter)}`,
        help: `sysctl -w net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0; or let it through: ${helpFor(filter, names)}`,
      },
    ];
  });
}

/** A table of one family sees only packets of that family. */
function isSeen({ chain }: ForeignFilter, address: string): boolean {
  if (chain.startsWith('ip6 ')) return address.includes(':');
  return !chain.startsWith('ip ') || !address.includes(':');
}

function helpFor(filter: ForeignFilter, [first = '', ...others]: readonly string[]): string {
  return `${letThrough(filter, first)}${others.length === 0 ? '' : `; and the same for ${listOf(others)}`}`;
}

function listOf(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ');
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}
