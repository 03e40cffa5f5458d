import type { DeviceRules } from './rules.ts';

export const vlan: DeviceRules<'vlan'> = {
  // That of the interface below: switches and the kernel itself then need no promiscuous mode.
  mac: 'kernel',
  mtu: 'link',
  settings: ({ id, protocol }) => ({ id, protocol: protocol ?? '802.1Q' }),
};
