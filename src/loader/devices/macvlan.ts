import type { DeviceRules } from './rules.ts';

const rules: Pick<DeviceRules<'macvlan'>, 'mac' | 'mtu'> = {
  // In the mode passthru it takes that of the interface below, and would change that one's if its own were set.
  mac: ({ mode }) => (mode === 'passthru' ? 'below' : 'derived'),
  mtu: 'link',
};

export const macvlan: DeviceRules<'macvlan'> = {
  ...rules,
  settings: ({ mode = 'bridge' }) => ({ mode }),
};

export const macvtap: DeviceRules<'macvtap'> = {
  ...rules,
  settings: ({ mode = 'bridge' }) => ({ mode }),
};
