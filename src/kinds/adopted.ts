import { LONGEST_NAME } from '../lib/interface-name.ts';
import type { IpLink, Live, LiveNamespace } from '../observe/live.ts';
import type { AdoptedRecord, LabRecord } from '../system/record.ts';
import { type Adopted, bridgeOf, HOST, type Topology } from '../topology/model.ts';
import { interfaceId, interfaceOwner, readCommon } from './interface.ts';
import type {
  Attributes,
  ChangeClass,
  Command,
  Kind,
  LiveResource,
  ReadContext,
  Resource,
} from './resource.ts';
import { linesThatRestore } from './route.ts';
import { splitId } from './veth.ts';

const changes: Readonly<Record<string, ChangeClass>> = {
  namespace: 'in-place',
  master: 'in-place',
  mtu: 'in-place',
  macaddress: 'in-place',
  state: 'in-place',
  // Open vSwitch takes it by a port of its own; that it did is what the record has to know.
  bridge: 'in-place',
};

/**
 * An interface that was there before the lab. It carries no mark: the record says that it is the lab's, and how it was,
 * and giving it back is what stands for its removal. One that is not in its namespace yet is read where the host has it.
 */
export const adoptedKind: Kind = {
  name: 'adopted',
  changes,
  lower: ({ topology }) =>
    topology.interfaces.flatMap((item) => (item.kind === 'adopted' ? [lowerAdopted(item)] : [])),
  read: (live, context) => {
    const found: LiveResource[] = [];
    for (const [id, { origin, isExact }] of context.adopted) {
      const before = context.record.adopted[id];
      const resource = readAdopted(live, { id, origin, before, isExact, lab: context.lab });
      if (resource !== undefined) found.push(resource);
    }
    return found;
  },
  requires: ({ namespace }) => (namespace === HOST ? [] : [namespace]),
  after: ({ namespace, attributes }) =>
    attributes['master'] ? [interfaceId(namespace, String(attributes['master']))] : [],
  // What is not there cannot be made: the plan says so before anything is done.
  create: () => [],
  update: ({ wanted, live, attributes: changed }) => {
    const { namespace, label, attributes } = wanted;
    const isMoved = changed.includes('namespace');
    const from = String(live.attributes['name']);
    const commands: Command[] = isMoved ? [moveCommand(HOST, from, [namespace, label])] : [];
    const words: string[] = [];
    if (changed.includes('mtu')) words.push('mtu', String(attributes['mtu']));
    if (changed.includes('macaddress')) words.push('address', String(attributes['macaddress']));
    // An interface that is moved arrives down.
    const isUp = attributes['state'] === 'up';
    const set = (args: readonly string[]): Command => ({
      tool: 'ip',
      namespace,
      args: ['link', 'set', 'dev', label, ...args],
    });
    if (words.length > 0) commands.push(set(words));
    if (changed.includes('master') || (isMoved && attributes['master']))
      commands.push(set(attributes['master'] ? ['master', String(attributes['master'])] : ['nomaster']));
    if (changed.includes('state') || (isMoved && isUp)) commands.push(set([String(attributes['state'])]));
    return commands;
  },
  remove: ({ namespace, label, attributes }) => giveBack({ namespace, name: label, attributes }),
  removedLast: true,
  staysBehind: true,
  loses: ({ namespace, attributes }, removed) =>
    attributes['master'] && interfaceId(namespace, String(attributes['master'])) === removed
      ? ['master']
      : [],
  disrupts: (_change, action) =>
    action === 'delete' ? 'it goes back to what it was before' : 'what the host reaches through it may break',
};

function lowerAdopted(item: Adopted): Resource {
  const { namespace, name, mtu, mtuPlace, macaddress, state, master, place } = item;
  return {
    kind: 'adopted',
    id: interfaceId(namespace, name),
    namespace,
    label: name,
    attributes: {
      namespace,
      state,
      master: master ?? '',
      ...(item.ovsBridge === undefined ? {} : { bridge: item.ovsBridge }),
      ...(mtu === undefined || mtuPlace === undefined ? {} : { mtu }),
      ...(macaddress === undefined ? {} : { macaddress }),
      // No longer exact: its own addresses come back first. The other way is no change of what is there.
      ...(namespace === HOST && bridgeOf(item) === undefined ? { isExact: false } : {}),
    },
    place,
  };
}

interface Search {
  readonly id: string;
  readonly origin: string;
  readonly before: AdoptedRecord | undefined;
  /** As the file wants it, or, where it does not have the interface, as the record says. */
  readonly isExact: boolean;
  readonly lab: string;
}

function readAdopted(live: Live, { id, origin, before, isExact, lab }: Search): LiveResource | undefined {
  const [namespace, name] = splitId(id);
  const here = linkIn(live.namespaces.get(namespace), name);
  const host = live.namespaces.get(HOST);
  const link = here ?? linkIn(host, origin);
  const place = here === undefined ? host : live.namespaces.get(namespace);
  if (link === undefined || place === undefined) return undefined;
  const owner = interfaceOwner(link, lab);
  const { mtu, macaddress = '', state = '', master = '' } = readCommon(link);
  const now = { mtu: mtu ?? 0, macaddress, state, master };
  const lines = linesThatRestore(place, link);
  const was = before ?? { ...now, name: origin };
  // What the lab has not taken away can still change.
  const formerLines = before?.isExact ? before.lines : isExact ? lines : [];
  return {
    kind: 'adopted',
    id,
    namespace,
    label: name,
    attributes: {
      ...now,
      namespace: place.name,
      name: link.ifname,
      bridge: link.ovsBridge ?? '',
      'former name': was.name,
      'former mtu': was.mtu,
      'former macaddress': was.macaddress,
      'former state': was.state,
      'former master': was.master,
      'former lines': formerLines,
      lines,
      isExact: before?.isExact ?? isExact,
    },
    // A stranger's is what it is to be; one of a lab is not.
    owner: before !== undefined ? 'ours' : typeof owner === 'object' || owner === 'ours' ? owner : 'builtin',
  };
}

/** Whether an interface is what it was before the lab, so that nothing is left to be given back. */
function isAsBefore(resource: LiveResource | undefined): boolean {
  if (resource === undefined) return false;
  const { attributes } = resource;
  const lines = attributes['lines'] as readonly string[];
  return (
    attributes['namespace'] === HOST &&
    attributes['bridge'] === '' &&
    attributes['name'] === attributes['former name'] &&
    ['mtu', 'macaddress', 'state', 'master'].every(
      (name) => attributes[name] === attributes[`former ${name}`],
    ) &&
    (attributes['former lines'] as readonly string[]).every((line) => lines.includes(line))
  );
}

function linkIn(namespace: LiveNamespace | undefined, name: string): IpLink | undefined {
  return namespace?.links.find(({ ifname }) => ifname === name);
}

function giveBack({ namespace, name, attributes }: Place): Command[] {
  const origin = String(attributes['former name']);
  // A namespace that somebody removed has given it back already, without its settings.
  const isAway = attributes['namespace'] !== HOST;
  const commands: Command[] = isAway ? [moveCommand(namespace, name, [HOST, origin])] : [];
  const set = (...args: string[]) => {
    commands.push({ tool: 'ip', namespace: HOST, args: ['link', 'set', 'dev', origin, ...args] });
  };
  const master = String(attributes['former master']);
  if (attributes['master'] !== master || (isAway && master !== ''))
    set(...(master === '' ? ['nomaster'] : ['master', master]));
  if (attributes['mtu'] !== attributes['former mtu']) set('mtu', String(attributes['former mtu']));
  if (attributes['macaddress'] !== attributes['former macaddress'])
    set('address', String(attributes['former macaddress']));
  const state = String(attributes['former state']);
  if (isAway ? state === 'up' : attributes['state'] !== state) set(state);
  for (const line of attributes['former lines'] as readonly string[])
    commands.push({ tool: 'ip', namespace: HOST, args: line.split(' ') });
  return commands;
}

interface Place {
  readonly namespace: string;
  readonly name: string;
  readonly attributes: Attributes;
}

/** `netns host` is what the engines know as the namespace of the machine itself. */
function moveCommand(from: string, name: string, [to, newName]: readonly [string, string]): Command {
  const rename = newName === name ? [] : ['name', newName];
  return { tool: 'ip', namespace: from, args: ['link', 'set', 'dev', name, 'netns', to, ...rename] };
}

/** How an adopted interface was, for the record: from a live resource that is not recorded yet. */
export function formerState(attributes: Attributes, isExact: boolean): AdoptedRecord {
  return {
    name: String(attributes['former name']).slice(0, LONGEST_NAME),
    mtu: Number(attributes['former mtu']),
    macaddress: String(attributes['former macaddress']),
    state: String(attributes['former state']),
    master: String(attributes['former master']),
    lines: [...(attributes['former lines'] as readonly string[])],
    isExact,
  };
}

/**
 * What the file and the record know as adopted: by id, with the name that the host has for it. One that the file does not
 * have, and that is as it was, is the lab's no more.
 */
export function adoptedInterfaces({ topology, live, record, lab }: Request): ReadContext['adopted'] {
  const found = new Map<string, { origin: string; isExact: boolean }>();
  const wanted = topology?.interfaces.filter((item) => item.kind === 'adopted') ?? [];
  const recorded = Object.entries(record.adopted);
  if (wanted.length + recorded.length === 0) return found;
  const ids = new Set(wanted.map(({ namespace, name }) => interfaceId(namespace, name)));
  for (const [id, before] of recorded) {
    const { name: origin, isExact } = before;
    const isGivenBack = !ids.has(id) && isAsBefore(readAdopted(live, { id, origin, before, isExact, lab }));
    if (!isGivenBack) found.set(id, { origin, isExact });
  }
  for (const item of wanted) {
    const { namespace, name, origin } = item;
    const isExact = namespace !== HOST || bridgeOf(item) !== undefined;
    found.set(interfaceId(namespace, name), { origin, isExact });
  }
  return found;
}

interface Request {
  readonly topology: Topology | undefined;
  readonly live: Live;
  readonly record: LabRecord;
  readonly lab: string;
}
