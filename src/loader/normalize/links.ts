import type { EndpointSettings, Link } from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { pointer } from '../../lib/pointer.ts';
import { addEntry, type Context, type Entry, type Sized } from './context.ts';
import { type Endpoint, listEndpoints, parseEndpoint, type RawEndpoint } from './endpoint.ts';
import { nameSysctls } from './interface-sysctls.ts';
import { deriveMac } from './macaddress.ts';
import type { ExpandedPort } from './port-settings.ts';
import { expandSettingsWithDhcp, type Settings } from './settings.ts';

/** Each link becomes two veth ends. */
export function normalizeLinks(context: Context): void {
  for (const [index, raw] of (context.data.links ?? []).entries()) {
    const isShort = Array.isArray(raw);
    const link: Link = isShort ? { endpoints: raw } : raw;
    const base = isShort ? ['links', index] : ['links', index, 'endpoints'];
    const ends = listEndpoints<EndpointSettings>(link.endpoints, base).map((end) => expandEnd(context, end));
    const [left, right] = ends;
    if (left === undefined || right === undefined || ends.length !== 2) {
      const message = `a link has two endpoints, and this one has ${ends.length}`;
      const help =
        ends.length > 2 ? 'join more than two with a bridge' : 'name both ends, each NAMESPACE:INTERFACE';
      context.report({
        code: 'endpoint',
        message,
        place: { pointer: pointer(...base), part: 'value' },
        help,
      });
      continue;
    }
    const shared = link.mtu === undefined ? undefined : sized(link.mtu, pointer('links', index, 'mtu'));
    addVeth(context, left, { peer: right.endpoint, shared });
    addVeth(context, right, { peer: left.endpoint, shared });
  }
}

interface End {
  readonly endpoint: Endpoint | undefined;
  readonly settings: Settings;
  readonly place: Place;
}

export interface FarEnd {
  readonly peer: Endpoint | undefined;
  /** The link's own mtu. */
  readonly shared?: Sized | undefined;
  readonly portOf?: Entry | undefined;
  /** For the near end of a bridge's port, which the tool makes. */
  readonly master?: string;
  /** The bridge is one of Open vSwitch. */
  readonly ovs?: boolean;
  /** What that end is to its bridge. */
  readonly own?: ExpandedPort | undefined;
}

/** An end whose name could not be read is left out, and so is its peer. */
export function addVeth(
  context: Context,
  { endpoint, settings, place }: End,
  { peer, shared, portOf, master, ovs = false, own }: FarEnd,
): void {
  if (endpoint === undefined || peer === undefined) return;
  const { namespace, name } = endpoint;
  const { addresses, state, alias } = settings;
  // A near end has no address whose neighbours would notice.
  const former = master === undefined ? settings.was : undefined;
  // Written out: an object made by spreading others takes several times the room, and there are thousands.
  addEntry(context, {
    item: {
      kind: 'veth',
      namespace,
      name,
      addresses,
      mtu: undefined,
      mtuPlace: undefined,
      macaddress: settings.macaddress ?? deriveMac(context, { namespace, name: former ?? name, addresses }),
      state,
      alias,
      master: ovs ? undefined : master,
      ...(ovs && master !== undefined ? { ovsBridge: master } : {}),
      portSettings: own?.port,
      vlans: own?.vlans,
      peer,
      madeForPort: master !== undefined,
      sysctls: nameSysctls(settings.sysctls, name),
      options: settings.options,
      place,
      ...(settings.was === undefined ? {} : { was: settings.was }),
      ...(settings.dhcp4 === undefined ? {} : { dhcp4: settings.dhcp4 }),
    },
    mtu: settings.mtu ?? shared,
    portOf,
  });
}

export function expandEnd(
  context: Context,
  { text, settings, place, base }: RawEndpoint<EndpointSettings>,
): End {
  return {
    endpoint: parseEndpoint(context, text, place),
    settings: expandSettingsWithDhcp(settings, base, context.report),
    place,
  };
}

function sized(mtu: number, at: string): Sized {
  return { mtu, place: { pointer: at, part: 'value' } };
}
