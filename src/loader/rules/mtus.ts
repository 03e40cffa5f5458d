import { bridgeOf as bridgeNameOf, type Device, type Gre, type Interface } from '../../topology/model.ts';
import { isDevice } from '../normalize/devices.ts';
import type { Network } from '../normalize/network.ts';
import type { Report } from '../normalize/problem.ts';
import {
  findUnderlay,
  isOverIpv6,
  isTunnel,
  type TunnelInterface,
  tunnelOverhead,
} from '../normalize/underlay.ts';
import type { Subject } from './rules.ts';
import { nameOf } from './segments.ts';

/** RFC 8200: below it the kernel switches IPv6 off on the interface. */
const SMALLEST_IPV6 = 1280;

/** RFC 791, and ETH_MIN_MTU of the kernel: no interface takes less. */
const SMALLEST = 68;

export function checkMtus({ topology, network }: Subject, report: Report): void {
  for (const item of topology.interfaces) {
    checkIpv6(item, report);
    checkBridge(item, network, report);
    checkBond(item, network, report);
    if (isDevice(item)) checkBelow(item, network, report);
    checkLink(item, network, report);
    if (isTunnel(item)) checkTunnel(item, network, report);
    else if (item.kind === 'ovs-bridge') checkLeft(item, report);
  }
}

function checkIpv6(item: Interface, report: Report): void {
  const address = item.addresses.find(({ family }) => family === 6);
  if (item.mtu === undefined || item.mtu >= SMALLEST_IPV6) return;
  // Its min_mtu, whatever is inside (ipip6_tunnel_setup in net/ipv6/sit.c).
  if (item.kind === 'sit') {
    const message = `mtu ${item.mtu} is too small for ${nameOf(item)}; sit takes at least ${SMALLEST_IPV6}`;
    report({ code: 'mtu', message, place: item.mtuPlace ?? item.place });
    return;
  }
  if (address === undefined) return;
  report({
    code: 'mtu',
    message: `mtu ${item.mtu} is too small for IPv6, which needs ${SMALLEST_IPV6}; ${nameOf(item)} has ${address.address}`,
    place: item.mtuPlace ?? item.place,
  });
}

/** A bridge drops what is larger than the port that it has to leave by. */
function checkBridge(item: Interface, network: Network, report: Report): void {
  const bridge = bridgeOf(item, network);
  if (bridge?.mtu === undefined || item.mtu === undefined) return;
  if (item.mtu > bridge.mtu && item.mtuPlace !== undefined) {
    report({
      code: 'mtu',
      message: `${nameOf(item)} has mtu ${item.mtu} and its bridge ${bridge.name} ${bridge.mtu}; larger packets are lost`,
      place: item.mtuPlace,
      help: `set the bridge's mtu to ${item.mtu}, or this one to ${bridge.mtu}`,
    });
  } else if (isTunnel(item) && item.mtu < bridge.mtu && bridge.mtuPlace !== undefined) {
    report({
      severity: 'warning',
      code: 'mtu',
      message: `bridge ${bridge.name} has mtu ${bridge.mtu} and its member ${item.name} ${item.mtu}; larger packets are lost`,
      place: bridge.mtuPlace,
      help: `set the bridge's mtu to ${item.mtu}, or leave it out`,
    });
  }
}

function checkBond(item: Interface, network: Network, report: Report): void {
  const bond = item.master === undefined ? undefined : network.interfaceOf(item.namespace, item.master);
  if (bond?.kind !== 'bond' || item.mtu === bond.mtu || item.mtuPlace === undefined) return;
  report({
    code: 'mtu',
    message: `${nameOf(item)} has mtu ${item.mtu} and its bond ${bond.name} ${bond.mtu}, which its members get`,
    place: item.mtuPlace,
    help: `set the mtu of ${bond.name}`,
  });
}

/** The kernel refuses more than the interface below has, and of ipvlan less too (ipvlan_adjust_mtu). */
function checkBelow(item: Device, network: Network, report: Report): void {
  const { kind, link, mtu, mtuPlace, name, place } = item;
  const below = link && network.interfaceOf(link.namespace, link.name);
  if (below?.mtu === undefined || mtu === undefined) return;
  if (mtu <= below.mtu && (kind !== 'ipvlan' || mtu === below.mtu)) return;
  const rule = kind === 'ipvlan' ? 'ipvlan has the same' : `${name} cannot have more`;
  report({
    code: 'mtu',
    message: `${nameOf(item)} has mtu ${mtu} and ${nameOf(below)} below it ${below.mtu}; ${rule}`,
    place: mtuPlace ?? place,
    // Without a place of its own it is that of the bond.
    help:
      mtuPlace === undefined
        ? `its bond ${item.master} gives it that mtu; set the mtu of ${below.name} or ${item.master}`
        : `leave it out, or set the mtu of ${below.name}`,
  });
}

/** The far end of a port stands for both ends, since the near one always has the same mtu. */
function bridgeOf(item: Interface, network: Network): Interface | undefined {
  if (item.kind === 'veth' && item.madeForPort) return undefined;
  const name = bridgeNameOf(item);
  const master = name === undefined ? undefined : network.interfaceOf(item.namespace, name);
  if (master !== undefined) return isBridge(master) ? master : undefined;
  if (item.kind !== 'veth') return undefined;
  const peer = network.interfaceOf(item.peer.namespace, item.peer.name);
  const bridge = peer && bridgeNameOf(peer);
  if (peer?.kind !== 'veth' || !peer.madeForPort || bridge === undefined) return undefined;
  return network.interfaceOf(peer.namespace, bridge);
}

function isBridge({ kind }: Interface): boolean {
  return kind === 'bridge' || kind === 'ovs-bridge';
}

/** Said once, at the end that sorts last. */
function checkLink(item: Interface, network: Network, report: Report): void {
  if (item.kind !== 'veth') return;
  const peer = network.interfaceOf(item.peer.namespace, item.peer.name);
  if (peer === undefined || nameOf(item) < nameOf(peer)) return;
  if (item.mtu === undefined || peer.mtu === undefined || item.mtu === peer.mtu) return;
  report({
    severity: 'warning',
    code: 'mtu',
    message: `${nameOf(item)} has mtu ${item.mtu} and the other end of its link, ${nameOf(peer)}, ${peer.mtu}; larger packets are lost`,
    place: item.mtuPlace ?? peer.mtuPlace ?? item.place,
    help: 'give the link one mtu for both ends',
  });
}

function checkTunnel(item: TunnelInterface, network: Network, report: Report): void {
  const underlay = findUnderlay(network, item);
  if (underlay?.mtu === undefined || item.mtu === undefined) return;
  const overhead = tunnelOverhead(item);
  const largest = underlay.mtu - overhead;
  if (largest < SMALLEST && item.mtuPlace === undefined) {
    report({
      code: 'mtu',
      message: `the underlay ${nameOf(underlay)} of ${item.name} has mtu ${underlay.mtu}, and ${headerName(item)} takes ${overhead}: ${largest} is left, and an mtu is at least ${SMALLEST}`,
      place: underlay.mtuPlace ?? item.place,
      help: `set the mtu of ${underlay.name} to ${SMALLEST + overhead} at least`,
    });
    return;
  }
  if (item.mtu <= largest) return;
  const takes = `${headerName(item)} takes ${overhead}`;
  report({
    code: 'mtu',
    message: `mtu ${item.mtu} does not fit through ${item.name}: its underlay ${nameOf(underlay)} has ${underlay.mtu} and ${takes}; at most ${largest}`,
    place: item.mtuPlace ?? item.place,
    help: 'leave the mtu out: then it is derived',
  });
}

/** What the tunnels of an Open vSwitch bridge leave it. */
function checkLeft(item: Interface, report: Report): void {
  if (item.mtu === undefined || item.mtu >= SMALLEST || item.mtuPlace !== undefined) return;
  report({
    code: 'mtu',
    message: `the tunnels of ${item.name} leave it an mtu of ${item.mtu}, and an mtu is at least ${SMALLEST}`,
    place: item.place,
    help: 'give the interfaces below its tunnels a larger mtu',
  });
}

function headerName(item: TunnelInterface): string {
  const family = isOverIpv6(item) ? 6 : 4;
  switch (item.kind) {
    case 'vxlan':
      return `VXLAN over IPv${family}`;
    case 'geneve':
      return `Geneve over IPv${family}`;
    case 'ipip':
    case 'sit':
      return 'the outer IPv4 header';
    case 'ip6tnl':
      return item.encapLimit === 'none' ? 'the outer IPv6 header' : 'IPv6 with an encapsulation limit';
    case 'wireguard':
      return `WireGuard over IPv${tunnelOverhead(item) === 60 ? 4 : 6}`;
    default:
      return greName(item);
  }
}

function greName({ kind, outputKey, seq, csum }: Gre): string {
  const name = kind.endsWith('tap') ? 'GRE with an Ethernet header' : 'GRE';
  const outer = kind.startsWith('ip6') ? `${name} over IPv6` : name;
  const options = [
    ...(outputKey === undefined ? [] : ['a key']),
    ...(seq === 'both' || seq === 'output' ? ['a sequence number'] : []),
    ...(csum === 'both' || csum === 'output' ? ['a checksum'] : []),
  ];
  if (options.length === 0) return outer;
  return `${outer} ${name === 'GRE' ? 'with' : 'and'} ${options.join(' and ')}`;
}
