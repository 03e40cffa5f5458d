import type { Topology } from '../../topology/model.ts';
import type { Network } from '../normalize/network.ts';
import type { Report } from '../normalize/problem.ts';
import {
  checkAddressLabels,
  checkDuplicateAddresses,
  checkEdgeAddresses,
  checkPortAddresses,
} from './addresses.ts';
import {
  checkFirewallForwarding,
  checkFirewallInterfaces,
  checkFirewallOrder,
  checkHostPolicies,
  checkIntegration,
} from './firewall.ts';
import { checkHairpins } from './hairpin.ts';
import { checkLoops } from './loops.ts';
import { checkMacs } from './macs.ts';
import { checkMtus } from './mtus.ts';
import { checkForeignNames, checkInterfaceNames, checkKernelNames, checkNamespaceNames } from './names.ts';
import { checkForwarding, checkNatInterfaces } from './nat.ts';
import { checkNextHops } from './next-hops.ts';
import { checkPublishedPorts, checkPublishedSctp, checkPublishTargets } from './publish.ts';
import { checkPublishReturn } from './publish-return.ts';
import { checkRouteDevices, checkRouteForms, checkRouteSources, checkRoutesTwice } from './routes.ts';
import { findSegments, type Segments } from './segments.ts';
import { checkStackLoops, checkStacks, checkVrfTables } from './stacks.ts';
import { checkSubnetOverlaps } from './subnets.ts';
import { checkInterfaceSysctls, checkIpv6Sysctls, checkSysctls } from './sysctls.ts';
import {
  checkTunnelDevices,
  checkTunnelDirections,
  checkTunnelFamilies,
  checkTunnelsTwice,
} from './tunnels.ts';
import { checkAllowedIps } from './wireguard.ts';

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
  checkKernelNames,
  checkForeignNames,
  checkEdgeAddresses,
  checkDuplicateAddresses,
  checkPortAddresses,
  checkAddressLabels,
  checkMacs,
  checkSubnetOverlaps,
  checkMtus,
  checkLoops,
  checkStacks,
  checkStackLoops,
  checkVrfTables,
  checkTunnelDevices,
  checkTunnelsTwice,
  checkTunnelFamilies,
  checkTunnelDirections,
  checkAllowedIps,
  checkRouteForms,
  checkRoutesTwice,
  checkRouteDevices,
  checkRouteSources,
  checkNextHops,
  checkNatInterfaces,
  checkForwarding,
  checkPublishedPorts,
  checkPublishedSctp,
  checkPublishTargets,
  checkPublishReturn,
  checkHairpins,
  checkFirewallInterfaces,
  checkFirewallOrder,
  checkFirewallForwarding,
  checkHostPolicies,
  checkIntegration,
  checkSysctls,
  checkInterfaceSysctls,
  checkIpv6Sysctls,
];

/** Everything that a schema cannot say: each rule reports what it finds, and none stops the others. */
export function checkRules(
  { topology, network }: { readonly topology: Topology; readonly network: Network },
  report: Report,
): void {
  const subject: Subject = { topology, network, segments: findSegments(topology) };
  for (const rule of rules) rule(subject, report);
}
