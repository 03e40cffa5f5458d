import type { Tunnel } from '../../generated/topology-file.ts';
import { pointer } from '../../lib/pointer.ts';
import type { Context } from './context.ts';
import { tunnelTypes } from './underlay.ts';

/** The modes that each type has; the kernel takes no other protocol inside of it. */
const modes: Readonly<Record<string, readonly string[]>> = {
  ipip: ['any', 'ipip'],
  sit: ['any', 'ip6ip', 'ipip'],
  ip6tnl: ['any', 'ipip6', 'ip6ip6'],
};

/** Values that the kernel or iproute2 would refuse together. */
export function checkTunnelKeys(context: Context, name: string, tunnel: Tunnel): void {
  const { type, mode, ttl, pmtudisc } = tunnel;
  const fail = (key: string, message: string, help: string) =>
    context.report({
      code: 'tunnel',
      message,
      place: { pointer: pointer('tunnels', name, key), part: 'value' },
      help,
    });
  const known = modes[type];
  if (mode !== undefined && known !== undefined && !known.includes(mode))
    fail('mode', `${type} has no mode ${mode}`, `use one of ${known.join(', ')}`);
  if (pmtudisc === false && ttl !== undefined && ttl !== 'inherit')
    fail('ttl', `a ttl of its own needs path MTU discovery, which ${name} has off`, 'use ttl: inherit');
  // ipgre_netlink_parms in net/ipv4/ip_gre.c.
  if (tunnel['ignore-df'] === true && pmtudisc !== false)
    fail('ignore-df', 'ignore-df and path MTU discovery exclude each other', 'add pmtudisc: false');
  if (tunnel['flow-label'] === 'inherit' && tunnelTypes[type].outer !== 6)
    fail('flow-label', `${type} cannot inherit the flow label`, 'use a number');
}
