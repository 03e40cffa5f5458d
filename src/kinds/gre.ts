import type { Direction, Gre } from '../topology/model.ts';
import { greCodec } from './gre-codec.ts';
import { defineLinkKind } from './interface.ts';
import type { Attributes, Value } from './resource.ts';
import {
  ipv6Words,
  readAddress,
  readIpv6,
  readTos,
  readTtl,
  requiredDevice,
  survivesDevice,
  tosWord,
} from './tunnel-words.ts';

/**
 * GRE over IPv4 and IPv6, with IP packets (gre, ip6gre) or Ethernet frames (gretap, ip6gretap) inside. The kernel takes
 * all but a new underlay device on the running device (ip_tunnel_changelink, ip6gre_changelink).
 */
export const greKind = defineLinkKind<Gre>('gre', {
  kinds: ['gre', 'gretap', 'ip6gre', 'ip6gretap'],
  infoKind: (kind) => kind,
  needs: (kind) =>
    kind.startsWith('ip6')
      ? { module: 'ip6_gre', words: ['remote', '2001:db8::1'] }
      : { module: 'ip_gre', words: ['remote', '192.0.2.1'] },
  codec: (kind) => greCodec(kind.startsWith('ip6')),
  derivesMtu: true,
  survives: survivesDevice,
  changes: {
    local: 'in-place',
    remote: 'in-place',
    'input-key': 'in-place',
    'output-key': 'in-place',
    seq: 'in-place',
    csum: 'in-place',
    ttl: 'in-place',
    tos: 'in-place',
    pmtudisc: 'in-place',
    'ignore-df': 'in-place',
    'encap-limit': 'in-place',
    'flow-label': 'in-place',
  },
  lower: (item) => ({
    local: item.local ?? 'any',
    remote: item.remote ?? 'any',
    dev: item.dev ?? '',
    'input-key': item.inputKey ?? 'none',
    'output-key': item.outputKey ?? 'none',
    seq: item.seq,
    csum: item.csum,
    ttl: item.ttl,
    tos: item.tos,
    ...(item.kind.startsWith('ip6')
      ? { 'encap-limit': item.encapLimit, 'flow-label': item.flowLabel }
      : { pmtudisc: item.pmtudisc, 'ignore-df': item.ignoreDf }),
  }),
  read: (link) => {
    const data = link.linkinfo?.info_data ?? {};
    return {
      local: readAddress(data['local']),
      remote: readAddress(data['remote']),
      dev: link.link ?? '',
      'input-key': readKey(data['ikey']),
      'output-key': readKey(data['okey']),
      seq: readDirection(data['iseq'], data['oseq']),
      csum: readDirection(data['icsum'], data['ocsum']),
      ttl: readTtl(data['ttl']),
      ...(link.linkinfo?.info_kind?.startsWith('ip6')
        ? readIpv6(data)
        : {
            tos: readTos(data['tos']),
            pmtudisc: data['pmtudisc'] === true,
            'ignore-df': data['ignore_df'] === true,
          }),
    };
  },
  requires: requiredDevice,
  create: ({ namespace, label, kind, attributes }, { settings }) => [
    {
      tool: 'ip',
      namespace,
      args: ['link', 'add', 'name', label, ...settings, 'type', kind, ...words(attributes)],
    },
  ],
  // A change names every parameter; iproute2 keeps what is there unless it is told otherwise (link_gre.c).
  typeMessages: (attributes, changed) => {
    const all = ['nokey', 'noseq', 'nocsum', ...words(attributes)];
    if ('encap-limit' in attributes) return [all];
    if (attributes['ignore-df'] === true) return [[...all, 'ignore-df']];
    const off = [...all, 'noignore-df'];
    // The kernel wants ignore-df off before it switches path MTU discovery on (ipgre_netlink_parms).
    const isTurn = changed.includes('ignore-df') && attributes['pmtudisc'] === true;
    return isTurn ? [[...off, 'nopmtudisc'], off] : [off];
  },
});

function words(attributes: Attributes): string[] {
  const result = ['local', String(attributes['local']), 'remote', String(attributes['remote'])];
  if (attributes['dev']) result.push('dev', String(attributes['dev']));
  result.push(...keyWords(attributes['input-key'], attributes['output-key']));
  for (const name of ['seq', 'csum'] as const) result.push(...directionWords(name, attributes[name]));
  if ('encap-limit' in attributes) return [...result, ...ipv6Words(attributes)];
  result.push('ttl', String(attributes['ttl']), 'tos', tosWord(attributes['tos']));
  result.push(attributes['pmtudisc'] === true ? 'pmtudisc' : 'nopmtudisc');
  if (attributes['ignore-df'] === true) result.push('ignore-df');
  return result;
}

function keyWords(input: Value | undefined, output: Value | undefined): string[] {
  if (input === output) return input === 'none' ? [] : ['key', String(input)];
  return [
    ...(input === 'none' ? [] : ['ikey', String(input)]),
    ...(output === 'none' ? [] : ['okey', String(output)]),
  ];
}

function directionWords(name: 'seq' | 'csum', direction: Value | undefined): string[] {
  switch (direction) {
    case 'both':
      return [name];
    case 'input':
      return [`i${name}`];
    case 'output':
      return [`o${name}`];
    default:
      return [];
  }
}

function readDirection(input: unknown, output: unknown): Direction {
  if (input === true) return output === true ? 'both' : 'input';
  return output === true ? 'output' : 'none';
}

/** iproute2 prints keys as dotted quads. */
function readKey(key: unknown): Value {
  if (key === undefined) return 'none';
  const bytes = String(key).split('.').map(Number);
  return bytes.length === 4 ? bytes.reduce((sum, byte) => sum * 256 + byte, 0) : Number(key);
}
