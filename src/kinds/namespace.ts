import type { IpLink } from '../observe/live.ts';
import type { LabRecord } from '../system/record.ts';
import { hasFirewall } from '../topology/firewall.ts';
import { extraTablesOf, HOST, hasNat, type Namespace } from '../topology/model.ts';
import { kernelRuleCommands, missingRules, noRules } from './kernel-rules.ts';
import { formatMark, linkBelongsTo, parseMark, tagsOf } from './marks.ts';
import type { Kind, LiveResource, Owner, Resource, Value } from './resource.ts';

/**
 * A named network namespace. The mark on its `lo` says whose it is; the mark's tag says that it holds an nftables
 * table of the lab (`nft`), rules of ours and so on, so that the others need not be asked for them.
 */
export const namespaceKind: Kind = {
  name: 'namespace',
  changes: { mark: 'in-place', 'missing-rules': 'in-place' },

  lower: ({ topology }) =>
    topology.namespaces
      .filter(({ name }) => name !== HOST)
      .map((namespace) => {
        const { name, place } = namespace;
        const mark = formatMark({ lab: topology.name, tag: contentsOf(namespace), text: '' });
        return {
          kind: 'namespace',
          id: name,
          namespace: name,
          label: 'namespace',
          attributes: { mark, 'missing-rules': noRules },
          place,
        };
      }),

  read: (live, { lab, record, wanted }) => {
    const found: LiveResource[] = [];
    for (const namespace of live.namespaces.values()) {
      const { name, mark, links, notOurs } = namespace;
      if (name === HOST) continue;
      const claimed =
        mark === undefined &&
        notOurs === undefined &&
        record.claims.includes(name) &&
        links.every((link) => isOurs(link, lab) || isAdoptedIn(name, link, record));
      const owner: Owner =
        mark === undefined ? (claimed ? 'ours' : 'foreign') : mark.lab === lab ? 'ours' : { lab: mark.lab };
      if (owner !== 'ours' && !wanted.has(name)) continue;
      const attributes = {
        mark: mark === undefined ? '' : formatMark(mark),
        'missing-rules': owner === 'ours' ? missingRules(namespace) : noRules,
        ...(notOurs === undefined ? {} : { what: notOurs }),
      };
      found.push({ kind: 'namespace', id: name, namespace: name, label: 'namespace', attributes, owner });
    }
    for (const { name, empty, what } of live.stale) {
      // The empty file that a killed `ip netns add` leaves holds nothing: it can always be cleared away.
      if (!wanted.has(name) && !record.claims.includes(name)) continue;
      const attributes = { mark: '', stale: true, what };
      const owner = empty ? 'ours' : 'foreign';
      found.push({ kind: 'namespace', id: name, namespace: name, label: 'namespace', attributes, owner });
    }
    return found;
  },

  requires: () => [],
  // Once a namespace was marked as holding something it stays so: the mark only says where to look.
  same: (attribute, wanted, live) =>
    attribute === 'missing-rules'
      ? lacking(live).length === 0
      : live === wanted || holdsMore(String(wanted), String(live)),
  create: ({ namespace, attributes }) => [
    { tool: 'ip', namespace: undefined, args: ['netns', 'add', namespace] },
    markCommand(namespace, String(attributes['mark'])),
  ],
  update: ({ wanted: { namespace, attributes }, live, attributes: changed }) => [
    ...(changed.includes('mark') ? [markCommand(namespace, String(attributes['mark']))] : []),
    ...kernelRuleCommands(namespace, lacking(live.attributes['missing-rules'])),
  ],
  remove: ({ namespace }) => [{ tool: 'ip', namespace: undefined, args: ['netns', 'del', namespace] }],
  disrupts: (_change, action) => (action === 'delete' ? 'everything in it goes' : undefined),
};

function lacking(value: Value | undefined): readonly string[] {
  return Array.isArray(value) ? value : noRules;
}

/** Whether this live namespace is only a left-over file, which must be removed before the namespace can be made. */
export function isStale(resource: Resource): boolean {
  return resource.attributes['stale'] === true;
}

/** What may be in a namespace that a killed run made and did not mark yet. */
function isOurs(link: IpLink, lab: string): boolean {
  return link.ifname === 'lo' || fallbackDevices.has(link.ifname) || linkBelongsTo(link, lab);
}

/** An interface of the host that was moved there before the mark, under its name of the file or still under its old one. */
function isAdoptedIn(namespace: string, { ifname }: IpLink, { adopted }: LabRecord): boolean {
  for (const [id, { name }] of Object.entries(adopted)) {
    if (id === `${namespace}/${ifname}`) return true;
    if (name === ifname && id.startsWith(`${namespace}/`)) return true;
  }
  return false;
}

/** The kernel makes these with each namespace once the module of their kind is loaded (ip_tunnel_init_net and kin). */
export const fallbackDevices: ReadonlySet<string> = new Set([
  'gre0',
  'gretap0',
  'erspan0',
  'ip6gre0',
  'ip6tnl0',
  'ip6_vti0',
  'ip_vti0',
  'sit0',
  'tunl0',
]);

function markCommand(namespace: string, mark: string) {
  return { tool: 'ip', namespace, args: ['link', 'set', 'dev', 'lo', 'alias', mark] } as const;
}

function holdsMore(wanted: string, live: string): boolean {
  const [one, other] = [parseMark(wanted), parseMark(live)];
  if (one === undefined || other === undefined || one.lab !== other.lab || one.text !== other.text)
    return false;
  const tags = tagsOf(other);
  return tagsOf(one).every((tag) => tag === '' || tags.includes(tag));
}

/** What the reading of a namespace has to look for. */
function contentsOf(namespace: Namespace): string {
  return [
    ...(hasNat(namespace) ? ['nft'] : []),
    ...(hasFirewall(namespace) ? ['filter'] : []),
    ...extraTablesOf(namespace),
  ].join('+');
}
