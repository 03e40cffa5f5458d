import { createHash } from 'node:crypto';
import type { Engine } from '../engine/engine.ts';
import { portsOf, publishedText, rangeText } from '../kinds/publish.ts';
import { append } from '../lib/collections.ts';
import { familyOfAddress } from '../lib/ip.ts';
import type { Live } from '../observe/live.ts';
import {
  describeHolder,
  type Holder,
  indexHolders,
  readHolders,
  readPortRange,
  readReserved,
} from '../observe/port-use.ts';
import type { Conflict, Plan } from '../plan/step.ts';
import type { LabRecord } from '../system/record.ts';
import {
  isNumbered,
  type Namespace,
  type PortRange,
  type Publish,
  type Topology,
} from '../topology/model.ts';

/** What is known of the ports of a namespace: the same for a whole planning, and read only when it is asked for. */
export interface PortUse {
  readonly holderOf: (publish: WantedPorts) => Holder | undefined;
  readonly range: PortRange;
  readonly reserved: readonly PortRange[];
}

type WantedPorts = Pick<Publish, 'protocol' | 'address'> & {
  readonly family: 4 | 6;
  readonly port: PortRange;
};
export type FindPortUse = (namespace: string) => Promise<PortUse>;

/** Asks an engine, once for each namespace; one that is not there yet has nothing that could hold a port. */
export function portUseFinder(engine: Engine, lab: string, live: Pick<Live, 'namespaces'>): FindPortUse {
  const known = new Map<string, Promise<PortUse>>();
  return (namespace) => {
    const found =
      known.get(namespace) ??
      readPortUse(engine, lab, live.namespaces.has(namespace) ? namespace : undefined);
    known.set(namespace, found);
    return found;
  };
}

async function readPortUse(engine: Engine, lab: string, namespace: string | undefined): Promise<PortUse> {
  if (namespace === undefined) return { holderOf: () => undefined, range: readPortRange(''), reserved: [] };
  const texts = await engine.readPortUse(namespace);
  return {
    holderOf: indexHolders(readHolders(texts, lab)),
    range: readPortRange(texts.range),
    reserved: readReserved(texts.reserved),
  };
}

/** The numbers that were chosen for a lab's ports, by what they are for. */
export type ChosenPorts = Readonly<Record<string, number>>;

/**
 * The names of the ports of a namespace that are chosen: the same for one port of a namespace by IPv4 and by IPv6, which get
 * one number. Of two that are for the same, the second has a count.
 */
function chosenNames({ name, nat }: Namespace, owners: Owners): Map<Publish, string> {
  const names = new Map<Publish, string>();
  const taken = new Set<string>();
  for (const publish of nat.publish) {
    if (!publish.isChosen) continue;
    const { protocol, address, to, toPort } = publish;
    const target = address === undefined ? (owners().get(to) ?? to) : to;
    const base = `${name} ${protocol} ${address ?? '*'} ${target} ${rangeText(toPort)}`;
    const key = (count: number) => `${familyOfAddress(to)} ${base} ${count}`;
    let count = 1;
    while (taken.has(key(count))) count += 1;
    taken.add(key(count));
    names.set(publish, count === 1 ? base : `${base} ${count}`);
  }
  return names;
}

type Owners = () => ReadonlyMap<string, string>;

/** Which namespace has an address; put together when it is asked for. */
function ownersIn({ interfaces }: Topology): Owners {
  let owners: Map<string, string> | undefined;
  return () => {
    if (owners !== undefined) return owners;
    owners = new Map();
    for (const { namespace, addresses } of interfaces)
      for (const { address } of addresses) owners.set(address, namespace);
    return owners;
  };
}

/** The numbers of a topology whose ports are chosen, for the record. */
export function portsToRecord(topology: Topology | undefined): ChosenPorts {
  if (topology === undefined) return {};
  const owners = ownersIn(topology);
  return Object.fromEntries(
    topology.namespaces.flatMap((namespace) =>
      [...chosenNames(namespace, owners)].flatMap(([{ port }, name]) =>
        port === undefined ? [] : [[name, port.first]],
      ),
    ),
  );
}

/**
 * The topology with a number for each port that the file leaves open. One from the record is kept as long as nobody else
 * took it. A new one is looked for from a place that its name tells: a file gives the same numbers again after the
 * machine was started anew, and one entry more does not move the others. Others are the same topologies.
 */
export async function choosePorts(
  topology: Topology,
  record: LabRecord,
  find: FindPortUse,
): Promise<Topology> {
  const isOpen = ({ nat }: Namespace) => nat.publish.some((publish) => !isNumbered(publish));
  if (!topology.namespaces.some(isOpen)) return topology;
  const namespaces: Namespace[] = [];
  const owners = ownersIn(topology);
  for (const namespace of topology.namespaces) {
    if (!isOpen(namespace)) namespaces.push(namespace);
    else {
      const use = await find(namespace.name);
      namespaces.push(chooseIn(namespace, { recorded: record.ports ?? {}, use, owners }));
    }
  }
  return { ...topology, namespaces };
}

interface Choice {
  readonly recorded: ChosenPorts;
  readonly use: PortUse;
  readonly owners: Owners;
}

function chooseIn(namespace: Namespace, { recorded, use, owners }: Choice): Namespace {
  const { range, reserved } = { ...use, ...wantedRange(namespace) };
  const names = chosenNames(namespace, owners);
  const groups = new Map<string, Publish[]>();
  for (const [publish, name] of names) append(groups, name, publish);
  const taken = new Set<string>();
  const take = (protocol: string, { first, last }: PortRange) => {
    for (let port = first; port <= last; port += 1) taken.add(`${protocol} ${port}`);
  };
  for (const publish of namespace.nat.publish) if (isNumbered(publish)) take(publish.protocol, publish.port);
  const isFree = (group: readonly Publish[], port: number) =>
    group.every(({ protocol, address, to }) => {
      const wanted = { protocol, address, family: familyOfAddress(to), port: single(port) };
      return !taken.has(`${protocol} ${port}`) && use.holderOf(wanted) === undefined;
    });
  const chosen = new Map<string, number>();
  const choose = (name: string, group: readonly Publish[], port: number) => {
    chosen.set(name, port);
    for (const { protocol } of group) take(protocol, single(port));
  };
  for (const [name, group] of groups) {
    const before = recorded[name];
    if (before !== undefined && isFree(group, before)) choose(name, group, before);
  }
  const isAllowed = (port: number) => !reserved.some(({ first, last }) => first <= port && port <= last);
  for (const [name, group] of groups) {
    if (chosen.has(name)) continue;
    const port = search(name, range, (candidate) => isAllowed(candidate) && isFree(group, candidate));
    if (port !== undefined) choose(name, group, port);
  }
  const publish = namespace.nat.publish.map((item) => {
    const port = chosen.get(names.get(item) ?? '');
    return port === undefined ? item : { ...item, port: single(port) };
  });
  return { ...namespace, nat: { ...namespace.nat, publish } };
}

/** What the file itself says of the range, which need not be there yet. */
function wantedRange({ sysctls }: Namespace): { range?: PortRange; reserved?: readonly PortRange[] } {
  const value = (name: string) => sysctls.find((sysctl) => sysctl.name === `net.ipv4.${name}`)?.value;
  const [range, reserved] = [value('ip_local_port_range'), value('ip_local_reserved_ports')];
  return {
    ...(range === undefined ? {} : { range: readPortRange(range) }),
    ...(reserved === undefined ? {} : { reserved: readReserved(reserved) }),
  };
}

function search(
  name: string,
  { first, last }: PortRange,
  isFree: (port: number) => boolean,
): number | undefined {
  const size = last - first + 1;
  const start = createHash('sha256').update(name).digest().readUInt32BE() % size;
  for (let step = 0; step < size; step += 1) {
    const port = first + ((start + step) % size);
    if (isFree(port)) return port;
  }
  return undefined;
}

/** Ports that a plan publishes anew and that something else has, with who it is; and those for which none is free. */
export async function portConflicts(
  plan: Pick<Plan, 'steps'>,
  topology: Topology,
  find: FindPortUse,
): Promise<Conflict[]> {
  const conflicts = noneFree(topology);
  const made = new Set(
    plan.steps
      .filter(({ kind, action }) => kind === 'namespace' && action !== 'delete')
      .map((step) => step.namespace),
  );
  for (const { kind, action, after, namespace, resource, label, place } of plan.steps) {
    if (kind !== 'nat' || action !== 'create' || after?.['entry'] === undefined || made.has(namespace))
      continue;
    const ports = portsOf(after);
    const holder = (await find(namespace)).holderOf(ports);
    if (holder === undefined) continue;
    const lab = 'rule' in holder.is ? holder.is.lab : undefined;
    const { first, last } = ports.port;
    const port = first === last ? `port ${publishedText(ports)}` : `a port of ${publishedText(ports)}`;
    conflicts.push({
      resource,
      namespace,
      label,
      lab,
      message: `${port}/${ports.protocol} of ${namespace} is taken: ${describeHolder(holder)}`,
      hint:
        lab === undefined
          ? 'publish another port, or only at an address that is free, or end what has it'
          : `publish another port, or remove that lab: topoweave destroy ${lab}`,
      place,
    });
  }
  return conflicts;
}

function noneFree(topology: Topology): Conflict[] {
  return topology.namespaces.flatMap(({ name, nat }) =>
    nat.publish
      .filter((publish) => !isNumbered(publish))
      .map(({ to, toPort, protocol, place }) => ({
        resource: `${name}/nat`,
        namespace: name,
        label: `publish ${to}:${rangeText(toPort)}`,
        lab: undefined,
        message: `${name} has no port left that could be chosen for ${to}:${rangeText(toPort)}/${protocol}`,
        hint: 'make net.ipv4.ip_local_port_range larger, or name a port',
        place,
      })),
  );
}

function single(port: number): PortRange {
  return { first: port, last: port };
}
