import { addressKind } from './address.ts';
import { adoptedKind } from './adopted.ts';
import { bondKind } from './bond.ts';
import { bridgeKind } from './bridge.ts';
import { bridgeFdbKind } from './bridge-fdb.ts';
import { dockerUserKind } from './docker-user.ts';
import { dummyKind } from './dummy.ts';
import { etcFileKind } from './etc-file.ts';
import { fdbKind } from './fdb.ts';
import { bridgeFirewallKind, firewallKind } from './firewall.ts';
import { geneveKind } from './geneve.ts';
import { greKind } from './gre.ts';
import { ifbKind } from './ifb.ts';
import { impairmentKind } from './impairment.ts';
import { ip6TunnelKind, ipTunnelKind } from './ip-tunnel.ts';
import { ipvlanKind } from './ipvlan.ts';
import { loopbackKind } from './loopback.ts';
import { macvlanKind, macvtapKind } from './macvlan.ts';
import { namespaceKind } from './namespace.ts';
import { natKind } from './nat.ts';
import { neighborKind } from './neighbor.ts';
import { nexthopKind } from './nexthop.ts';
import { optionKind } from './option.ts';
import { otherLinkKind } from './other-link.ts';
import { ovsBridgeKind, ovsInternalKind } from './ovs.ts';
import { ovsPortKind } from './ovs-port.ts';
import { redirectKind } from './redirect.ts';
import type { Kind, Resource } from './resource.ts';
import { routeKind } from './route.ts';
import { ruleKind } from './rule.ts';
import { serviceKind } from './service.ts';
import { sysctlKind } from './sysctl.ts';
import { tapKind, tunKind } from './tun.ts';
import { vethKind } from './veth.ts';
import { vlanKind } from './vlan.ts';
import { vrfKind } from './vrf.ts';
import { vxlanKind } from './vxlan.ts';
import { wireguardKind } from './wireguard.ts';
import { wireguardPeerKind } from './wireguard-peer.ts';

/**
 * Every kind, in the order in which plans list them and in which equal steps run. Adding a kind is adding its file, its
 * part of the schema and a line here.
 */
export const kinds: readonly Kind[] = [
  namespaceKind,
  sysctlKind,
  loopbackKind,
  vethKind,
  bridgeKind,
  ovsBridgeKind,
  ovsInternalKind,
  greKind,
  ipTunnelKind,
  ip6TunnelKind,
  geneveKind,
  vxlanKind,
  wireguardKind,
  dummyKind,
  vrfKind,
  bondKind,
  ifbKind,
  tapKind,
  tunKind,
  vlanKind,
  adoptedKind,
  macvlanKind,
  macvtapKind,
  ipvlanKind,
  otherLinkKind,
  optionKind,
  ovsPortKind,
  fdbKind,
  bridgeFdbKind,
  wireguardPeerKind,
  addressKind,
  neighborKind,
  nexthopKind,
  routeKind,
  ruleKind,
  natKind,
  firewallKind,
  bridgeFirewallKind,
  dockerUserKind,
  impairmentKind,
  redirectKind,
  etcFileKind,
  serviceKind,
];

/** A kind of the file (`gretap`) or of a resource → the kind that handles it. */
const byName = new Map<string, Kind>([
  ...kinds.map((kind): [string, Kind] => [kind.name, kind]),
  ...['gretap', 'ip6gre', 'ip6gretap'].map((name): [string, Kind] => [name, greKind]),
  ['ipip', ipTunnelKind],
  ['sit', ipTunnelKind],
  ['ip6tnl', ip6TunnelKind],
]);

const ranks = new Map([...byName].map(([name, kind]) => [name, kinds.indexOf(kind)]));

export function kindOf(resource: Pick<Resource, 'kind'>): Kind {
  const kind = byName.get(resource.kind);
  if (kind === undefined) throw new Error(`no such kind: ${resource.kind}`);
  return kind;
}

export function rankOf(resource: Pick<Resource, 'kind'>): number {
  return ranks.get(resource.kind) ?? kinds.length;
}
