import { defineDeviceKind } from './device.ts';
import { tableCodec, u32 } from './link-codec.ts';

/** A VRF; the kernel changes none (vrf_link_ops in drivers/net/vrf.c has no changelink). */
export const vrfKind = defineDeviceKind('vrf', {
  changes: {},
  words: ({ table }) => ['table', String(table)],
  read: (data) => ({ table: Number(data['table']) }),
  // IFLA_VRF_TABLE of linux/if_link.h.
  codec: tableCodec({ table: u32(1) }),
  needs: { module: 'vrf', words: ['table', '1000'] },
});
