import type { Bridge, OvsPort, Port } from '../../generated/topology-file.ts';
import { compareNames } from '../../lib/collections.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { pointer } from '../../lib/pointer.ts';
import { HOST } from '../../topology/model.ts';
import { addEntry, type Context, checkNamespace, type Entry, interfaceKey } from './context.ts';
import { type Endpoint, listEndpoints, type RawEndpoint } from './endpoint.ts';
import { addVeth, expandEnd } from './links.ts';
import { deriveMac } from './macaddress.ts';
import { addOvsBridge, addOvsPatches, addOvsPort, isOvsBridge } from './ovs.ts';
import { makePortName } from './port-name.ts';
import { expandSettings, type Settings } from './settings.ts';

interface PortDraft {
  readonly bridge: Entry;
  readonly far: Endpoint;
  readonly settings: Settings;
  readonly place: Place;
  /** The port as the file has it. */
  readonly raw: RawEndpoint<Port | OvsPort>;
}

/**
 * Each bridge, and a veth pair for each of its ports. Near ends without a name get one last, when all other names are
 * known, in an order that does not depend on the file's.
 */
export function normalizeBridges(context: Context): void {
  const unnamed: PortDraft[] = [];
  for (const [name, raw] of Object.entries(context.data.bridges ?? {})) {
    const bridge = isOvsBridge(raw) ? addOvsBridge(context, name, raw) : addBridge(context, name, raw ?? {});
    for (const port of listEndpoints<Port | OvsPort>(raw?.ports, ['bridges', name, 'ports'])) {
      addPort(context, { bridge, port, unnamed });
    }
  }
  const sorted = unnamed.sort((a, b) => compareNames(portKey(a), portKey(b)));
  for (const draft of sorted) {
    const { namespace } = draft.bridge.item;
    const isFree = (name: string) => !context.entries.has(interfaceKey(namespace, name));
    addNearEnd(context, draft, { name: makePortName(draft.far, isFree), place: draft.place });
  }
  addOvsPatches(context);
}

function addBridge(context: Context, name: string, raw: NonNullable<Bridge>): Entry {
  const namespace = raw.namespace ?? HOST;
  const base = pointer('bridges', name);
  if (raw.namespace !== undefined) {
    checkNamespace(context, namespace, { pointer: `${base}/namespace`, part: 'value' });
  }
  const { addresses, macaddress, mtu, state, alias } = expandSettings(raw, base, context.report);
  const parameters = raw.parameters ?? {};
  const entry: Entry = {
    item: {
      kind: 'bridge',
      namespace,
      name,
      addresses,
      mtu: undefined,
      mtuPlace: undefined,
      macaddress: macaddress ?? deriveMac(context, { namespace, name, addresses }),
      state,
      alias,
      master: undefined,
      // The kernel's defaults; br_device.c and br_stp_timer.c.
      parameters: {
        stp: parameters.stp ?? false,
        priority: parameters.priority ?? 32768,
        forwardDelay: parameters['forward-delay'] ?? 15,
        helloTime: parameters['hello-time'] ?? 2,
        maxAge: parameters['max-age'] ?? 20,
        ageingTime: parameters['ageing-time'] ?? 300,
      },
      place: { pointer: base, part: 'key' },
    },
    mtu,
  };
  addEntry(context, entry);
  return entry;
}

interface RawPort {
  readonly bridge: Entry;
  readonly port: RawEndpoint<Port | OvsPort>;
  readonly unnamed: PortDraft[];
}

function addPort(context: Context, { bridge, port, unnamed }: RawPort): void {
  const { endpoint: far, settings, place } = expandEnd(context, port);
  if (far === undefined) return;
  const draft: PortDraft = { bridge, far, settings, place, raw: port };
  const name = portNameOf(port.settings);
  if (name === undefined) {
    unnamed.push(draft);
    return;
  }
  addNearEnd(context, draft, { name, place: { pointer: `${port.base}/port-name`, part: 'value' } });
}

/** Both ends at once, so that each knows its peer's name. */
function addNearEnd(
  context: Context,
  { bridge, far, settings, place: farPlace, raw }: PortDraft,
  { name, place }: { name: string; place: Place },
): void {
  const near: Endpoint = { namespace: bridge.item.namespace, name };
  addVeth(context, { endpoint: far, settings, place: farPlace }, { peer: near, portOf: bridge });
  const nearSettings: Settings = {
    addresses: [],
    macaddress: undefined,
    mtu: settings.mtu,
    state: 'up',
    alias: undefined,
  };
  const { name: master, kind } = bridge.item;
  const ovs = kind === 'ovs-bridge';
  addVeth(
    context,
    { endpoint: near, settings: nearSettings, place },
    { peer: far, portOf: bridge, master, ovs },
  );
  if (ovs) addOvsPort(context, bridge.item, { name, raw: raw.settings, base: raw.base, place: farPlace });
}

function portNameOf(settings: Port | OvsPort | undefined): string | undefined {
  if (settings === null || typeof settings !== 'object' || Array.isArray(settings)) return undefined;
  return settings['port-name'];
}

function portKey({ far }: PortDraft): string {
  return interfaceKey(far.namespace, far.name);
}
