import { existsSync } from 'node:fs';
import { bridgeOf, HOST, type Namespace, type Sysctl, type Topology } from '../topology/model.ts';

const SETTINGS = ['iptables', 'ip6tables'].map((name) => `net.bridge.bridge-nf-call-${name}`);

const filledIn = new WeakMap<Topology, Topology>();

/**
 * Where the kernel has br_netfilter, each new namespace gives what its bridges pass to the filters for IP packets as
 * well. In a namespace of the lab with both it is switched off, so that a file means the same on all machines: what a
 * bridge passes is filtered by `bridge`. The machine's own namespace is not the lab's to decide on.
 */
export function withBridgeFilters(
  topology: Topology,
  hasModule = existsSync('/proc/sys/net/bridge/bridge-nf-call-iptables'),
): Topology {
  if (!hasModule || !topology.namespaces.some((namespace) => isMeant(topology, namespace))) return topology;
  const known = filledIn.get(topology);
  if (known !== undefined) return known;
  const namespaces = topology.namespaces.map((namespace) =>
    isMeant(topology, namespace) ? switchedOff(namespace) : namespace,
  );
  const made = { ...topology, namespaces };
  filledIn.set(topology, made);
  return made;
}

function isMeant({ interfaces }: Topology, { name, firewall }: Namespace): boolean {
  if (name === HOST || !firewall.chains.some(({ family }) => family === 'inet')) return false;
  return interfaces.some((item) => item.namespace === name && bridgeOf(item) !== undefined);
}

/** What the file says of it stays. */
function switchedOff(namespace: Namespace): Namespace {
  const { sysctls, firewall, place: whole } = namespace;
  const place = firewall.chains.find(({ family }) => family === 'inet')?.place ?? whole;
  const more = SETTINGS.filter((name) => !sysctls.some((sysctl) => sysctl.name === name)).map(
    (name): Sysctl => ({ name, value: '0', place }),
  );
  return { ...namespace, sysctls: [...sysctls, ...more] };
}
