import { readdirSync, readFileSync } from 'node:fs';
import { nftTable } from '../kinds/nft.ts';
import { append } from '../lib/collections.ts';
import { familyOfAddress, formatIpv6Words } from '../lib/ip.ts';
import { linkOrEmpty, processIds } from '../system/proc.ts';
import type { PortRange, Publish } from '../topology/model.ts';

/** Files of /proc/net that list sockets. */
export const socketFiles = ['tcp', 'tcp6', 'udp', 'udp6', 'sctp/eps'] as const;
type SocketFile = (typeof socketFiles)[number];
type Protocol = Publish['protocol'];

/** What a namespace says of its ports, as an engine read it. */
export interface PortUseTexts {
  /** Of `socketFiles`, empty where the kernel does not have one. */
  readonly sockets: ReadonlyMap<SocketFile, string>;
  /** `nft list ruleset`. */
  readonly ruleset: string;
  /** `iptables-save` of the old iptables. */
  readonly legacy: string;
  /** net.ipv4.ip_local_port_range and ip_local_reserved_ports. */
  readonly range: string;
  readonly reserved: string;
}

/** Something that has ports already. */
export interface Holder {
  readonly protocol: Protocol | undefined;
  readonly family: 4 | 6 | undefined;
  /** undefined: every address. */
  readonly address: string | undefined;
  readonly ports: PortRange;
  /** A socket, with its inode; or the words that name a rule. */
  readonly is: { readonly inode: number } | { readonly rule: string; readonly lab: string | undefined };
}

/** The holders of ports in a namespace, but for the table of the lab itself. */
export function readHolders({ sockets, ruleset, legacy }: PortUseTexts, lab: string): Holder[] {
  return [
    ...socketFiles.flatMap((name) => readSockets(name, sockets.get(name) ?? '')),
    ...readRuleset(ruleset, lab),
    ...legacy.split('\n').flatMap(readLegacyRule),
  ];
}

/** Whether packets to a published port would be taken away from a holder. */
export function collides(
  holder: Holder,
  {
    protocol,
    family,
    address,
    port,
  }: Pick<Publish, 'protocol' | 'address'> & { family: 4 | 6; port: PortRange },
): boolean {
  if (holder.protocol !== undefined && holder.protocol !== protocol) return false;
  if (holder.family !== undefined && holder.family !== family) return false;
  if (holder.ports.last < port.first || port.last < holder.ports.first) return false;
  if (holder.address === undefined) return true;
  // No packet to ::1 is led anywhere.
  if (address === undefined) return holder.address !== '::1';
  return holder.address === address;
}

/** What is said of a holder: the process with its socket, or the rule. */
export function describeHolder({ is, protocol, address, family, ports }: Holder): string {
  if ('rule' in is) return is.rule;
  const process = processOf(is.inode);
  const who = process === undefined ? 'a process that is not seen from here' : process;
  const any = family === 4 ? '0.0.0.0' : '::';
  const host = address ?? any;
  const at = `${host.includes(':') ? `[${host}]` : host}:${ports.first}`;
  return protocol === 'udp' ? `${who} receives on ${at}` : `${who} listens on ${at}`;
}

// --- sockets ---

/** TCP_LISTEN, and TCP_CLOSE for a socket of UDP without a peer (net/tcp_states.h). */
const LISTENING: Readonly<Record<'tcp' | 'udp', string>> = { tcp: '0A', udp: '07' };

function readSockets(name: SocketFile, text: string): Holder[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => (name === 'sctp/eps' ? readEndpoint(line) : readSocket(name, line)));
}

/** `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode` (proc(5)). */
function readSocket(name: Exclude<SocketFile, 'sctp/eps'>, line: string): Holder[] {
  const words = line.trim().split(/\s+/);
  const [, local = '', , state] = words;
  const protocol = name.startsWith('tcp') ? 'tcp' : 'udp';
  if (state !== LISTENING[protocol]) return [];
  const [host = '', port = ''] = local.split(':');
  const number = Number.parseInt(port, 16);
  const is = { inode: Number(words[9]) };
  const ports = { first: number, last: number };
  if (host.length === 8) {
    const address = hexBytes(host).join('.');
    return [{ protocol, family: 4, address: address === '0.0.0.0' ? undefined : address, ports, is }];
  }
  const bytes = hexBytes(host);
  const text = formatIpv6Words(
    Array.from({ length: 8 }, (_, at) => ((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0)),
  );
  const mapped = /^::ffff:([0-9.]+)$/.exec(text)?.[1];
  if (mapped !== undefined) return [{ protocol, family: 4, address: mapped, ports, is }];
  // Without an address it takes IPv4 as well; the file does not tell which ones do not (IPV6_V6ONLY).
  if (text === '::') return [{ protocol, family: undefined, address: undefined, ports, is }];
  return [{ protocol, family: 6, address: text, ports, is }];
}

/** Words of 32 bits, each in the machine's order. */
function hexBytes(text: string): number[] {
  const words = text.match(/.{8}/g) ?? [];
  return words.flatMap((word) => [...Buffer.from(word, 'hex')].reverse());
}

/** `ENDPT SOCK STY SST HBKT LPORT UID INODE LADDRS` (net/sctp/proc.c). */
function readEndpoint(line: string): Holder[] {
  const words = line.trim().split(/\s+/);
  const port = Number(words[5]);
  if (!(port > 0)) return [];
  const is = { inode: Number(words[7]) };
  return [
    { protocol: 'sctp', family: undefined, address: undefined, ports: { first: port, last: port }, is },
  ];
}

/** `nginx (process 812)`: the first process that has the socket open. */
function processOf(inode: number): string | undefined {
  const link = `socket:[${inode}]`;
  for (const pid of processIds()) {
    try {
      const files = readdirSync(`/proc/${pid}/fd`);
      if (files.some((fd) => linkOrEmpty(`/proc/${pid}/fd/${fd}`) === link))
        return `${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()} (process ${pid})`;
    } catch {
      // It ended meanwhile.
    }
  }
  return undefined;
}

// --- rules ---

interface Table {
  readonly family: string;
  readonly name: string;
  readonly lines: string[];
  /** The elements of its named sets and maps. */
  readonly sets: Map<string, string>;
  hasNat: boolean;
}

/** The ports that rules lead elsewhere: `dnat`, `redirect`, and maps of ports to chains, as kube-proxy has them. */
function readRuleset(ruleset: string, lab: string): Holder[] {
  return readTables(ruleset)
    .filter(({ family, name }) => !(family === 'inet' && name === nftTable(lab)))
    .flatMap((table) => table.lines.flatMap((line) => readRule(table, line)));
}

function readTables(ruleset: string): Table[] {
  const tables: Table[] = [];
  let set: { readonly name: string; readonly lines: string[] } | undefined;
  let chain = '';
  for (const line of ruleset.split('\n')) {
    const [, family, name] = /^table (\S+) (\S+) \{/.exec(line) ?? [];
    if (family !== undefined && name !== undefined) {
      tables.push({ family, name, lines: [], sets: new Map(), hasNat: false });
      continue;
    }
    const table = tables.at(-1);
    if (table === undefined) continue;
    const text = line.trim();
    const [, kind, object = ''] = /^(set|map|chain) (\S+) \{$/.exec(text) ?? [];
    if (kind === 'chain') chain = object;
    else if (kind !== undefined) set = { name: object, lines: [] };
    else if (text === '}') {
      if (set !== undefined) table.sets.set(set.name, set.lines.join(' '));
      set = undefined;
    } else if (set !== undefined) set.lines.push(text);
    else if (text.startsWith('type nat hook ')) table.hasNat = true;
    else table.lines.push(`${chain}\t${text}`);
  }
  return tables;
}

/** `dnat` is also a state of connections (`ct status dnat`), and `redirect` a type of messages of ICMP. */
const leadsOn =
  /\bdnat (ip6? )?((prefix|interval|addr \. port) )?to\b|(?<!\btype )\bredirect\b|\btproxy\b|xt target "(DNAT|REDIRECT)"/;
const leadsToChain = /\bvmap @(\S+)/;

function readRule(table: Table, line: string): Holder[] {
  const [chain = '', whole = ''] = line.split('\t');
  // What somebody wrote for people says nothing of the ports.
  const rule = whole.replace(/ ?\b(comment|log prefix) "[^"]*"/g, '');
  const isToChain = table.hasNat && leadsToChain.test(rule);
  if (!leadsOn.test(rule) && !isToChain) return [];
  const family = table.family === 'ip' ? 4 : table.family === 'ip6' ? 6 : ruleFamily(rule);
  const address = /\bip6? daddr ([0-9a-f.:]+)(?= |$)/.exec(rule)?.[1];
  const protocol = protocolIn(/\bmeta l4proto (tcp|udp|sctp)\b/.exec(rule)?.[1]);
  const lab = /^topoweave-(.+)$/.exec(table.name)?.[1];
  const text =
    lab === undefined
      ? `a rule of nftables leads it on (table ${table.family} ${table.name}, chain ${chain}): ${withoutCounters(whole)}`
      : `the lab '${lab}' publishes it`;
  const is = { rule: text, lab };
  const found = portsIn(rule, table.sets, isToChain);
  return found.map((key) => ({
    protocol: key.protocol ?? protocol,
    family: key.family ?? family,
    address: key.address ?? address,
    ports: key.ports,
    is,
  }));
}

function ruleFamily(rule: string): 4 | 6 | undefined {
  if (/\bip6 |\bnfproto ipv6\b|\bdnat ip6\b/.test(rule)) return 6;
  return /\bip (saddr|daddr)|\bnfproto ipv4\b|\bdnat ip\b/.test(rule) ? 4 : undefined;
}

interface Key {
  readonly protocol: Protocol | undefined;
  readonly family: 4 | 6 | undefined;
  readonly address: string | undefined;
  readonly ports: PortRange;
}

/** The ports that a rule looks for: `tcp dport 80`, `th dport { 1, 2-5 }`, `dport @name`, `map @name`. */
function portsIn(rule: string, sets: ReadonlyMap<string, string>, isToChain: boolean): Key[] {
  const found: Key[] = [];
  const direct = /\b(tcp|udp|sctp|th) dport (map |vmap )?(!= )?(\{[^}]*\}|@\S+|[0-9]+(?:-[0-9]+)?)/g;
  for (const [, word, map, not, value = ''] of rule.matchAll(direct)) {
    if (not !== undefined || (map !== undefined && value.startsWith('@'))) continue;
    const protocol = protocolIn(word);
    const text = value.startsWith('@') ? (sets.get(value.slice(1)) ?? '') : value;
    for (const key of keysIn(text)) found.push({ ...key, protocol: key.protocol ?? protocol });
  }
  const looked = /\b(?:(tcp|udp|sctp) dport )?(map|vmap) @(\S+)/g;
  for (const [, protocol, word, name = ''] of rule.matchAll(looked)) {
    if (word === 'vmap' && !isToChain) continue;
    for (const key of keysIn(sets.get(name) ?? '', word === 'vmap'))
      found.push({ ...key, protocol: key.protocol ?? protocolIn(protocol) });
  }
  return found;
}

/** The keys of elements, `tcp . 8080 : 10.0.0.3 . 80`: what is a port, an address and a protocol shows by its form. */
function keysIn(text: string, onlyToChains = false): Key[] {
  const elements = /\{([^}]*)\}/.exec(text)?.[1] ?? text;
  return elements.split(',').flatMap((element) => {
    const [key = '', value = ''] = element.trim().split(' : ');
    if (onlyToChains && !/^(goto|jump) /.test(value)) return [];
    const parts = key.split(' . ').map((part) => part.trim().replace(/ .*$/, ''));
    const range = parts.map((part) => /^([0-9]+)(?:-([0-9]+))?$/.exec(part)).find((match) => match !== null);
    if (range === undefined || range === null) return [];
    const [, first = '', last = first] = range;
    const address = parts.find((part) => /^[0-9]+(\.[0-9]+){3}$|^[0-9a-f]*:[0-9a-f:.]*$/.test(part));
    const protocol = protocolIn(parts.find((part) => protocolIn(part) !== undefined));
    const family = address === undefined ? undefined : familyOfAddress(address);
    return [{ protocol, family, address, ports: { first: Number(first), last: Number(last) } }];
  });
}

function protocolIn(word: string | undefined): Protocol | undefined {
  return word === 'tcp' || word === 'udp' || word === 'sctp' ? word : undefined;
}

function withoutCounters(rule: string): string {
  return rule.replace(/ ?counter packets \d+ bytes \d+/, '');
}

/** `-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80` */
function readLegacyRule(line: string): Holder[] {
  const [, chain] = /^-A (\S+) .*-j (?:DNAT|REDIRECT)\b/.exec(line) ?? [];
  const ports = /(?<!! )--dports? ([0-9,:]+)/.exec(line)?.[1];
  if (chain === undefined || ports === undefined) return [];
  const address = /(?<!! )-d ([0-9a-f.:]+)(?:\/32|\/128)?(?= |$)/.exec(line)?.[1];
  const target = /--to-destination \[/.test(line) ? 6 : 4;
  return ports.split(',').map((text) => {
    const [first = 0, last = first] = text.split(':').map(Number);
    return {
      protocol: protocolIn(/(?<!! )-p (\w+)/.exec(line)?.[1]),
      family: target,
      address,
      ports: { first, last },
      is: { rule: `a rule of iptables leads it on (chain ${chain}): ${line}`, lab: undefined },
    };
  });
}

// --- ports to choose from ---

/** The kernel's own default (net/ipv4/af_inet.c), which each new namespace has. */
const DEFAULT_RANGE: PortRange = { first: 32768, last: 60999 };

/** `32768 60999` */
export function readPortRange(text: string): PortRange {
  const [first = 0, last = 0] = text.trim().split(/\s+/).map(Number);
  return first >= 1 && first <= last && last <= 65535 ? { first, last } : DEFAULT_RANGE;
}

/** `8080,9000-9009` */
export function readReserved(text: string): PortRange[] {
  return text
    .split(',')
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const [first = 0, last = first] = part.split('-').map(Number);
      return { first, last };
    });
}

/** Holders by what they can collide with, so that thousands of ports are looked up one by one. */
export function indexHolders(
  holders: readonly Holder[],
): (publish: Parameters<typeof collides>[1]) => Holder | undefined {
  const single = new Map<number, Holder[]>();
  const wide: Holder[] = [];
  for (const holder of holders) {
    const { first, last } = holder.ports;
    if (last - first > 100) wide.push(holder);
    else for (let port = first; port <= last; port += 1) append(single, port, holder);
  }
  return (publish) => {
    for (let { first: port } = publish.port; port <= publish.port.last; port += 1) {
      const found = single.get(port)?.find((holder) => collides(holder, publish));
      if (found !== undefined) return found;
    }
    return wide.find((holder) => collides(holder, publish));
  };
}
