import { TopoweaveError, UnavailableError } from '../lib/errors.ts';
import type { Check, Topology } from '../topology/model.ts';
import type { Agents } from './agents.ts';
import type { Attempt } from './attempt.ts';
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

/** Tries a tcp or udp check once, with listeners where nothing listens yet and no service of the file should. */
export async function probePort(
  agents: Agents,
  { topology, check, port }: { topology: Topology; check: Check; port: number },
): Promise<Attempt> {
  const protocol = check.kind === 'udp' ? 'udp' : 'tcp';
  try {
    const problems = await Promise.all(
      finalTargets(topology, check)
        .filter((target) => !isServed(topology, target, protocol))
        .map((target) => listen(agents, { target, protocol })),
    );
    const problem = problems.find((text) => text !== undefined);
    if (problem !== undefined) return { outcome: 'broken', detail: problem };
    const timeout = check.expect === 'reachable' ? Math.min(PROBE_TIMEOUT, check.within) : PROBE_TIMEOUT;
    const question = { action: 'probe', protocol, address: check.address, port, timeout } as const;
    const reply = await agents.ask(check.from, question);
    if (!reply.answered) return { outcome: 'silent', detail: meanings[reply.reason] ?? reply.reason };
    const word = protocol === 'tcp' ? 'connected' : 'answered';
    return { outcome: 'answered', detail: `${word} in ${formatMilliseconds(reply.milliseconds)}` };
  } catch (error) {
    if (error instanceof UnavailableError || !(error instanceof TopoweaveError)) throw error;
    return { outcome: 'broken', detail: error.message };
  }
}

/** Whether a service says that it is ready when it listens there: a dead one is what the check is to find. */
function isServed(topology: Topology, { namespace, port }: Target, protocol: 'tcp' | 'udp'): boolean {
  const services = topology.namespaces.find(({ name }) => name === namespace)?.services ?? [];
  return services.some(({ ready }) => ready?.[protocol] === port);
}

/** Returns what is wrong. An address that does not exist (yet) is for the probe to find out. */
async function listen(
  agents: Agents,
  { target, protocol }: { target: Target; protocol: 'tcp' | 'udp' },
): Promise<string | undefined> {
  const { namespace, address, port } = target;
  const reply = await agents.ask(namespace, { action: 'listen', protocol, address, port, timeout: 0 });
  if (reply.answered || reply.reason === 'EADDRNOTAVAIL') return undefined;
  return `cannot listen on ${protocol} port ${port} of ${address} in ${namespace}: ${meanings[reply.reason] ?? reply.reason}`;
}
