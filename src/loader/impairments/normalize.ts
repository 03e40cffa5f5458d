import { createHash } from 'node:crypto';
import type { Link } from '../../generated/topology-file.ts';
import { compareNames } from '../../lib/collections.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { pointer } from '../../lib/pointer.ts';
import { HOST, type Impairment } from '../../topology/model.ts';
import { addEntry, type Context, type Entry, interfaceKey } from '../normalize/context.ts';
import { listEndpoints } from '../normalize/endpoint.ts';
import { collectValues, expandImpairment, isImpairmentKey, type RawValues } from './parse.ts';

/** Where no other rule gives an mtu. */
const ETHERNET_MTU = 1500;
const IFNAMSIZ = 16;

/** An impairment before the mtu of its interface is known. */
export interface ImpairmentDraft extends Pick<Impairment, 'direction' | 'via' | 'place'> {
  readonly entry: Entry;
  readonly values: RawValues;
}

/** What an interface's settings in the file say; a text or a list has no keys. */
interface RawEnd {
  readonly namespace: string;
  readonly name: string;
  readonly settings: unknown;
  readonly base: string;
  /** What the link says for both ends. */
  readonly shared?: RawValues;
}

/** Every impairment of the file; makes an ifb device for each one of received packets. */
export function collectImpairments(context: Context): ImpairmentDraft[] {
  return listEnds(context).flatMap((end) => draftsOf(context, end));
}

/** Derives what depends on the mtu. */
export function settleImpairments({ report }: Context, drafts: readonly ImpairmentDraft[]): Impairment[] {
  const impairments = drafts.map(({ entry, values, direction, via, place }): Impairment => {
    const { namespace, name, mtu = ETHERNET_MTU } = entry.item;
    return {
      namespace,
      name,
      direction,
      via,
      settings: expandImpairment(values, { mtu, report }),
      place,
    };
  });
  return impairments.sort(
    (a, b) =>
      compareNames(a.namespace, b.namespace) ||
      compareNames(a.name, b.name) ||
      compareNames(a.direction, b.direction),
  );
}

function draftsOf(context: Context, { namespace, name, settings, base, shared }: RawEnd): ImpairmentDraft[] {
  const entry = context.entries.get(interfaceKey(namespace, name));
  // One that could not be read was reported.
  if (entry === undefined) return [];
  const map = isMap(settings) ? settings : undefined;
  const place: Place = entry.item.place;
  const drafts: ImpairmentDraft[] = [];
  const egress = collectValues(map, base, shared);
  if (egress.size > 0) drafts.push({ entry, values: egress, direction: 'egress', via: undefined, place });
  const ingress = collectValues(map?.['ingress'] as object | undefined, `${base}/ingress`);
  if (ingress.size > 0) {
    const at: Place = { pointer: `${base}/ingress`, part: 'key' };
    const via = addIfb(context, entry, at);
    drafts.push({ entry, values: ingress, direction: 'ingress', via, place: at });
  }
  return drafts;
}

function listEnds({ data }: Context): RawEnd[] {
  const ends: RawEnd[] = [];
  for (const [index, raw] of (data.links ?? []).entries()) {
    if (Array.isArray(raw)) continue;
    const link = raw as Link;
    if (!mayImpair(link)) continue;
    const shared = collectValues(link, pointer('links', index));
    for (const end of listEndpoints<unknown>(link.endpoints, ['links', index, 'endpoints']))
      ends.push({ ...splitEndpoint(end.text), settings: end.settings, base: end.base, shared });
  }
  for (const [bridge, raw] of Object.entries(data.bridges ?? {})) {
    for (const end of listEndpoints<unknown>(raw?.ports, ['bridges', bridge, 'ports']))
      ends.push({ ...splitEndpoint(end.text), settings: end.settings, base: end.base });
  }
  for (const [name, { endpoints }] of Object.entries(data.tunnels ?? {})) {
    for (const [namespace, settings] of Object.entries(endpoints))
      ends.push({ namespace, name, settings, base: pointer('tunnels', name, 'endpoints', namespace) });
  }
  return [...ends, ...listDevices(data.namespaces)];
}

/** Most links say nothing of the kind, neither for both ends nor for one. */
function mayImpair(link: Link): boolean {
  return Object.keys(link).some(isImpairmentKey) || Object.values(link.endpoints).some(isMap);
}

function listDevices(namespaces: Context['data']['namespaces']): RawEnd[] {
  if (namespaces === undefined || Array.isArray(namespaces)) return [];
  return Object.entries(namespaces).flatMap(([namespace, raw]) =>
    Object.entries((raw as { interfaces?: object } | null)?.interfaces ?? {}).map(([name, settings]) => ({
      namespace,
      name,
      settings: settings as unknown,
      base: pointer('namespaces', namespace, 'interfaces', name),
    })),
  );
}

function splitEndpoint(text: string): { namespace: string; name: string } {
  const colon = text.indexOf(':');
  return { namespace: text.slice(0, Math.max(colon, 0)), name: text.slice(colon + 1) };
}

/** The device that received packets go through: `ifb-eth0`, or a name made of a hash where that is too long. */
function addIfb(context: Context, { item }: Entry, place: Place): string {
  const { namespace, name: below } = item;
  const isFree = (name: string) =>
    Buffer.byteLength(name) < IFNAMSIZ && !context.entries.has(interfaceKey(namespace, name));
  const hash = createHash('sha256').update(below).digest('hex').slice(0, 8);
  const name = isFree(`ifb-${below}`) ? `ifb-${below}` : `ifb-${hash}`;
  addEntry(context, {
    item: {
      kind: 'ifb',
      namespace,
      name,
      addresses: [],
      mtu: undefined,
      mtuPlace: undefined,
      macaddress: undefined,
      state: 'up',
      alias: `received by ${namespace === HOST ? '' : `${namespace}:`}${below}`,
      master: undefined,
      place,
      link: undefined,
      settings: {},
    },
    mtu: undefined,
  });
  return name;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
