import type { DeviceRules } from './rules.ts';

export const dummy: DeviceRules<'dummy'> = { mac: 'derived', mtu: 'standard', settings: () => ({}) };
