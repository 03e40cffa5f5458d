import { LONGEST_NAME } from '../lib/interface-name.ts';
import type { IpLink, Live, LiveNamespace } from '../observe/live.ts';
import type { AdoptedRecord, LabRecord } from '../system/record.ts';
import { type Adopted, bridgeOf, HOST, type Topology } from '../topology/model.ts';
import { heldBack, obstaclesOf } from './adopted-losses.ts';
import { interfaceId, interfaceOwner, readCommon } from './interface.ts';
import {
  type Attributes,
  type Change,
  type ChangeClass,
  type Command,
  type Kind,
  type LiveResource,
  type ReadContext,
  type Resource,
  sameValue,
  type Value,
} from './resource.ts';
import { linesThatRestore } from './route.ts';
import { splitId } from './veth.ts';

const changes: Readonly<Record<string, ChangeClass>> = {
  namespace: 'in-place',
  master: 'in-place',
  mtu: 'in-place',
  macaddress: 'in-place',
  state: 'in-place',
  name: 'in-place',
  // Open vSwitch takes it by a port of its own; that it did is what the record has to know.
  bridge: 'in-place',
  // What the kernel dropped by a setting that is not wanted any more.
  lost: 'in-place',
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
      const { record, lab, wanted } = context;
      const resource = readAdopted(live, { id, origin, isExact, record, lab, wanted });
      if (resource !== undefined) found.push(resource);
    }
    return found;
  },
  requires: ({ namespace }) => (namespace === HOST ? [] : [namespace]),
  after: ({ namespace, attributes }) =>
    attributes['master'] ? [interfaceId(namespace, String(attributes['master']))] : [],
  // What is not there cannot be made: the plan says so before anything is done.
  create: () => [],
  update: updateAdopted,
  // Whether its addresses are the lab's alone follows from the rest.
  same: (attribute, wanted, live) => attribute === 'isExact' || sameValue(attribute, wanted, live),
  remove: ({ namespace, attributes }) => giveBack({ namespace, attributes }),
  removedLast: true,
  staysBehind: true,
  loses: ({ namespace, attributes }, removed) =>
    attributes['master'] && interfaceId(namespace, String(attributes['master'])) === removed
      ? ['master']
      : [],
  disrupts: (_change, action) =>
    action === 'delete' ? 'it goes back to what it was before' : 'what the host reaches through it may break',
};

function updateAdopted({ wanted, live, attributes: changed }: Change): Command[] {
  const { namespace, label, attributes } = wanted;
  const isMoved = changed.includes('namespace');
  const present = String(live.attributes['name']);
  const set = (name: string, ...args: string[]): Command => ({
    tool: 'ip',
    namespace,
    args: ['link', 'set', 'dev', name, ...args],
  });
  // In two steps: the kernel would have moved it already when it refuses the new name.
  const commands: Command[] = isMoved ? [moveCommand(HOST, present, namespace)] : [];
  const isRenamed = present !== label;
  if (isRenamed) commands.push(set(present, 'down'), set(present, 'name', label));
  const words: string[] = [];
  if (changed.includes('mtu')) words.push('mtu', String(attributes['mtu']));
  if (changed.includes('macaddress')) words.push('address', String(attributes['macaddress']));
  if (words.length > 0) commands.push(set(label, ...words));
  const master = String(attributes['master']);
  if (changed.includes('master') || (isMoved && master !== ''))
    commands.push(master === '' ? set(label, 'nomaster') : set(label, 'master', master));
  // An interface that is moved arrives down.
  const isUp = attributes['state'] === 'up';
  if (changed.includes('state') || ((isMoved || isRenamed) && isUp))
    commands.push(set(label, String(attributes['state'])));
  if (changed.includes('lost')) commands.push(...restoring(live.attributes['lost']));
  return commands;
}

/** In the machine's own namespace. */
function restoring(lines: Value | undefined): Command[] {
  return (lines as readonly string[]).map((line) => ({ tool: 'ip', namespace: HOST, args: line.split(' ') }));
}

function lowerAdopted(item: Adopted): Resource {
  const { namespace, name, mtu, mtuPlace, macaddress, state, master, place } = item;
  const isExact = namespace !== HOST || bridgeOf(item) !== undefined;
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
      name,
      isExact,
      ...(isExact ? {} : { lost: [] }),
    },
    place,
  };
}

interface Search {
  readonly id: string;
  readonly origin: string;
  /** As the file wants it, or, where it does not have the interface, as the record says. */
  readonly isExact: boolean;
  readonly record: LabRecord;
  readonly lab: string;
  readonly wanted?: ReadContext['wanted'];
}

/** Where an adopted interface is: in its namespace, if the record says that it was moved there, or still in the host. */
export function findAdopted(
  live: Live,
  id: string,
  origin: string,
  record: LabRecord,
): { readonly link: IpLink; readonly place: LiveNamespace } | undefined {
  const [namespace, name] = splitId(id);
  const host = live.namespaces.get(HOST);
  const own = live.namespaces.get(namespace);
  const isOurs = record.adopted[id]?.name === origin;
  // A killed run can leave it there under its old name.
  const moved = isOurs && namespace !== HOST ? (linkIn(own, name) ?? linkIn(own, origin)) : undefined;
  if (moved !== undefined && own !== undefined) return { link: moved, place: own };
  const link = linkIn(host, origin);
  return link === undefined || host === undefined ? undefined : { link, place: host };
}

function readAdopted(live: Live, search: Search): LiveResource | undefined {
  const { id, origin, isExact, record, lab } = search;
  const [namespace, name] = splitId(id);
  const found = findAdopted(live, id, origin, record);
  if (found === undefined) return undefined;
  const { link, place } = found;
  const before = record.adopted[id];
  const owner = interfaceOwner(link, lab);
  const { mtu, macaddress = '', state = '', master = '' } = readCommon(link);
  const now = { mtu: mtu ?? 0, macaddress, state, master };
  const lines = linesThatRestore(place, link, record.hostObjects);
  const was = before ?? { ...now, name: origin };
  // What the lab has not taken away can still change.
  const known = before?.lines ?? [];
  const formerLines = isExact && before?.isExact !== true ? [...new Set([...known, ...lines])] : known;
  // A bridge that is gone cannot have its port back.
  const hasMaster = linkIn(live.namespaces.get(HOST), String(was.master)) !== undefined;
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
      'former master': hasMaster ? was.master : '',
      'former lines': formerLines,
      lines,
      isExact: before?.isExact ?? isExact,
      lost: before === undefined ? [] : lostLines(before, lines, search),
    },
    // A stranger's is what it is to be; one of a lab is not.
    owner: before !== undefined ? 'ours' : typeof owner === 'object' || owner === 'ours' ? owner : 'builtin',
  };
}

/** What it had, has no more, and could have again with what the file wants now. */
function lostLines(before: AdoptedRecord, lines: readonly string[], { id, wanted }: Search): string[] {
  const resource = wanted?.get(id);
  if (resource === undefined || before.isExact) return [];
  const held = heldBack(
    before.lines,
    obstaclesOf(resource, (other) => wanted?.get(other)),
  );
  return before.lines.filter((line) => !held.includes(line) && !lines.includes(line));
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

function giveBack({ namespace, attributes }: Place): Command[] {
  const origin = String(attributes['former name']);
  const name = String(attributes['name']);
  // A namespace that somebody removed has given it back already, without its settings.
  const isAway = attributes['namespace'] !== HOST;
  const inside = (...args: string[]): Command => ({
    tool: 'ip',
    namespace,
    args: ['link', 'set', 'dev', name, ...args],
  });
  const commands: Command[] = [];
  if (isAway && name !== origin) commands.push(inside('down'), inside('name', origin));
  if (isAway) commands.push(moveCommand(namespace, origin, HOST));
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
  const present = attributes['isExact'] === true ? [] : (attributes['lines'] as readonly string[]);
  const former = attributes['former lines'] as readonly string[];
  return [...commands, ...restoring(former.filter((line) => !present.includes(line)))];
}

interface Place {
  readonly namespace: string;
  readonly attributes: Attributes;
}

/** `netns host` is what the engines know as the namespace of the machine itself. */
function moveCommand(from: string, name: string, to: string): Command {
  return { tool: 'ip', namespace: from, args: ['link', 'set', 'dev', name, 'netns', to] };
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

/** How an interface of the host is now, with the lines that would bring back all that it has. */
export function presentState(
  live: Live,
  { id, origin, record }: Pick<Search, 'id' | 'origin' | 'record'>,
): AdoptedRecord | undefined {
  const found = findAdopted(live, id, origin, record);
  if (found === undefined) return undefined;
  const { mtu, macaddress = '', state = '', master = '' } = readCommon(found.link);
  return {
    name: origin,
    mtu: Number(mtu ?? 0),
    macaddress: String(macaddress),
    state: String(state),
    master: String(master),
    lines: linesThatRestore(found.place, found.link, record.hostObjects),
    isExact: false,
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
    const isGivenBack = !ids.has(id) && isAsBefore(readAdopted(live, { id, origin, isExact, record, lab }));
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
