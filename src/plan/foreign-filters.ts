import {
  describeFilter,
  type ForeignFilter,
  type ForeignFilters,
  integration,
  letThrough,
} from '../observe/foreign-filters.ts';
import { hostInterfaces } from '../topology/host-interfaces.ts';
import { HOST, type Interface, type Topology } from '../topology/model.ts';

/** Something of the machine that a plan cannot change, and that keeps a lab from working. */
export interface PlanWarning {
  readonly code: 'foreign-filter' | 'bridge-filter' | 'no-docker-user' | 'not-ours';
  readonly message: string;
  readonly help: string;
}

/** Whether the lab has anything in the machine's own namespace that filters of others could drop. */
export function mayMeetFilters(topology: Topology): boolean {
  return ownInterfaces(topology).length > 0;
}

/** An adopted one was there before, and filters of others may know it in other ways than by its name. */
function ownInterfaces(topology: Topology): Interface[] {
  return hostInterfaces(topology).filter(({ kind }) => kind !== 'adopted');
}

/**
 * What filters of others do to the lab, and what to do about it. `integrated`: the families whose chain DOCKER-USER has
 * rules for the lab, or gets them by the plan.
 */
export function foreignWarnings(
  topology: Topology,
  found: ForeignFilters,
  isForwarding: boolean,
  integrated: ReadonlySet<4 | 6> = new Set(),
): PlanWarning[] {
  const forward = found.forward.filter(
    ({ chain, hasDockerUser }) => !(hasDockerUser && integrated.has(chain.startsWith('ip6 ') ? 6 : 4)),
  );
  const filters: ForeignFilters = { ...found, forward };
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
        help: `topoweave does not touch the rules of others${filter.hasDockerUser ? ' unless the file says so' : ''}; to let it through: ${helpFor(filter, names)}`,
      },
    ];
  });
}

/** The file asks for rules in Docker's chain, which is not there: without it no packet of the lab is lost in it. */
export function noDockerUserWarning(): PlanWarning {
  return {
    code: 'no-docker-user',
    message:
      'there is nothing to integrate with: neither iptables nor ip6tables has the chain DOCKER-USER on this machine',
    help: 'Docker is not running, was started with --iptables=false, or keeps its rules in nftables; plan again when it runs',
  };
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
  const request = filter.hasDockerUser ? `${integration}; or by hand: ` : '';
  return `${request}${letThrough(filter, first)}${others.length === 0 ? '' : `; and the same for ${listOf(others)}`}`;
}

function listOf(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ');
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}
