import { linkBelongsTo, parseMark } from '../kinds/marks.ts';
import type { PlanWarning } from '../plan/foreign-filters.ts';
import { type LabRecord, peekRecord } from '../system/record.ts';
import { HOST } from '../topology/model.ts';
import type { IpLink, Live, LiveNamespace } from './live.ts';

/**
 * Who has the rights in a namespace can write any mark there: a container into its own `lo`, say. So the mark of a namespace
 * counts where something agrees that no namespace can write: the record of the lab, which lists what it made, or the
 * file, which declares it. Without a record see `withProvenMarks`.
 */
export interface Claims {
  readonly lab: string | undefined;
  readonly declared?: ReadonlySet<string>;
}

/** The same documents with those namespaces disowned whose mark the record of its lab does not know. */
export function withKnownMarks(live: Live, { lab, declared }: Claims): Live {
  const records = new Map<string, LabRecord>();
  const recordOf = (name: string) => {
    const known = records.get(name) ?? peekRecord(name);
    records.set(name, known);
    return known;
  };
  const namespaces = new Map(live.namespaces);
  for (const namespace of live.namespaces.values()) {
    const { name, mark } = namespace;
    if (mark === undefined || (mark.lab === lab && declared?.has(name))) continue;
    const { namespaces: made, claims } = recordOf(mark.lab);
    if (made !== undefined && !made.includes(name) && !claims.includes(name))
      namespaces.set(name, disownMarked(namespace));
  }
  return { ...live, namespaces };
}

/**
 * In a namespace of others, a link counts as the lab's only where its other end says so, in the host or in a namespace of the
 * lab: somebody moved it there.
 */
export function withoutForgedLinks(live: Live, { lab, declared }: Claims): Live {
  if (lab === undefined) return live;
  const isSuspect = ({ name, mark, links }: LiveNamespace) =>
    name !== HOST &&
    mark === undefined &&
    declared?.has(name) !== true &&
    links.some((link) => linkBelongsTo(link, lab));
  const suspects = [...live.namespaces.values()].filter(isSuspect);
  if (suspects.length === 0) return live;
  const { claims } = peekRecord(lab);
  const own = [...live.namespaces.values()].filter(({ name, mark }) => name === HOST || mark?.lab === lab);
  const namespaces = new Map(live.namespaces);
  for (const namespace of suspects) {
    if (claims.includes(namespace.name)) continue;
    const isGenuine = (link: IpLink) =>
      own.some(({ links }) => links.some((other) => arePair(link, other, lab)));
    const links = namespace.links.map((link) =>
      linkBelongsTo(link, lab) && !isGenuine(link) ? withoutMark(link) : link,
    );
    namespaces.set(namespace.name, { ...namespace, links });
  }
  return { ...live, namespaces };
}

/** Two ends of a veth in different namespaces, by what each says of the other, with one mark of the lab. */
function arePair(one: IpLink, other: IpLink, lab: string): boolean {
  const [tag, back] = [one, other].map((link) => parseMark(link.ifalias)?.tag);
  return (
    one.ifindex === other.link_index &&
    other.ifindex === one.link_index &&
    one.linkinfo?.info_kind === 'veth' &&
    [one, other].every((link) => linkBelongsTo(link, lab)) &&
    tag !== undefined &&
    tag === back
  );
}

/** What is to be said of namespaces that look like a lab's. */
export function ownershipWarnings(live: Live, lab?: string): PlanWarning[] {
  return [...live.namespaces.values()].flatMap(({ name, forgedFor }) =>
    forgedFor === undefined || (lab !== undefined && forgedFor !== lab)
      ? []
      : [
          {
            code: 'not-ours',
            message: `namespace ${name} carries the mark of lab '${forgedFor}', but nothing else says that the lab made it: it is left alone`,
            help: `if it is the lab's, destroy by the file that declares it; if it is nobody's: ip netns del ${name}`,
          },
        ],
  );
}

/** Those that carry the mark of a lab whose record is lost, and that the file does not declare. */
export function unprovenNamespaces(live: Live, lab: string, declared: ReadonlySet<string>): string[] {
  if (peekRecord(lab).namespaces !== undefined) return [];
  return [...live.namespaces.values()].flatMap(({ name, mark }) =>
    mark?.lab === lab && !declared.has(name) ? [name] : [],
  );
}

/**
 * Without a record: a namespace is the lab's where a veth in it, with the lab's mark, has its other end, with the same mark,
 * in the host, in a declared namespace, or in another marked one. Nobody can write both ends who has only one of the namespaces.
 *
 * @param peers the same namespaces, read with the ids by which they know each other.
 */
export function withProvenMarks(
  live: Live,
  {
    lab,
    unproven,
    peers,
  }: { readonly lab: string; readonly unproven: readonly string[]; readonly peers: Live['namespaces'] },
): Live {
  const namespaces = new Map(live.namespaces);
  for (const name of unproven) {
    const namespace = namespaces.get(name);
    const read = peers.get(name);
    const isProven = read?.links.some((link) => hasMarkedPeer(read, link, { lab, peers })) === true;
    if (namespace !== undefined && !isProven) namespaces.set(name, disownMarked(namespace));
  }
  return { ...live, namespaces };
}

function hasMarkedPeer(
  namespace: LiveNamespace,
  link: IpLink,
  { lab, peers }: { readonly lab: string; readonly peers: Live['namespaces'] },
): boolean {
  const other = peers.get(namespace.namespaceIds.get(link.link_netnsid ?? -1) ?? '');
  if (other === undefined || other.name === namespace.name) return false;
  if (other.name !== HOST && other.mark?.lab !== lab) return false;
  return other.links.some((peer) => arePair(link, peer, lab));
}

function disownMarked(namespace: LiveNamespace): LiveNamespace {
  const { mark } = namespace;
  return mark === undefined
    ? namespace
    : {
        ...disown(namespace, `marked as one of lab '${mark.lab}', which did not make it`),
        forgedFor: mark.lab,
      };
}

/** A namespace that is somebody else's, whatever it carries: no mark in it counts. */
export function disown(namespace: LiveNamespace, why: string): LiveNamespace {
  return { ...namespace, mark: undefined, notOurs: why, links: namespace.links.map(withoutMark) };
}

/** The same link as if nobody had marked it. */
export function withoutMark(link: IpLink): IpLink {
  const { ifalias, group: _group, ...rest } = link;
  const mark = parseMark(ifalias);
  const text = mark === undefined ? ifalias : mark.text;
  return { ...rest, group: 'default', ...(text === undefined || text === '' ? {} : { ifalias: text }) };
}
