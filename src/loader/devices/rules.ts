import type { NewDevice as RawDevice } from '../../generated/topology-file.ts';
import type { Device, DeviceKind, DeviceSetting } from '../../topology/model.ts';
import type { Context } from '../normalize/context.ts';
import { bond } from './bond.ts';
import { dummy } from './dummy.ts';
import { ifb } from './ifb.ts';
import { ipvlan } from './ipvlan.ts';
import { macvlan, macvtap } from './macvlan.ts';
import { tap, tun } from './tun.ts';
import { vlan } from './vlan.ts';
import { vrf } from './vrf.ts';

/** Where a device stands in the file, for what its rules report. */
export interface DevicePlace {
  readonly context: Context;
  readonly namespace: string;
  readonly name: string;
  /** The pointer of the device. */
  readonly base: string;
}

/**
 * Where a MAC address comes from when the file says none: `derived`, one made of the name; `kernel`, the kernel's choice
 * (that of the interface below, say), which is not compared; `below` and `member`, that of another interface, so that it
 * cannot be set; `none`: it has no MAC address, and can be no port of a bridge.
 */
export type MacRule = 'derived' | 'kernel' | 'below' | 'member' | 'none';

type Settings = Readonly<Record<string, DeviceSetting>>;

/** What the loader knows of one kind of device, beside its part of the schema. */
export interface DeviceRules<Kind extends DeviceKind> {
  /** Its MAC address, which may depend on its settings. */
  readonly mac: MacRule | ((settings: Settings) => MacRule);
  /** Its mtu where the file says none: Ethernet's, that of the interface below, or the kernel's choice. */
  readonly mtu: 'standard' | 'link' | 'kernel';
  /** Why it cannot be a port of a bridge or of a bond, where it has Ethernet frames and still cannot. */
  readonly noPort?: string;
  /** Its own keys in canonical form, with every default; what cannot be taken is reported. */
  readonly settings: (raw: Extract<RawDevice, { type: Kind }>, place: DevicePlace) => Settings;
  /** The settings as keys of the file, where they are not what they are called. */
  readonly long?: (settings: Settings) => object;
}

const table: { readonly [Kind in DeviceKind]: DeviceRules<Kind> } = {
  dummy,
  vlan,
  macvlan,
  macvtap,
  ipvlan,
  vrf,
  bond,
  ifb,
  tap,
  tun,
};

/** The rules of a kind; the schema has made sure that the raw form is of that kind. */
export function deviceRules(kind: DeviceKind): DeviceRules<DeviceKind> {
  return table[kind] as DeviceRules<DeviceKind>;
}

export function macRule({ kind, settings }: Pick<Device, 'kind' | 'settings'>): MacRule {
  const { mac } = deviceRules(kind);
  return typeof mac === 'function' ? mac(settings) : mac;
}
