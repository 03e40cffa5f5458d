import type { Tunnel } from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { pointer } from '../../lib/pointer.ts';
import { addEntry, type Context, checkNamespace } from './context.ts';
import { nameSysctls } from './interface-sysctls.ts';
import { deriveMac } from './macaddress.ts';
import { expandSettings } from './settings.ts';
import { type TunnelEnd, tunnelItem } from './tunnel-items.ts';
import { expandOuter } from './tunnel-outer.ts';
import { checkTunnelShape, foreignKeys } from './tunnel-shape.ts';
import { tunnelTypes } from './underlay.ts';
import { normalizeWireguard } from './wireguard.ts';

/** Each tunnel becomes one interface in each of its namespaces. */
export function normalizeTunnels(context: Context): void {
  for (const [name, tunnel] of Object.entries(context.data.tunnels ?? {})) {
    foreignKeys(context, name, tunnel);
    checkTunnelShape(context, name, tunnel);
    if (tunnel.type === 'wireguard') {
      normalizeWireguard(context, name, tunnel);
      continue;
    }
    const locals = Object.entries(tunnel.endpoints).map(([namespace, end]) => ({
      namespace,
      local: end?.local,
    }));
    for (const [namespace, end] of Object.entries(tunnel.endpoints)) {
      const others = locals
        .filter((other) => other.namespace !== namespace)
        .flatMap(({ local }) => local ?? []);
      addTunnelEnd(context, { name, tunnel, type: tunnel.type, namespace, end: end ?? {}, others });
    }
  }
}

function addTunnelEnd(context: Context, tunnelEnd: TunnelEnd): void {
  const { name, tunnel, namespace, end } = tunnelEnd;
  const base = pointer('tunnels', name, 'endpoints', namespace);
  const place: Place = { pointer: base, part: 'key' };
  checkNamespace(context, namespace, place);
  const settings = expandSettings(end, base, context.report);
  const shared = tunnel.mtu;
  const common = {
    namespace,
    name,
    addresses: settings.addresses,
    mtu: undefined,
    mtuPlace: undefined,
    macaddress: tunnelTypes[tunnel.type].ethernet
      ? (settings.macaddress ?? deriveMac(context, { ...settings, namespace, name: tunnel.was ?? name }))
      : undefined,
    state: settings.state,
    alias: settings.alias,
    master: undefined,
    sysctls: nameSysctls(settings.sysctls, name),
    options: settings.options,
    place,
    ...(tunnel.was === undefined ? {} : { was: tunnel.was }),
    local: end.local === undefined ? undefined : expandOuter(context, end.local, `${base}/local`, tunnel),
    dev: end.dev,
    // With a ttl of its own an outer packet cannot circle for ever where the underlay's route leads into the tunnel; but
    // iproute2 refuses one without path MTU discovery (ip/link_iptnl.c).
    ttl: tunnel.ttl ?? (tunnel.pmtudisc === false ? 'inherit' : 64),
    tos: expandTos(tunnel),
  };
  addEntry(context, {
    item: tunnelItem(context, tunnelEnd, common),
    mtu:
      settings.mtu ??
      (shared === undefined
        ? undefined
        : { mtu: shared, place: { pointer: pointer('tunnels', name, 'mtu'), part: 'value' } }),
  });
}

/** Where the kernel has no flag for it, the TOS 1 means `inherit` (net/ipv4/ip_tunnel.c, drivers/net/vxlan, geneve.c). */
function expandTos({ type, tos = 0 }: Tunnel): number | 'inherit' {
  return tos === 1 && tunnelTypes[type].outer !== 6 ? 'inherit' : tos;
}
