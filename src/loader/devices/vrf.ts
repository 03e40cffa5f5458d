import type { DeviceRules } from './rules.ts';

/** Numbers that rtnetlink reserves, by the names of iproute2. */
const reserved: Readonly<Record<number, string>> = { 253: 'default', 254: 'main', 255: 'local' };

export const vrf: DeviceRules<'vrf'> = {
  mac: 'kernel',
  mtu: 'kernel',
  noPort: 'it is a VRF, which only routes',
  settings: ({ table }, { context, base }) => {
    const name = reserved[table];
    if (name !== undefined) {
      context.report({
        code: 'device',
        message: `table ${table} is the table '${name}', which is not a VRF's`,
        place: { pointer: `${base}/table`, part: 'value' },
        help: 'use another number',
      });
    }
    return { table };
  },
};
