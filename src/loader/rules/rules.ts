import type { Topology } from '../../topology/model.ts';
import type { Network } from '../normalize/network.ts';
import type { Report } from '../normalize/problem.ts';
import { checkDuplicateAddresses, checkEdgeAddresses, checkPortAddresses } from './addresses.ts';
import { checkLoops } from './loops.ts';
import { checkMacs } from './macs.ts';
import { checkMtus } from './mtus.ts';
import { checkForeignNames, checkInterfaceNames, checkNamespaceNames } from './names.ts';
import { checkForwarding, checkNatInterfaces } from './nat.ts';
import { checkNextHops } from './next-hops.ts';
import { checkPublishedPorts, checkPublishTargets } from './publish.ts';
import { checkRouteDevices, checkRouteForms, checkRouteSources, checkRoutesTwice } from './routes.ts';
import { findSegments, type Segments } from './segments.ts';
import { checkStackLoops, checkStacks, checkVrfTables } from './stacks.ts';
import { checkSubnetOverlaps } from './subnets.ts';
import { checkSysctls } from './sysctls.ts';
import { checkTunnelDevices, checkTunnelsTwice } from './tunnels.ts';

/** What a rule looks at. */
export interface Subject {
  readonly topology: Topology;
  readonly network: Network;
  readonly segments: Segments;
}

export type Rule = (subject: Subject, report: Report) => void;

const rules: readonly Rule[] = [
  checkNamespaceNames,
  checkInterfaceNames,
  checkForeignNames,
  checkEdgeAddresses,
  checkDuplicateAddresses,
  checkPortAddresses,
  checkMacs,
  checkSubnetOverlaps,
  checkMtus,
  checkLoops,
  checkStacks,
  checkStackLoops,
  checkVrfTables,
  checkTunnelDevices,
  checkTunnelsTwice,
  checkRouteForms,
  checkRoutesTwice,
  checkRouteDevices,
  checkRouteSources,
  checkNextHops,
  checkNatInterfaces,
  checkForwarding,
  checkPublishedPorts,
  checkPublishTargets,
  checkSysctls,
];

/** Everything that a schema cannot say: each rule reports what it finds, and none stops the others. */
export function checkRules(
  { topology, network }: { readonly topology: Topology; readonly network: Network },
  report: Report,
): void {
  const subject: Subject = { topology, network, segments: findSegments(topology) };
  for (const rule of rules) rule(subject, report);
}
