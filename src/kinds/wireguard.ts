import type { Wireguard } from '../topology/model.ts';
import { defineLinkKind } from './interface.ts';
import type { Attributes, Value } from './resource.ts';

/**
 * A WireGuard interface. It is made in its own namespace: its UDP socket stays in the one where it was born, wherever
 * it is moved (wg_newlink in drivers/net/wireguard/device.c). The private key is named by its file and compared by the
 * public key that it makes; neither a plan nor a command holds it.
 */
export const wireguardKind = defineLinkKind<Wireguard>('wireguard', {
  kinds: ['wireguard'],
  infoKind: () => 'wireguard',
  needs: () => ({ module: 'wireguard', words: [] }),
  changes: { 'public-key': 'in-place', port: 'in-place', fwmark: 'in-place' },
  lower: ({ namespace, name, port, fwmark, publicKey, privateKeyPath }) => ({
    'public-key': publicKey ?? unknownKey(namespace, name),
    ...(privateKeyPath === undefined ? {} : { 'private-key-file': privateKeyPath }),
    ...(port === undefined ? {} : { port }),
    fwmark,
  }),
  read: ({ ifname }, { namespace }) => {
    const device = namespace.wireguard?.find((item) => item.ifname === ifname);
    return device === undefined
      ? {}
      : { 'public-key': device.publicKey, port: device.port, fwmark: device.fwmark };
  },
  same: (attribute, wanted, live) => attribute === 'private-key-file' || wanted === live,
  create: ({ namespace, label }, { settings }) => [
    { tool: 'ip', namespace, args: ['link', 'add', 'name', label, ...settings, 'type', 'wireguard'] },
  ],
  settings: ({ namespace, label, attributes }, changed) => {
    const words = changed.flatMap((name) => settingWords(name, attributes));
    return words.length === 0 ? [] : [{ tool: 'wg', namespace, args: ['set', label, ...words] }];
  },
  disrupts: ({ attributes }) =>
    attributes.includes('public-key')
      ? 'with another key, its peers have to know it before anything gets through'
      : attributes.includes('port')
        ? 'its peers reach it again when they know the new port'
        : undefined,
});

/** What a plan shows of a key that the first apply makes. */
export function unknownKey(namespace: string, name: string): string {
  return `(new key of ${namespace}:${name})`;
}

function settingWords(name: string, attributes: Attributes): string[] {
  const value: Value | undefined = attributes[name];
  switch (name) {
    case 'public-key':
      return ['private-key', String(attributes['private-key-file'])];
    case 'port':
      return ['listen-port', String(value)];
    case 'fwmark':
      return ['fwmark', value === 0 ? 'off' : `0x${Number(value).toString(16)}`];
    default:
      return [];
  }
}
