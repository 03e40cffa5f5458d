import type { WireguardLivePeer } from '../observe/live.ts';
import type { Wireguard, WireguardPeer } from '../topology/model.ts';
import { interfaceId, interfaceOwner } from './interface.ts';
import type { Attributes, Command, Kind, LiveResource, Resource, Value } from './resource.ts';
import { sameValue } from './resource.ts';
import { unknownKey } from './wireguard.ts';

/**
 * A peer of a WireGuard interface. The kernel tells peers apart by their public keys, and so does the identity: a peer
 * with a new key is another one. Every peer of an interface of ours is ours.
 */
export const wireguardPeerKind: Kind = {
  name: 'wireguard-peer',
  changes: {
    endpoint: 'in-place',
    'allowed-ips': 'in-place',
    keepalive: 'in-place',
    'preshared-key': 'in-place',
  },
  lower: ({ topology }) =>
    topology.interfaces.flatMap((item) =>
      item.kind === 'wireguard' ? item.peers.map((peer) => lowerPeer(item, peer)) : [],
    ),
  read: (live, { lab }) => {
    const found: LiveResource[] = [];
    for (const { name: namespace, wireguard = [], links } of live.namespaces.values()) {
      for (const { ifname, peers } of wireguard) {
        const link = links.find((item) => item.ifname === ifname);
        if (link === undefined || interfaceOwner(link, lab) !== 'ours') continue;
        for (const peer of peers) {
          const id = peerId(namespace, ifname, peer.publicKey);
          const label = `peer ${peer.publicKey} of ${ifname}`;
          const attributes = readPeer(ifname, peer);
          found.push({ kind: 'wireguard-peer', id, namespace, label, attributes, owner: 'ours' });
        }
      }
    }
    return found;
  },
  requires: ({ namespace, attributes }) => [interfaceId(namespace, String(attributes['dev']))],
  // Behind the private key: the kernel drops a peer that has the interface's own.
  after: ({ namespace, attributes }) => [interfaceId(namespace, String(attributes['dev']))],
  same: (attribute, wanted, live) => attribute === 'preshared-key-file' || sameValue(attribute, wanted, live),
  create: (resource) => [setPeer(resource, tellingNames(resource.attributes))],
  update: ({ wanted, attributes }) => [setPeer(wanted, attributes)],
  remove: ({ namespace, attributes }) => [
    {
      tool: 'wg',
      namespace,
      args: ['set', String(attributes['dev']), 'peer', String(attributes['public-key']), 'remove'],
    },
  ],
  disrupts: (change, action) => {
    if (action === 'delete') return 'nothing gets through to it any more';
    if (change?.attributes.includes('preshared-key'))
      return 'the next handshake, within two minutes, needs the same preshared key at the other end';
    return undefined;
  },
};

function peerId(namespace: string, dev: string, key: string): string {
  return `${namespace}/${dev}/peer/${key}`;
}

function lowerPeer({ namespace, name }: Wireguard, peer: WireguardPeer): Resource {
  const { allowedIps, endpoint, keepalive, presharedKey, presharedKeyPath, place } = peer;
  const key = peer.publicKey ?? unknownKey(peer.name, name);
  return {
    kind: 'wireguard-peer',
    id: peerId(namespace, name, key),
    namespace,
    label: `peer ${peer.name} of ${name}`,
    attributes: {
      dev: name,
      'public-key': key,
      ...(endpoint === undefined ? {} : { endpoint }),
      'allowed-ips': allowedIps.map(({ prefix }) => prefix),
      keepalive,
      'preshared-key': presharedKey ?? 'none',
      ...(presharedKeyPath === undefined ? {} : { 'preshared-key-file': presharedKeyPath }),
    },
    place,
  };
}

/** An endpoint that the file does not have is learned from the peer's packets, and not compared. */
function readPeer(dev: string, peer: WireguardLivePeer): Attributes {
  const { publicKey, endpoint, allowedIps, keepalive, presharedKey } = peer;
  return {
    dev,
    'public-key': publicKey,
    ...(endpoint === undefined ? {} : { endpoint }),
    'allowed-ips': allowedIps,
    keepalive,
    'preshared-key': presharedKey,
  };
}

/** What a new peer does not have anyway. */
function tellingNames(attributes: Attributes): string[] {
  const usual: Attributes = { keepalive: 0, 'preshared-key': 'none' };
  return Object.keys(attributes).filter((name) => attributes[name] !== usual[name]);
}

/** The words of wg(8); a key is named by its file, and an empty one is none. */
function setPeer({ namespace, attributes }: Resource, names: readonly string[]): Command {
  const words = names.flatMap((name) => peerWords(name, attributes[name], attributes));
  const args = ['set', String(attributes['dev']), 'peer', String(attributes['public-key']), ...words];
  return { tool: 'wg', namespace, args };
}

function peerWords(name: string, value: Value | undefined, attributes: Attributes): string[] {
  switch (name) {
    case 'preshared-key':
      return ['preshared-key', String(attributes['preshared-key-file'] ?? '/dev/null')];
    case 'endpoint':
      return ['endpoint', String(value)];
    case 'keepalive':
      return ['persistent-keepalive', value === 0 ? 'off' : String(value)];
    case 'allowed-ips':
      return ['allowed-ips', Array.isArray(value) ? value.join(',') : ''];
    default:
      return [];
  }
}
