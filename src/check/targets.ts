import {
  type Check,
  isNumbered,
  type Namespace,
  type NumberedPublish,
  type Topology,
} from '../topology/model.ts';

/** Where a packet to a check's address and port ends: a port in a namespace of the file. */
export interface Target {
  readonly namespace: string;
  readonly address: string;
  readonly port: number;
}

type Protocol = NumberedPublish['protocol'];

/** Published ports that lead to published ports: more hops than this are a loop in the file. */
const MAX_HOPS = 8;

/**
 * Follows published ports to the namespace that has to listen. Several where unconnected networks use an address twice;
 * none where the address is outside of the file.
 */
export function finalTargets(topology: Topology, check: Check): Target[] {
  const { port } = check;
  if (check.kind === 'ping' || port === undefined) return [];
  const protocol = check.kind;
  const targets = ownersOf(topology, { address: check.address, from: check.from }).flatMap((namespace) =>
    follow(
      topology,
      { namespace, address: check.address, port },
      { protocol, expect: check.expect, hops: 0 },
    ),
  );
  const unique = new Map(targets.map((target) => [JSON.stringify(target), target]));
  return [...unique.values()];
}

interface Way {
  readonly protocol: Protocol;
  readonly expect: Check['expect'];
  readonly hops: number;
}

function follow(topology: Topology, target: Target, way: Way): Target[] {
  const owner = topology.namespaces.find(({ name }) => name === target.namespace);
  const publish = owner === undefined ? undefined : publishOf(owner, target, way);
  if (publish === undefined) return [target];
  if (way.hops === MAX_HOPS) return [];
  const next = { address: publish.to, port: mappedPort(publish, target.port) };
  return ownersOf(topology, { address: publish.to, from: target.namespace }).flatMap((namespace) =>
    follow(topology, { namespace, ...next }, { ...way, hops: way.hops + 1 }),
  );
}

function publishOf(
  { nat }: Namespace,
  { address, port }: Target,
  { protocol, expect }: Way,
): NumberedPublish | undefined {
  const found = nat.publish
    .filter(isNumbered)
    .filter(
      (publish) =>
        publish.protocol === protocol &&
        publish.to.includes(':') === address.includes(':') &&
        publish.port.first <= port &&
        port <= publish.port.last,
    );
  const here = found.find((publish) => publish.address === undefined || publish.address === address);
  // Published at another address only, and not to be reached at this one: where it would come to has to listen, or the
  // silence would mean nothing.
  return here ?? (expect === 'unreachable' ? found[0] : undefined);
}

function mappedPort({ port, toPort }: NumberedPublish, wanted: number): number {
  return toPort.first === toPort.last ? toPort.first : toPort.first + (wanted - port.first);
}

function ownersOf(topology: Topology, { address, from }: { address: string; from: string }): string[] {
  if (isLoopback(address)) return [from];
  const owners = topology.interfaces
    .filter(({ addresses }) => addresses.some((own) => own.address === address))
    .map(({ namespace }) => namespace);
  // The kernel prefers the namespace's own address to the same one elsewhere.
  return owners.includes(from) ? [from] : [...new Set(owners)];
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}
