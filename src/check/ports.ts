import { TopoweaveError, UnavailableError } from '../lib/errors.ts';
import type { Check, Topology } from '../topology/model.ts';
import type { Agents } from './agents.ts';
import type { Attempt, Listener } from './attempt.ts';
import { datagramFor } from './datagrams.ts';
import type { DeadServices } from './dead-services.ts';
import { formatMilliseconds } from './ping.ts';
import { finalTargets, type Target } from './targets.ts';

/** Longer than the kernel's first retransmission of a SYN. */
const PROBE_TIMEOUT = 1500;

const meanings: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  ECONNREFUSED: 'connection refused',
  EHOSTUNREACH: 'no route to host',
  EINVAL: 'a route discards it',
  EMSGSIZE: 'message too long',
  ENETUNREACH: 'network is unreachable',
  EPERM: 'a firewall in the same namespace forbids it',
  ETIMEDOUT: '',
};

interface Probe {
  readonly topology: Topology;
  readonly check: Check;
  readonly port: number;
  readonly dead: DeadServices;
}

/** Tries a tcp or udp check once, with listeners where nothing listens yet and no service of the file should. */
export async function probePort(agents: Agents, probe: Probe): Promise<Attempt> {
  const { topology, check, port } = probe;
  const protocol = check.kind === 'udp' ? 'udp' : 'tcp';
  try {
    const targets = finalTargets(topology, check);
    const found = await Promise.all(
      targets.map((target) => listenAt(agents, { ...probe, target, protocol })),
    );
    const broken = found.find(({ problem }) => problem !== undefined);
    if (broken?.problem !== undefined) return { outcome: 'broken', detail: broken.problem };
    const datagram = datagramFor([port, ...targets.map((target) => target.port)]);
    const timeout = check.expect === 'reachable' ? Math.min(PROBE_TIMEOUT, check.within) : PROBE_TIMEOUT;
    const question = { action: 'probe', protocol, address: check.address, port, timeout, datagram } as const;
    const reply = await agents.ask(check.from, question);
    const who = listenerOf(found);
    if (!reply.answered) {
      const reasons = [
        meanings[reply.reason] ?? reply.reason,
        ...found.flatMap(({ missing }) => missing ?? []),
      ];
      return { outcome: 'silent', detail: reasons.filter((text) => text !== '').join('; '), ...who };
    }
    const word = protocol === 'tcp' ? 'connected' : 'answered';
    const whose = who.listener === 'own' ? ' (own listener)' : '';
    return {
      outcome: 'answered',
      detail: `${word} in ${formatMilliseconds(reply.milliseconds)}${whose}`,
      // It did not listen itself, and was answered.
      ...(who.listener === 'none' ? { listener: 'other' } : who),
    };
  } catch (error) {
    if (error instanceof UnavailableError || !(error instanceof TopoweaveError)) throw error;
    return { outcome: 'broken', detail: error.message };
  }
}

/** What came of the wish to have somebody listen at a target. */
interface Found {
  readonly listener?: Listener;
  /** Why nobody could: the check cannot be made. */
  readonly problem?: string;
  /** What should be listening, and does not run. */
  readonly missing?: string;
}

/** One target that the check itself stands in for is enough to say so. */
function listenerOf(found: readonly Found[]): Pick<Attempt, 'listener'> {
  const all = found.flatMap(({ listener }) => listener ?? []);
  const listener = (['own', 'none', 'other'] as const).find((one) => all.includes(one));
  return listener === undefined ? {} : { listener };
}

/** A dead service is what the check is to find: with a listener in its place it would not. */
async function listenAt(
  agents: Agents,
  {
    topology,
    check,
    dead,
    target,
    protocol,
  }: Omit<Probe, 'port'> & { readonly target: Target; readonly protocol: 'tcp' | 'udp' },
): Promise<Found> {
  const [name] = dead(target.namespace);
  if (name !== undefined)
    return { listener: 'none', missing: `service ${target.namespace}/${name} does not run` };
  if (!check.mayListen || isServed(topology, target, protocol)) return { listener: 'none' };
  return listen(agents, { target, protocol });
}

/** Whether a service says that it is ready when it listens there. */
function isServed(topology: Topology, { namespace, port }: Target, protocol: 'tcp' | 'udp'): boolean {
  const services = topology.namespaces.find(({ name }) => name === namespace)?.services ?? [];
  return services.some(({ ready }) => ready?.[protocol] === port);
}

/** An address that does not exist (yet) is for the probe to find out. */
async function listen(
  agents: Agents,
  { target, protocol }: { target: Target; protocol: 'tcp' | 'udp' },
): Promise<Found> {
  const { namespace, address, port } = target;
  const reply = await agents.ask(namespace, { action: 'listen', protocol, address, port, timeout: 0 });
  if (reply.answered) return { listener: reply.reason === 'EADDRINUSE' ? 'other' : 'own' };
  if (reply.reason === 'EADDRNOTAVAIL') return { listener: 'none' };
  return {
    problem: `cannot listen on ${protocol} port ${port} of ${address} in ${namespace}: ${meanings[reply.reason] ?? reply.reason}`,
  };
}
