import { HOST } from '../../topology/model.ts';
import { listNames } from '../normalize/names.ts';
import type { Report } from '../normalize/problem.ts';
import { isTunnel, type TunnelInterface, underlayDevice } from '../normalize/underlay.ts';
import { suggest } from '../suggest.ts';
import type { Subject } from './rules.ts';
import { nameOf } from './segments.ts';

/** The underlay that a tunnel names must be there; what the machine itself has cannot be known here. */
export function checkTunnelDevices({ topology, network }: Subject, report: Report): void {
  for (const item of topology.interfaces) {
    const dev = isTunnel(item) ? underlayDevice(item) : undefined;
    if (dev === undefined || item.namespace === HOST || dev === 'lo') continue;
    const place = { pointer: `${item.place.pointer}/dev`, part: 'value' } as const;
    if (dev === item.name) {
      report({ code: 'tunnel', message: `${nameOf(item)} cannot be its own underlay`, place });
      continue;
    }
    if (network.interfaceOf(item.namespace, dev) !== undefined) continue;
    const names = network
      .interfacesOf(item.namespace)
      .flatMap(({ name }) => (name === item.name ? [] : name));
    const nearest = suggest(dev, names);
    report({
      code: 'tunnel',
      message: `'${dev}' is not an interface of ${item.namespace}; it has ${listNames(names) || 'no others'}`,
      place,
      ...(nearest === undefined ? {} : { help: `did you mean '${nearest}'?` }),
    });
  }
}

/** The kernel tells tunnels of one namespace apart by what is in the outer packet: two that are alike are refused. */
export function checkTunnelsTwice({ topology }: Subject, report: Report): void {
  const seen = new Map<string, TunnelInterface>();
  for (const item of topology.interfaces) {
    // A port that the kernel chooses is free.
    if (!isTunnel(item) || (item.kind === 'wireguard' && item.port === undefined)) continue;
    const key = `${item.namespace} ${identityOf(item)}`;
    const earlier = seen.get(key);
    if (earlier === undefined) {
      seen.set(key, item);
      continue;
    }
    const [what, remedy] =
      item.kind === 'wireguard'
        ? [`the same port ${item.port}`, 'give one of them another port']
        : item.kind === 'vxlan'
          ? [`the same id ${item.id} and port ${item.port}`, 'give one of them another id']
          : ['the same addresses and key', 'give one of them another key'];
    report({
      code: 'tunnel',
      message: `${nameOf(item)} and ${nameOf(earlier)} have ${what}; their packets could not be told apart`,
      place: item.place,
      help: remedy,
      related: [{ message: `${nameOf(earlier)} is here`, place: earlier.place }],
    });
  }
}

/** gre and gretap share one header, so the kernel looks them up in tables of their own; see ip_tunnel_find. */
function identityOf(item: TunnelInterface): string {
  if (item.kind === 'wireguard') return `wireguard ${item.port}`;
  if (item.kind === 'vxlan')
    return `vxlan ${item.id} ${item.port} ${(item.local ?? item.peers[0] ?? '').includes(':')}`;
  return `${item.kind} ${item.local} ${item.remote} ${item.key} ${item.dev}`;
}
