import { groupBy } from '../lib/collections.ts';
import {
  changingWords,
  makingWords,
  readDisciplines,
  sameSetting,
  settingNames,
  takesAnother,
  toAttributes,
} from './discipline.ts';
import { interfaceId, interfaceOwner } from './interface.ts';
import { parseMark } from './marks.ts';
import type { ChangeClass, Command, Kind, LiveResource, Resource } from './resource.ts';

/** What happens on purpose to the packets that an interface sends: its queueing discipline. */
export const impairmentKind: Kind = {
  name: 'impairment',
  // The interface itself is never touched.
  changes: Object.fromEntries(settingNames.map((name): [string, ChangeClass] => [name, 'in-place'])),
  lower: ({ topology }) =>
    topology.impairments.map(({ namespace, name, via, settings, place }) => {
      const label = via === undefined ? `impairment of ${name}` : `impairment of what ${name} receives`;
      const dev = via ?? name;
      return impairmentResource({ namespace, dev, label, place }, toAttributes(settings));
    }),
  read: (live, { lab, wanted }) => {
    const found: LiveResource[] = [];
    for (const { name: namespace, links, qdiscs = [] } of live.namespaces.values()) {
      if (qdiscs.length === 0) continue;
      const byDevice = groupBy(qdiscs, ({ dev }) => dev);
      for (const link of links) {
        const attributes = readDisciplines(byDevice.get(link.ifname) ?? []);
        const owner = interfaceOwner(link, lab);
        if (
          attributes === undefined ||
          (owner !== 'ours' && !wanted.has(impairmentId(namespace, link.ifname)))
        )
          continue;
        const text = parseMark(link.ifalias)?.text ?? '';
        const received = /^received by (?:.*:)?(.+)$/.exec(text)?.[1];
        const label =
          link.linkinfo?.info_kind === 'ifb' && received !== undefined
            ? `impairment of what ${received} receives`
            : `impairment of ${link.ifname}`;
        found.push({ ...impairmentResource({ namespace, dev: link.ifname, label }, attributes), owner });
      }
    }
    return found;
  },
  requires: ({ namespace, attributes }) => [interfaceId(namespace, String(attributes['dev']))],
  same: sameSetting,
  create: (resource) => commands('replace', resource, makingWords(resource.attributes)),
  update: ({ wanted, live, attributes: changed }) => {
    if (!takesAnother(changed)) return commands('change', wanted, changingWords(wanted.attributes, changed));
    const making = commands('replace', wanted, makingWords(wanted.attributes));
    // A netem that duplicates must be the only one, and the old one is there until the new one takes its place
    // (check_netem_in_tree in net/sched/sch_netem.c, since 6.16 and in the stable kernels): then it goes first.
    const isOnly = [wanted, live].some(({ attributes }) => attributes['duplicate'] !== 'none');
    return isOnly ? [removal(live), ...making] : making;
  },
  remove: (resource) => [removal(resource)],
  disrupts: (change, action) =>
    action === 'delete' || (change !== undefined && takesAnother(change.attributes))
      ? 'packets that wait in its queue are lost'
      : undefined,
};

/** The id of what happens to the packets that an interface sends. */
export function impairmentId(namespace: string, dev: string): string {
  return `${interfaceId(namespace, dev)}/impairment`;
}

export function impairmentResource(
  {
    namespace,
    dev,
    label,
    place,
  }: { namespace: string; dev: string; label: string; place?: Resource['place'] },
  attributes: Resource['attributes'],
): Resource {
  return {
    kind: 'impairment',
    id: impairmentId(namespace, dev),
    namespace,
    label,
    attributes: { dev, ...attributes },
    ...(place === undefined ? {} : { place }),
  };
}

function removal({ namespace, attributes }: Resource): Command {
  return { tool: 'tc', namespace, args: ['qdisc', 'del', 'dev', String(attributes['dev']), 'root'] };
}

function commands(
  verb: 'replace' | 'change',
  { namespace, attributes }: Resource,
  lines: readonly (readonly string[])[],
): Command[] {
  const dev = String(attributes['dev']);
  return lines.map((words) => ({ tool: 'tc', namespace, args: ['qdisc', verb, 'dev', dev, ...words] }));
}
