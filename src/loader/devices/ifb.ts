import type { DeviceRules } from './rules.ts';

/** Made for what an interface receives; the packets that go through it keep the MAC addresses that they have. */
export const ifb: DeviceRules<'ifb'> = { mac: 'kernel', mtu: 'kernel', settings: () => ({}) };
