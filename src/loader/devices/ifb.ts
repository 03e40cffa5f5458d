import type { DeviceRules } from './rules.ts';

export const ifb: DeviceRules<'ifb'> = { mac: 'derived', mtu: 'standard', settings: () => ({}) };
