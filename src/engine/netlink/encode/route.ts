import type { EncodeContext } from '../../../kinds/link-codec.ts';
import { parseCidr, parseIp } from '../../../lib/ip.ts';
import { addressBytes } from '../bytes.ts';
import {
  AF_INET,
  AF_INET6,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  RTA,
  RTM_DELROUTE,
  RTM_NEWROUTE,
} from '../constants.ts';
import type { MessageWriter } from '../message.ts';
import { numberOf } from '../names.ts';
import type { Encode } from './encode.ts';

const TABLE_UNSPEC = 0;
const TABLE_MAIN = 254;
const TABLE_LOCAL = 255;
const PROTOCOL_BOOT = 3;
const SCOPE_UNIVERSE = 0;
const SCOPE_LINK = 253;
const SCOPE_HOST = 254;
const SCOPE_NOWHERE = 255;
const ONLINK = 4;

const types: Readonly<Record<string, number>> = {
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
  throw: 9,
};
const UNSPECIFIED = 0;
const UNICAST = 1;

/** Verbs: the message and its flags (cmd of do_iproute in ip/iproute.c). */
const verbs: Readonly<Record<string, readonly [type: number, flags: number]>> = {
  add: [RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL],
  replace: [RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE],
  append: [RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND],
  del: [RTM_DELROUTE, 0],
};

/** RTAX_* of linux/rtnetlink.h. */
const metrics: Readonly<Record<string, number>> = {
  mtu: 2,
  window: 3,
  cwnd: 7,
  advmss: 8,
  hoplimit: 10,
  initcwnd: 11,
  initrwnd: 14,
  quickack: 15,
};

/** ICMPV6_ROUTER_PREF_*. */
const preferences: Readonly<Record<string, number>> = { medium: 0, high: 1, low: 3 };

interface Hop {
  via: Buffer | undefined;
  dev: number | undefined;
  weight: number;
  flags: number;
}

interface ParsedRoute {
  type: number;
  family: number;
  destination: Buffer | undefined;
  length: number;
  table: number | undefined;
  metric: number | undefined;
  scope: number | undefined;
  source: Buffer | undefined;
  protocol: number;
  tos: number;
  preference: number | undefined;
  /** A nexthop object. */
  object: number | undefined;
  metrics: [number: number, value: number][];
  hop: Hop;
  hops: Hop[];
}

/** `ip route add|replace|append|del [TYPE] DESTINATION …` (iproute2 6.1, iproute_modify in ip/iproute.c). */
export const encodeRoute: Encode = (words, writer, sequence, context) => {
  const [message, flags] = verbs[words[0] ?? ''] ?? [];
  if (message === undefined || flags === undefined) return false;
  const route = parseRoute(words.slice(1), context);
  if (route === undefined) return false;
  const isRemoval = message === RTM_DELROUTE;
  const table = route.table ?? defaultTable(route.type);
  writer.begin(message, flags, sequence);
  // struct rtmsg: family, lengths of destination and source, tos, table, protocol, scope, type, flags.
  writer.u8(route.family);
  writer.u8(route.length);
  writer.u8(0);
  writer.u8(route.tos);
  writer.u8(table < 256 ? table : TABLE_UNSPEC);
  writer.u8(isRemoval ? 0 : route.protocol);
  writer.u8(route.scope ?? defaultScope(route, isRemoval));
  writer.u8(route.type === UNSPECIFIED && !isRemoval ? UNICAST : route.type);
  writer.u32(route.hop.flags);
  if (route.destination !== undefined) writer.attributeBytes(RTA.DST, route.destination);
  if (table >= 256) writer.attributeU32(RTA.TABLE, table);
  if (route.metric !== undefined) writer.attributeU32(RTA.PRIORITY, route.metric);
  if (route.source !== undefined) writer.attributeBytes(RTA.PREFSRC, route.source);
  writeGateway(writer, route.family, route.hop.via);
  if (route.hop.dev !== undefined) writer.attributeU32(RTA.OIF, route.hop.dev);
  if (route.metrics.length > 0) {
    writer.nest(RTA.METRICS, () => {
      for (const [number, value] of route.metrics) writer.attributeU32(number, value);
    });
  }
  if (route.preference !== undefined) writer.attributeU8(RTA.PREF, route.preference);
  if (route.object !== undefined) writer.attributeU32(RTA.NH_ID, route.object);
  if (route.hops.length > 0) writer.nest(RTA.MULTIPATH, () => writeHops(writer, route));
  writer.end();
  return true;
};

function parseRoute(words: readonly string[], context: EncodeContext): ParsedRoute | undefined {
  const route: ParsedRoute = {
    type: UNSPECIFIED,
    family: AF_INET,
    destination: undefined,
    length: 0,
    table: undefined,
    metric: undefined,
    scope: undefined,
    source: undefined,
    protocol: PROTOCOL_BOOT,
    tos: 0,
    preference: undefined,
    object: undefined,
    metrics: [],
    hop: emptyHop(),
    hops: [],
  };
  let at = 0;
  const type = types[words[at] ?? ''];
  if (type !== undefined) {
    route.type = type;
    at += 1;
  }
  if (!readDestination(words[at] ?? '', route)) return undefined;
  at += 1;
  let hop = route.hop;
  while (at < words.length) {
    const word = words[at] ?? '';
    if (word === 'nexthop') {
      hop = emptyHop();
      route.hops.push(hop);
      at += 1;
    } else if (word === 'onlink') {
      hop.flags |= ONLINK;
      at += 1;
    } else {
      const value = words[at + 1];
      if (value === undefined || !readOption(word, value, route, hop, context)) return undefined;
      at += 2;
    }
  }
  // `default` alone has no family: the gateway's counts.
  if (route.destination === undefined && route.hop.via?.length === 16) route.family = AF_INET6;
  return route;
}

function emptyHop(): Hop {
  return { via: undefined, dev: undefined, weight: 1, flags: 0 };
}

function readDestination(text: string, route: ParsedRoute): boolean {
  if (text === 'default') return true;
  const cidr = parseCidr(text);
  const bytes = addressBytes(cidr?.address ?? text);
  if (bytes === undefined) return false;
  route.family = bytes.length === 4 ? AF_INET : AF_INET6;
  route.length = cidr?.prefixLength ?? bytes.length * 8;
  route.destination = bytes;
  return true;
}

function readOption(
  word: string,
  value: string,
  route: ParsedRoute,
  hop: Hop,
  context: EncodeContext,
): boolean {
  switch (word) {
    case 'via':
      hop.via = parseIp(value) === undefined ? undefined : addressBytes(value);
      return hop.via !== undefined;
    case 'dev':
      hop.dev = context.ifindex(value);
      return true;
    case 'weight':
      hop.weight = Number(value);
      return Number.isInteger(hop.weight) && hop.weight >= 1 && hop.weight <= 256;
    case 'src':
      route.source = addressBytes(value);
      return route.source !== undefined;
    case 'table':
      route.table = numberOf('rt_tables', value);
      return route.table !== undefined;
    case 'scope':
      route.scope = numberOf('rt_scopes', value);
      return route.scope !== undefined;
    case 'proto':
      route.protocol = numberOf('rt_protos', value) ?? -1;
      return route.protocol >= 0 && route.protocol <= 255;
    case 'tos':
      route.tos = Number(value);
      return Number.isInteger(route.tos) && route.tos >= 0 && route.tos <= 255;
    case 'pref':
      route.preference = preferences[value];
      return route.preference !== undefined;
    case 'nhid':
      route.object = Number(value);
      return Number.isInteger(route.object);
    case 'metric':
      route.metric = Number(value);
      return Number.isInteger(route.metric);
    default: {
      const number = metrics[word];
      if (number === undefined || !/^\d+$/.test(value)) return false;
      route.metrics.push([number, Number(value)]);
      return true;
    }
  }
}

function defaultTable(type: number): number {
  return [types['local'], types['broadcast'], types['anycast']].includes(type) ? TABLE_LOCAL : TABLE_MAIN;
}

function defaultScope({ family, type, hop, hops, object }: ParsedRoute, isRemoval: boolean): number {
  // RTM_DELROUTE begins with "any scope" and keeps it for the types that say nothing about it.
  const other = isRemoval ? SCOPE_NOWHERE : SCOPE_UNIVERSE;
  if (family === AF_INET6) return SCOPE_UNIVERSE;
  if (type === types['local']) return SCOPE_HOST;
  if (type === types['broadcast'] || type === types['multicast'] || type === types['anycast'])
    return SCOPE_LINK;
  if (type !== UNICAST && type !== UNSPECIFIED) return other;
  if (isRemoval) return SCOPE_NOWHERE;
  return hop.via === undefined && hops.length === 0 && object === undefined ? SCOPE_LINK : SCOPE_UNIVERSE;
}

/** A gateway of the route's own family, or RTA_VIA with the family in front. */
function writeGateway(writer: MessageWriter, family: number, via: Buffer | undefined): void {
  if (via === undefined) return;
  const own = via.length === 4 ? AF_INET : AF_INET6;
  if (own === family) writer.attributeBytes(RTA.GATEWAY, via);
  else writer.attributeBytes(RTA.VIA, Buffer.concat([Buffer.from([own, 0]), via]));
}

/** struct rtnexthop: length, flags, weight - 1, ifindex; then its attributes. */
function writeHops(writer: MessageWriter, { hops, family }: ParsedRoute): void {
  for (const { via, dev, weight, flags } of hops) {
    const start = writer.length;
    writer.u16(0);
    writer.u8(flags);
    writer.u8(weight - 1);
    writer.u32(dev ?? 0);
    writeGateway(writer, family, via);
    writer.bytes.writeUInt16LE(writer.length - start, start);
  }
}
