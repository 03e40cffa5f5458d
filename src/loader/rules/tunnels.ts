import { type Gre, HOST } from '../../topology/model.ts';
import { listNames } from '../normalize/names.ts';
import type { Report } from '../normalize/problem.ts';
import { isOverIpv6, isTunnel, type TunnelInterface, underlayDevice } from '../normalize/underlay.ts';
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
    const [what, remedy] = likeness(item);
    report({
      code: 'tunnel',
      message: `${nameOf(item)} and ${nameOf(earlier)} have ${what}; their packets could not be told apart`,
      place: item.place,
      help: remedy,
      related: [{ message: `${nameOf(earlier)} is here`, place: earlier.place }],
    });
  }
}

function likeness(item: TunnelInterface): readonly [what: string, remedy: string] {
  if (item.kind === 'vxlan')
    return [`the same id ${item.id} and port ${item.port}`, 'give one of them another id'];
  if (item.kind === 'wireguard') return [`the same port ${item.port}`, 'give one of them another port'];
  if (item.kind === 'geneve')
    return [`the same id ${item.id}, port ${item.port} and remote address`, 'give one of them another id'];
  return 'seq' in item
    ? ['the same addresses and key', 'give one of them another key']
    : ['the same addresses', 'give one of them other addresses, or use gre with a key'];
}

/** gre and gretap share one header, so the kernel looks them up in tables of their own; see ip_tunnel_find. */
function identityOf(item: TunnelInterface): string {
  if (item.kind === 'wireguard') return `wireguard ${item.port}`;
  if (item.kind === 'vxlan') return `vxlan ${item.id} ${item.port} ${isOverIpv6(item)}`;
  if (item.kind === 'geneve') return `geneve ${item.id} ${item.port} ${item.remote}`;
  const key = 'seq' in item ? item.inputKey : undefined;
  // A packet goes to the one with the device first, whatever the other's mode is (ip6_tnl_lookup).
  if (item.kind === 'ip6tnl') return `${item.kind} ${item.local} ${item.remote}`;
  return `${item.kind} ${item.local} ${item.remote} ${key} ${item.dev}`;
}

/** What the modes of ip-link(8) let in. */
const families: Readonly<Record<string, readonly number[]>> = {
  'ipip any': [4],
  'ipip ipip': [4],
  'sit any': [4, 6],
  'sit ip6ip': [6],
  'sit ipip': [4],
  'ip6tnl any': [4, 6],
  'ip6tnl ipip6': [4],
  'ip6tnl ip6ip6': [6],
};

/** A tunnel without a header of its own carries what its mode says. */
export function checkTunnelFamilies({ topology }: Subject, report: Report): void {
  for (const item of topology.interfaces) {
    if (!isTunnel(item) || !('mode' in item)) continue;
    const carried = families[`${item.kind} ${item.mode}`] ?? [4, 6];
    const wrong = item.addresses.find(({ family }) => !carried.includes(family));
    if (wrong === undefined) continue;
    const type = item.kind === 'ipip' ? 'ipip' : `${item.kind} with mode ${item.mode}`;
    report({
      code: 'tunnel',
      message: `${nameOf(item)} carries IPv${carried[0]} only, and ${wrong.address} is an IPv${wrong.family} address`,
      place: wrong.place,
      help:
        item.kind === 'ipip' ? `${type} has no other mode; use type: sit with mode: any` : 'use mode: any',
    });
  }
}

/** The kernel drops GRE packets whose key or checksum is not what the receiver expects (ip_tunnel_rcv). */
export function checkTunnelDirections({ topology }: Subject, report: Report): void {
  const seen = new Map<string, Gre>();
  for (const item of topology.interfaces) {
    if (!isTunnel(item) || !('seq' in item)) continue;
    const other = seen.get(item.name);
    seen.set(item.name, item);
    if (other === undefined) continue;
    for (const [from, to] of [
      [item, other],
      [other, item],
    ] as const) {
      const problem = mismatch(from, to);
      if (problem !== undefined) report({ code: 'tunnel', message: problem, place: to.place });
    }
  }
}

function mismatch(from: Gre, to: Gre): string | undefined {
  const [sender, receiver] = [nameOf(from), nameOf(to)];
  const shown = (key: number | undefined) => (key === undefined ? 'no key' : `key ${key}`);
  if (from.outputKey !== to.inputKey)
    return `${sender} sends ${shown(from.outputKey)}, and ${receiver} takes packets with ${shown(to.inputKey)}`;
  for (const [option, name] of [
    ['csum', 'checksums'],
    ['seq', 'sequence numbers'],
  ] as const) {
    const sends = from[option] === 'both' || from[option] === 'output';
    const wants = to[option] === 'both' || to[option] === 'input';
    // Numbers that nobody looks at do no harm.
    if (sends === wants || (option === 'seq' && sends)) continue;
    return `${sender} sends ${sends ? '' : 'no '}${name}, and ${receiver} takes packets ${wants ? 'with' : 'without'} them`;
  }
  return undefined;
}
