import type { NewDevice as RawDevice } from '../../generated/topology-file.ts';
import type { DeviceKind, DeviceSetting } from '../../topology/model.ts';
import type { Context } from '../normalize/context.ts';
import { dummy } from './dummy.ts';
import { ifb } from './ifb.ts';
import { vlan } from './vlan.ts';

/** Where a device stands in the file, for what its rules report. */
export interface DevicePlace {
  readonly context: Context;
  readonly namespace: string;
  readonly name: string;
  /** The pointer of the device. */
  readonly base: string;
}

/** What the loader knows of one kind of device, beside its part of the schema. */
export interface DeviceRules<Kind extends DeviceKind> {
  /**
   * Its MAC address where the file says none: `derived`, one made of its name; `kernel`, the kernel's choice (that of
   * the interface below, say), which is not compared; `none`: it has no MAC address, and can be no port of a bridge.
   */
  readonly mac: 'derived' | 'kernel' | 'none';
  /** Its mtu where the file says none: Ethernet's, that of the interface below, or the kernel's choice. */
  readonly mtu: 'standard' | 'link' | 'kernel';
  /** Why it cannot be a port of a bridge, where it has Ethernet frames and still cannot. */
  readonly noPort?: string;
  /** Its own keys in canonical form, with every default; what cannot be taken is reported. */
  readonly settings: (
    raw: Extract<RawDevice, { type: Kind }>,
    place: DevicePlace,
  ) => Readonly<Record<string, DeviceSetting>>;
}

const table: { readonly [Kind in DeviceKind]: DeviceRules<Kind> } = { dummy, vlan, ifb };

/** The rules of a kind; the schema has made sure that the raw form is of that kind. */
export function deviceRules(kind: DeviceKind): DeviceRules<DeviceKind> {
  return table[kind] as DeviceRules<DeviceKind>;
}
