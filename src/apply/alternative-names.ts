import { interfaceId } from '../kinds/interface.ts';
import { linkBelongsTo } from '../kinds/marks.ts';
import { isLongName, kernelName } from '../lib/interface-name.ts';
import type { IpLink, Live } from '../observe/live.ts';
import type { Conflict } from '../plan/step.ts';
import { HOST, type Interface, type Topology } from '../topology/model.ts';

/**
 * Declared names that are an alternative name of another interface: the kernel keeps both in one table for each namespace,
 * and refuses a link, a second alternative name and a renaming (__dev_get_by_name in net/core/dev.c).
 */
export function alternativeNameConflicts(topology: Topology, live: Live): Conflict[] {
  const declared = new Set(topology.interfaces.map(({ namespace, name }) => interfaceId(namespace, name)));
  const owners = new Map<string, ReadonlyMap<string, IpLink>>();
  const ownersIn = (namespace: string) => {
    const known = owners.get(namespace) ?? alternativeNames(namespace, { topology, live, declared });
    owners.set(namespace, known);
    return known;
  };
  return topology.interfaces.flatMap((item) => {
    const taken = ownersIn(item.namespace);
    if (taken.size === 0) return [];
    for (const name of isLongName(item.name) ? [kernelName(item.name), item.name] : [item.name]) {
      const owner = taken.get(name);
      if (owner !== undefined && !isItself(owner, item))
        return [toConflict(item, name, owner, topology.name)];
    }
    return [];
  });
}

interface Known {
  readonly topology: Topology;
  readonly live: Live;
  readonly declared: ReadonlySet<string>;
}

/** By name, those of links that stay in a namespace, and of those that come into it as they are. */
function alternativeNames(namespace: string, { topology, live, declared }: Known): Map<string, IpLink> {
  // Hardly any link has one.
  const links = (live.namespaces.get(namespace)?.links ?? []).filter(
    ({ altnames }) => altnames !== undefined,
  );
  // What is removed is removed first.
  const staying = links.filter(
    (link) => declared.has(interfaceId(namespace, link.ifname)) || !linkBelongsTo(link, topology.name),
  );
  const found = new Map<string, IpLink>();
  for (const link of [...staying, ...comingInto(namespace, topology, live)])
    for (const name of link.altnames ?? []) found.set(name, link);
  return found;
}

/** Alternative names go with an interface from one namespace to another. */
function comingInto(namespace: string, { interfaces }: Topology, live: Live): IpLink[] {
  if (namespace === HOST) return [];
  const origins = interfaces.flatMap((item) =>
    item.kind === 'adopted' && item.namespace === namespace ? [item.origin] : [],
  );
  if (origins.length === 0) return [];
  return (live.namespaces.get(HOST)?.links ?? []).filter(({ ifname }) => origins.includes(ifname));
}

/** A long name stands on its own interface; one that is renamed cannot get a name that it has already. */
function isItself(owner: IpLink, { name }: Interface): boolean {
  return owner.ifname === name && (owner.kernelName === undefined || isLongName(name));
}

function toConflict(item: Interface, name: string, owner: IpLink, lab: string): Conflict {
  const { namespace, place } = item;
  const present = owner.kernelName ?? owner.ifname;
  const whose = linkBelongsTo(owner, lab) ? '' : ', which does not belong to this lab';
  const enter = namespace === HOST ? '' : `-n ${namespace} `;
  const short = name === item.name ? '' : ` (the kernel's name of ${item.name})`;
  return {
    resource: interfaceId(namespace, item.name),
    namespace,
    label: item.name,
    lab: undefined,
    message: `${name}${short} in ${namespace} is already an alternative name of ${present}${whose}`,
    hint: `give the interface another name in the file, or take that one away: ip ${enter}link property del dev ${present} altname ${name}`,
    place,
  };
}
