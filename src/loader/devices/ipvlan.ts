import type { DeviceRules } from './rules.ts';

export const ipvlan: DeviceRules<'ipvlan'> = {
  mac: 'below',
  mtu: 'link',
  // IFF_NO_RX_HANDLER (ipvlan_link_setup in drivers/net/ipvlan/ipvlan_main.c).
  noPort: 'it shares the MAC address of the interface below',
  settings: ({ mode = 'l2', flag = 'bridge' }) => ({ mode, flag }),
};
