import type { Report } from '../normalize/problem.ts';
import type { Subject } from './rules.ts';
import { nameOf } from './segments.ts';

/** With br_netfilter on, packets of a host to its own published port come back by the bridge port that they came in. */
export function checkHairpins({ topology, network }: Subject, report: Report): void {
  const published = new Set(
    topology.namespaces.flatMap(({ name, nat }) => nat.publish.map(({ to }) => `${name} ${to}`)),
  );
  for (const item of topology.interfaces) {
    if (item.kind !== 'veth' || item.master === undefined || item.portSettings?.hairpin !== false) continue;
    const far = network.interfaceOf(item.peer.namespace, item.peer.name);
    const target = far?.addresses.find(({ address }) => published.has(`${item.namespace} ${address}`));
    if (far === undefined || target === undefined) continue;
    report({
      severity: 'warning',
      code: 'hairpin',
      message: `${item.namespace} publishes a port of ${target.address}, which ${nameOf(far)} itself cannot reach without hairpin`,
      place: item.place,
      help: 'leave hairpin out: it is on where a published port needs it',
    });
  }
}
