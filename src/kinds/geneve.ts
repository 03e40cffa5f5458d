import type { Geneve, UdpChecksum } from '../topology/model.ts';
import { geneveCodec } from './geneve-codec.ts';
import { defineLinkKind } from './interface.ts';
import type { Attributes, Value } from './resource.ts';
import { labelWord, readTos, readTtl, tosWord } from './tunnel-words.ts';

/**
 * Geneve to one remote address. The kernel takes a new remote address of the same family, but no other identifier, port
 * or checksums (geneve_changelink in drivers/net/geneve.c).
 */
export const geneveKind = defineLinkKind<Geneve>('geneve', {
  kinds: ['geneve'],
  infoKind: () => 'geneve',
  needs: () => ({ module: 'geneve', words: ['id', '1', 'remote', '192.0.2.1'] }),
  codec: () => geneveCodec,
  derivesMtu: true,
  changes: {
    remote: 'in-place',
    ttl: 'in-place',
    tos: 'in-place',
    'do-not-fragment': 'in-place',
    'flow-label': 'in-place',
  },
  lower: (item) => ({
    id: item.id,
    port: item.port,
    remote: item.remote ?? 'any',
    outer: item.remote?.includes(':') ? 'IPv6' : 'IPv4',
    ttl: item.ttl,
    tos: item.tos,
    'do-not-fragment': item.doNotFragment,
    'flow-label': item.flowLabel,
    checksums: item.checksums.filter(isFor(item.remote)),
  }),
  read: (link) => {
    const data = link.linkinfo?.info_data ?? {};
    const remote = data['remote'] ?? data['remote6'];
    return {
      id: Number(data['id']),
      port: Number(data['port']),
      remote: String(remote ?? 'any'),
      outer: data['remote6'] === undefined ? 'IPv4' : 'IPv6',
      ttl: readTtl(data['ttl']),
      tos: readTos(data['tos']),
      'do-not-fragment': readDf(data['df']),
      'flow-label': Number(data['label'] ?? 0),
      checksums: readChecksums(data).filter(isFor(String(remote ?? ''))),
    };
  },
  create: ({ namespace, label, attributes }, { settings }) => [
    {
      tool: 'ip',
      namespace,
      args: [
        ...['link', 'add', 'name', label, ...settings, 'type', 'geneve', 'id', String(attributes['id'])],
        ...['remote', String(attributes['remote']), 'dstport', String(attributes['port'])],
        ...words(attributes, ['ttl', 'tos', 'do-not-fragment']),
        ...(attributes['flow-label'] === 0 ? [] : words(attributes, ['flow-label'])),
        ...checksumWords(attributes, attributes['outer'] === 'IPv6' ? v6Checksums : v4Checksums),
      ],
    },
  ],
  // iproute2 wants both again in each change.
  typeMessages: (attributes, changed) => [
    ['id', String(attributes['id']), 'remote', String(attributes['remote']), ...words(attributes, changed)],
  ],
});

/** The kernel shows only those of the outer family (geneve_fill_info). */
function isFor(remote: string | undefined): (checksum: UdpChecksum) => boolean {
  const own: readonly UdpChecksum[] = remote?.includes(':') ? v6Checksums : v4Checksums;
  return (checksum) => own.includes(checksum);
}

const v4Checksums = ['udp'] as const;
const v6Checksums = ['zero-udp6-tx', 'zero-udp6-rx'] as const;

/** By the words of ip-link(8). */
const checksumNames = {
  udp: ['udpcsum', 'udp_csum'],
  'zero-udp6-tx': ['udp6zerocsumtx', 'udp_zero_csum6_tx'],
  'zero-udp6-rx': ['udp6zerocsumrx', 'udp_zero_csum6_rx'],
} as const satisfies Record<UdpChecksum, readonly [word: string, json: string]>;

export function checksumWords(attributes: Attributes, known: readonly UdpChecksum[]): string[] {
  const wanted = attributes['checksums'];
  const isOn = (name: UdpChecksum) => Array.isArray(wanted) && wanted.includes(name);
  return known.map((name) => `${isOn(name) ? '' : 'no'}${checksumNames[name][0]}`);
}

/** Sorted, as the model's are. */
export function readChecksums(data: Readonly<Record<string, unknown>>): UdpChecksum[] {
  const names: readonly UdpChecksum[] = ['udp', 'zero-udp6-rx', 'zero-udp6-tx'];
  return names.filter((name) => data[checksumNames[name][1]] === true);
}

export function readDf(value: unknown): Value {
  return value === 'inherit' ? 'inherit' : value === 'set';
}

/** The words for named attributes that geneve and vxlan have in common. */
export function words(attributes: Attributes, names: readonly string[]): string[] {
  return names.flatMap((name) => {
    const value = attributes[name];
    switch (name) {
      case 'ttl':
        return ['ttl', String(value)];
      case 'tos':
        return ['tos', tosWord(value)];
      case 'do-not-fragment':
        return ['df', dfWord(value)];
      case 'flow-label':
        return ['flowlabel', labelWord(value)];
      default:
        return [];
    }
  });
}

function dfWord(value: Value | undefined): string {
  if (value === 'inherit') return 'inherit';
  return value === true ? 'set' : 'unset';
}
