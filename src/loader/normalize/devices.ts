import type {
  AdoptedDevice,
  NewDevice as RawDevice,
  Loopback as RawLoopback,
} from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { pointer } from '../../lib/pointer.ts';
import { type Device, HOST } from '../../topology/model.ts';
import { type DevicePlace, deviceRules, type MacRule, macRule } from '../devices/rules.ts';
import { suggest } from '../suggest.ts';
import { addAdoptedEntry } from './adopted.ts';
import { addEntry, type Context, checkNamespace, interfaceKey } from './context.ts';
import { nameSysctls } from './interface-sysctls.ts';
import { deriveMac } from './macaddress.ts';
import { listNames } from './names.ts';
import type { DeclaredNamespace } from './namespaces.ts';
import { expandSettings, expandSettingsWithDhcp } from './settings.ts';

/** Every interface that is defined in its namespace: `lo`, and the single-ended devices. */
export function normalizeDevices(context: Context, declared: readonly DeclaredNamespace[]): void {
  for (const { name: namespace, raw } of declared) {
    for (const [name, settings] of Object.entries(raw.interfaces ?? {})) {
      const base = pointer('namespaces', namespace, 'interfaces', name);
      const place: DevicePlace = { context, namespace, name, base };
      // The schema tells the two apart by the name.
      if (name === 'lo') addLoopback(place, settings as RawLoopback);
      else if (isAdopted(settings)) addAdopted(place, settings);
      else addDevice(place, settings as RawDevice);
    }
  }
}

function addLoopback({ context, namespace, name, base }: DevicePlace, raw: RawLoopback): void {
  const { addresses, mtu, state, sysctls } = expandSettings(raw, base, context.report);
  const rest = {
    mtu: undefined,
    mtuPlace: undefined,
    macaddress: undefined,
    alias: undefined,
    sysctls: nameSysctls(sysctls, name),
  };
  const place: Place = { pointer: base, part: 'key' };
  addEntry(context, {
    item: { kind: 'loopback', namespace, name, addresses, ...rest, state, master: undefined, place },
    mtu,
  });
}

function isAdopted(raw: unknown): raw is AdoptedDevice {
  return typeof raw === 'object' && raw !== null && 'adopt' in raw;
}

/** An interface that exists already: its mtu and its MAC address stay as they are, unless the file says them. */
function addAdopted({ context, namespace, name, base }: DevicePlace, raw: AdoptedDevice): void {
  const origin = raw.adopt === true ? name : raw.adopt;
  if (namespace === HOST && origin !== name) {
    context.report({
      code: 'device',
      message: `the host calls it ${origin}, and it stays there: it cannot be called ${name}`,
      place: { pointer: `${base}/adopt`, part: 'value' },
      help: `write ${origin}: { adopt: true }`,
    });
  }
  if (context.adoptedFrom.has(origin)) reportAdoptedTwice(context, origin, base);
  else context.adoptedFrom.set(origin, { pointer: base, part: 'key' });
  addAdoptedEntry(context, { namespace, name, origin, base }, raw);
}

function reportAdoptedTwice({ report, adoptedFrom }: Context, origin: string, base: string): void {
  const earlier = adoptedFrom.get(origin);
  report({
    code: 'interface-twice',
    message: `the host's interface ${origin} is adopted twice`,
    place: { pointer: base, part: 'key' },
    ...(earlier === undefined ? {} : { related: [{ message: 'it is first adopted here', place: earlier }] }),
  });
}

function addDevice(at: DevicePlace, raw: RawDevice): void {
  const { context, namespace, name, base } = at;
  const expand = raw.type === 'tun' ? expandSettings : expandSettingsWithDhcp;
  const { addresses, macaddress, mtu, state, alias, was, sysctls, options, dhcp4 } = expand(
    raw,
    base,
    context.report,
  );
  const settings = deviceRules(raw.type).settings(raw, at);
  const mac = macRule({ kind: raw.type, settings });
  if (macaddress !== undefined && mac in foreignMac) {
    context.report({
      code: 'device',
      message: `${namespace}:${name} ${foreignMac[mac as keyof typeof foreignMac]}`,
      place: { pointer: `${base}/macaddress`, part: 'key' },
      help: 'leave macaddress out',
    });
  }
  const derived =
    mac === 'derived' ? deriveMac(context, { namespace, name: was ?? name, addresses }) : undefined;
  addEntry(context, {
    item: {
      kind: raw.type,
      namespace,
      name,
      addresses,
      mtu: undefined,
      mtuPlace: undefined,
      macaddress: mac in foreignMac ? undefined : (macaddress ?? derived),
      state,
      alias,
      master: undefined,
      sysctls: nameSysctls(sysctls, name),
      options,
      place: { pointer: base, part: 'key' },
      link: expandLink(at, raw),
      settings,
      ...(was === undefined ? {} : { was }),
      ...(dhcp4 === undefined ? {} : { dhcp4 }),
    },
    mtu,
  });
}

/** Why an interface cannot have a MAC address of its own. */
const foreignMac = {
  none: 'carries IP packets, so it has no MAC address',
  below: 'has the MAC address of the interface below',
  member: 'has the MAC address of its active member',
} as const satisfies Partial<Record<MacRule, string>>;

/** `NAME` in the device's own namespace, or `NAMESPACE:NAME`. */
function expandLink({ context, namespace, base }: DevicePlace, raw: RawDevice): Device['link'] {
  if (!('link' in raw) || raw.link === undefined) return undefined;
  const colon = raw.link.indexOf(':');
  if (colon < 0) return { namespace, name: raw.link };
  const other = raw.link.slice(0, colon);
  const place: Place = { pointer: `${base}/link`, part: 'value' };
  if (!checkNamespace(context, other, place)) return undefined;
  if (namespace === HOST && other !== HOST) {
    context.report({
      code: 'device',
      message: `a device of the host cannot be on top of an interface of namespace ${other}`,
      place,
      help: 'use a link between the two',
    });
  }
  return { namespace: other, name: raw.link.slice(colon + 1) };
}

/** What a device is on top of must be there; what the machine itself has cannot be known here. */
export function checkDeviceLinks(context: Context): void {
  for (const { item } of context.entries.values()) {
    if (!isDevice(item) || item.link === undefined) continue;
    const { namespace, name } = item.link;
    const place: Place = { pointer: `${item.place.pointer}/link`, part: 'value' };
    const fail = (message: string, help?: string) =>
      context.report({ code: 'device', message, place, ...(help === undefined ? {} : { help }) });
    if (namespace === item.namespace && name === item.name) {
      fail(`${namespace}:${name} cannot be on top of itself`);
      continue;
    }
    if (name === 'lo') {
      fail(`lo is the loopback interface, so no ${item.kind} can be on top of it`);
      continue;
    }
    if (namespace === HOST || context.entries.has(interfaceKey(namespace, name))) continue;
    const names: string[] = [];
    for (const { item: other } of context.entries.values()) {
      if (other.namespace === namespace && other !== item) names.push(other.name);
    }
    const nearest = suggest(name, names);
    fail(
      `'${name}' is not an interface of ${namespace}; it has ${listNames(names) || 'no others'}`,
      nearest && `did you mean '${nearest}'?`,
    );
  }
}

/** Whether an interface is one that `interfaces` of a namespace makes, and not `lo`. */
export function isDevice(item: { readonly kind: string }): item is Device {
  return 'settings' in item;
}
