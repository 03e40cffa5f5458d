import type { EtcName } from '../observe/live.ts';
import { etcPath } from '../system/etc-files.ts';
import type { KnownHost, Names, Nameservers } from '../topology/model.ts';
import type { Kind, LiveResource, Owner, Resource } from './resource.ts';

/**
 * A file of a namespace that `ip netns exec` shows in the place of the machine's own: /etc/netns/NAME/hosts and its kin.
 * Its first line says whose it is.
 */
export const etcFileKind: Kind = {
  name: 'file',
  isReadAlways: true,
  changes: { lines: 'in-place' },
  lower: ({ topology }) =>
    topology.namespaces.flatMap(({ name, names }) =>
      names === undefined ? [] : lowerNames(topology.name, name, names),
    ),
  read: (live, { lab, wanted }) => {
    const found: LiveResource[] = [];
    for (const [namespace, files] of live.etc ?? []) {
      for (const [name, { lines, lab: marked }] of files) {
        const id = fileId(namespace, name);
        const owner = ownerOf({ name, lines, marked, lab }, wanted.get(id));
        if (owner !== 'ours' && !wanted.has(id)) continue;
        const attributes = { lines, name, lab };
        const label = etcPath(namespace, name);
        found.push({ kind: 'file', id, namespace, label, attributes, owner });
      }
    }
    return found;
  },
  requires: beforeFile,
  // The folder is the machine's, so it stays when the namespace goes.
  outlives: beforeFile,
  same: (attribute, wanted, live) =>
    attribute !== 'lines' ||
    (wanted as readonly string[]).join('\n') === (live as readonly string[]).join('\n'),
  create: (resource) => [writeCommand(resource)],
  update: ({ wanted }) => [writeCommand(wanted)],
  remove: ({ namespace, attributes }) => [
    {
      tool: 'file',
      namespace,
      action: 'remove',
      lab: String(attributes['lab']),
      name: attributes['name'] as EtcName,
    },
  ],
};

/** The mark of a hostname is in the file beside it. */
function beforeFile({ namespace, attributes }: Resource): string[] {
  return attributes['name'] === 'hostname' ? [namespace, fileId(namespace, 'hosts')] : [namespace];
}

interface Found {
  readonly name: EtcName;
  readonly lines: readonly string[];
  readonly marked: string | undefined;
  readonly lab: string;
}

function ownerOf({ name, lines, marked, lab }: Found, wanted: Resource | undefined): Owner {
  if (marked !== undefined) return marked === lab ? 'ours' : { lab: marked };
  // Somebody removed what was beside it; as long as it says the same it does not matter whose it is.
  const isSame = name === 'hostname' && lines.length === 1 && wanted?.attributes['hostname'] === lines[0];
  return isSame ? 'builtin' : 'foreign';
}

function lowerNames(lab: string, namespace: string, names: Names): Resource[] {
  const { hostname, known, nameservers, place } = names;
  const resource = (name: EtcName, lines: readonly string[], at = place): Resource => ({
    kind: 'file',
    id: fileId(namespace, name),
    namespace,
    label: etcPath(namespace, name),
    attributes: { lines, name, lab, hostname: hostname ?? '' },
    place: at,
  });
  return [
    resource('hosts', [
      '127.0.0.1 localhost',
      '::1 localhost ip6-localhost ip6-loopback',
      ...known.map(lineOf),
    ]),
    ...(hostname === undefined ? [] : [resource('hostname', [hostname])]),
    ...(nameservers === undefined
      ? []
      : [resource('resolv.conf', resolvLines(nameservers), nameservers.place)]),
  ];
}

const lines = new WeakMap<KnownHost, string>();

/** Namespaces share entries, so a large lab has each line once. */
function lineOf(entry: KnownHost): string {
  const known = lines.get(entry);
  if (known !== undefined) return known;
  const line = [entry.address, ...entry.names].join(' ');
  lines.set(entry, line);
  return line;
}

/** In the order of resolv.conf(5). */
function resolvLines({ addresses, search, options }: Nameservers): string[] {
  return [
    ...(search.length === 0 ? [] : [`search ${search.join(' ')}`]),
    ...addresses.map((address) => `nameserver ${address}`),
    ...(options.length === 0 ? [] : [`options ${options.join(' ')}`]),
  ];
}

function writeCommand({ namespace, attributes }: Resource) {
  return {
    tool: 'file',
    namespace,
    action: 'write',
    lab: String(attributes['lab']),
    name: attributes['name'] as EtcName,
    lines: attributes['lines'] as readonly string[],
    hasHostname: attributes['hostname'] !== '',
  } as const;
}

function fileId(namespace: string, name: EtcName): string {
  return `${namespace}/etc/${name}`;
}
