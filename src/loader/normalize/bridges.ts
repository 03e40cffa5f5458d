import type { Bridge, OvsPort, Port } from '../../generated/topology-file.ts';
import { compareNames } from '../../lib/collections.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { pointer } from '../../lib/pointer.ts';
import { bridgeDefaults } from '../../topology/bridge.ts';
import { HOST } from '../../topology/model.ts';
import { addAdoptedEntry } from './adopted.ts';
import { addEntry, type Context, checkNamespace, type Entry, interfaceKey } from './context.ts';
import { type Endpoint, listEndpoints, type RawEndpoint } from './endpoint.ts';
import { nameSysctls } from './interface-sysctls.ts';
import { addVeth, expandEnd } from './links.ts';
import { deriveMac } from './macaddress.ts';
import { addOvsBridge, addOvsPatches, addOvsPort, isOvsBridge } from './ovs.ts';
import { makePortName } from './port-name.ts';
import {
  type ExpandedPort,
  expandMask,
  expandPort,
  expandVlans,
  type RawPortSettings,
} from './port-settings.ts';
import { expandSettingsWithDhcp, type Settings } from './settings.ts';

interface PortDraft {
  readonly bridge: Entry;
  readonly far: Endpoint;
  readonly settings: Settings;
  /** Of the near end. */
  readonly own: ExpandedPort | undefined;
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
    const bridge = isOvsBridge(raw)
      ? addOvsBridge(context, name, raw)
      : raw?.adopt === true
        ? addAdoptedBridge(context, name, raw)
        : addBridge(context, name, raw ?? {});
    for (const port of listEndpoints<Port | OvsPort>(raw?.ports, ['bridges', name, 'ports'])) {
      addPort(context, { bridge, port, unnamed });
    }
  }
  const sorted = unnamed.sort((a, b) => compareNames(portKey(a), portKey(b)));
  for (const draft of sorted) {
    const { namespace } = draft.bridge.item;
    const isFree = (name: string) => !context.entries.has(interfaceKey(namespace, name));
    const name = makePortName(draft.far, isFree);
    addNearEnd(context, draft, { name, place: draft.place });
  }
  addOvsPatches(context);
}

function addBridge(context: Context, name: string, raw: NonNullable<Bridge>): Entry {
  const namespace = raw.namespace ?? HOST;
  const base = pointer('bridges', name);
  if (raw.namespace !== undefined) {
    checkNamespace(context, namespace, { pointer: `${base}/namespace`, part: 'value' });
  }
  const { addresses, macaddress, mtu, state, alias, was, sysctls, options, dhcp4 } = expandSettingsWithDhcp(
    raw,
    base,
    context.report,
  );
  const parameters = raw.parameters ?? {};
  const entry: Entry = {
    item: {
      kind: 'bridge',
      namespace,
      name,
      addresses,
      mtu: undefined,
      mtuPlace: undefined,
      macaddress: macaddress ?? deriveMac(context, { namespace, name: was ?? name, addresses }),
      state,
      alias,
      master: undefined,
      sysctls: nameSysctls(sysctls, name),
      options,
      // Whether it filters follows from its ports; see bridge-vlans.ts.
      parameters: {
        ...bridgeDefaults,
        ...raw.parameters,
        'group-address': bridgeDefaults['group-address'],
        'group-forward-mask': expandMask(
          parameters['group-forward-mask'] ?? 0,
          'bridge',
          `${base}/parameters`,
          context.report,
        ),
      },
      vlans: expandVlans(raw, base, context.report),
      fdb: [],
      place: { pointer: base, part: 'key' },
      ...(was === undefined ? {} : { was }),
      ...(dhcp4 === undefined ? {} : { dhcp4 }),
    },
    mtu,
  };
  addEntry(context, entry);
  return entry;
}

/** What an adopted bridge can have. */
const adoptedKeys: ReadonlySet<string> = new Set([
  ...['type', 'adopt', 'namespace', 'addresses', 'macaddress', 'mtu', 'state', 'sysctls', 'ports', 'members'],
  ...['accept-ra', 'link-local', 'ipv6-privacy', 'ipv6-address-generation', 'dad'],
]);

/** A bridge of the machine, which gets ports. */
function addAdoptedBridge(context: Context, name: string, raw: NonNullable<Bridge>): Entry {
  const base = pointer('bridges', name);
  const fail = (key: string, message: string, help: string) =>
    context.report({
      code: 'bridge-adopt',
      message,
      place: { pointer: `${base}/${key}`, part: 'key' },
      help,
    });
  for (const key of Object.keys(raw)) {
    if (!adoptedKeys.has(key)) fail(key, `an adopted bridge keeps its own ${key}`, `leave ${key} out`);
  }
  if (raw.namespace !== undefined && raw.namespace !== HOST)
    fail('namespace', `the bridge that is there already is in the host`, 'leave namespace out');
  context.adoptedFrom.set(name, { pointer: base, part: 'key' });
  return addAdoptedEntry(context, { namespace: HOST, name, origin: name, isBridge: true, base }, raw);
}

interface RawPort {
  readonly bridge: Entry;
  readonly port: RawEndpoint<Port | OvsPort>;
  readonly unnamed: PortDraft[];
}

function addPort(context: Context, { bridge, port, unnamed }: RawPort): void {
  const { endpoint: far, settings, place } = expandEnd(context, port);
  if (far === undefined) return;
  const raw = settingsOf(port.settings);
  // A port of Open vSwitch has settings of its own; see addOvsPort.
  const own =
    raw && bridge.item.kind !== 'ovs-bridge'
      ? expandPort(raw as RawPortSettings, port.base, context.report)
      : undefined;
  const draft: PortDraft = { bridge, far, settings, own, place, raw: port };
  const name = raw?.['port-name'];
  if (name === undefined) {
    unnamed.push(draft);
    return;
  }
  addNearEnd(context, draft, { name, place: { pointer: `${port.base}/port-name`, part: 'value' } });
}

/** Both ends at once, so that each knows its peer's name. */
function addNearEnd(
  context: Context,
  { bridge, far, settings, own, place: farPlace, raw }: PortDraft,
  { name, place }: { name: string; place: Place },
): void {
  const near: Endpoint = { namespace: bridge.item.namespace, name };
  addVeth(context, { endpoint: far, settings, place: farPlace }, { peer: near, portOf: bridge });
  // The near end's name is made of the far end's, and goes with it.
  const was =
    settings.was === undefined ? undefined : makePortName({ ...far, name: settings.was }, () => true);
  const nearSettings: Settings = {
    addresses: [],
    macaddress: undefined,
    mtu: settings.mtu,
    state: 'up',
    alias: undefined,
    ...(was === undefined ? {} : { was }),
    sysctls: undefined,
  };
  const { name: master, kind } = bridge.item;
  const ovs = kind === 'ovs-bridge';
  addVeth(
    context,
    { endpoint: near, settings: nearSettings, place },
    { peer: far, portOf: bridge, master, ovs, own },
  );
  if (ovs) addOvsPort(context, bridge.item, { name, raw: raw.settings, base: raw.base, place: farPlace });
}

/** The settings of a port, where they are a map. */
function settingsOf(
  raw: Port | OvsPort | undefined,
): Extract<Port | OvsPort, { readonly 'port-name'?: string }> | undefined {
  return raw === null || typeof raw !== 'object' || Array.isArray(raw) ? undefined : raw;
}

function portKey({ far }: PortDraft): string {
  return interfaceKey(far.namespace, far.name);
}
