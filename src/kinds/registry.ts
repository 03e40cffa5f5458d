import { addressKind } from './address.ts';
import { bridgeKind } from './bridge.ts';
import { dummyKind } from './dummy.ts';
import { fdbKind } from './fdb.ts';
import { greKind } from './gre.ts';
import { loopbackKind } from './loopback.ts';
import { namespaceKind } from './namespace.ts';
import { natKind } from './nat.ts';
import { otherLinkKind } from './other-link.ts';
import { ovsBridgeKind, ovsInternalKind } from './ovs.ts';
import { ovsPortKind } from './ovs-port.ts';
import type { Kind, Resource } from './resource.ts';
import { routeKind } from './route.ts';
import { sysctlKind } from './sysctl.ts';
import { vethKind } from './veth.ts';
import { vlanKind } from './vlan.ts';
import { vxlanKind } from './vxlan.ts';

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
  vxlanKind,
  dummyKind,
  vlanKind,
  otherLinkKind,
  ovsPortKind,
  fdbKind,
  addressKind,
  routeKind,
  natKind,
];

/** A kind of the file (`gretap`) or of a resource → the kind that handles it. */
const byName = new Map<string, Kind>([
  ...kinds.map((kind): [string, Kind] => [kind.name, kind]),
  ...['gretap', 'ip6gre', 'ip6gretap'].map((name): [string, Kind] => [name, greKind]),
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
