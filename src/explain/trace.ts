/** One line of `nft monitor trace` (nftables 1.0). */
export interface TraceEvent {
  /** The same for all that happens to one packet in one namespace. */
  readonly id: string;
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly what: 'packet' | 'rule' | 'policy' | 'verdict';
  /** Of a rule, its text; of a packet, its headers. */
  readonly text: string;
  /** `accept`, `drop`, `continue`, `jump NAME`…; of a packet, nothing. */
  readonly verdict: string;
}

const form =
  /^trace id ([0-9a-f]+) (\S+) (\S+) (\S+) (packet:|rule|policy|verdict|unknown rule handle \d+)\s*(.*)$/;

export function parseTrace(text: string): TraceEvent[] {
  return text.split('\n').flatMap((line): TraceEvent[] => {
    const [, id, family, table, chain, word, rest = ''] = form.exec(line.trim()) ?? [];
    if (id === undefined || family === undefined || table === undefined || chain === undefined) return [];
    if (word === 'packet:') return [{ id, family, table, chain, what: 'packet', text: rest, verdict: '' }];
    if (word === 'policy' || word === 'verdict')
      return [
        { id, family, table, chain, what: word, text: '', verdict: rest.replace(/\s*(meta mark .*)?$/, '') },
      ];
    const [, rule = rest, verdict = ''] = /^(.*?)\s*\(verdict ([^)]*)\)$/.exec(rest) ?? [];
    return [{ id, family, table, chain, what: 'rule', text: rule, verdict }];
  });
}

/** What the headers of a packet say. */
export interface PacketHeader {
  readonly in: string | undefined;
  readonly out: string | undefined;
  readonly source: string | undefined;
  readonly destination: string | undefined;
  readonly sourcePort: number | undefined;
  readonly port: number | undefined;
  readonly mark: string | undefined;
  /** The identification of IPv4: the same on the whole way, another one when a packet is sent again. */
  readonly ipId: string | undefined;
  /** Of TCP, by name. */
  readonly flags: ReadonlySet<string> | undefined;
}

export function parseHeader(text: string): PacketHeader {
  const word = (pattern: RegExp) => pattern.exec(text)?.[1];
  const port = (side: 's' | 'd') => {
    const found = word(new RegExp(`\\b(?:tcp|udp) ${side}port (\\d+)`));
    return found === undefined ? undefined : Number(found);
  };
  return {
    in: word(/\biif "([^"]+)"/),
    out: word(/\boif "([^"]+)"/),
    source: word(/\bip6? saddr (\S+)/),
    destination: word(/\bip6? daddr (\S+)/),
    sourcePort: port('s'),
    port: port('d'),
    mark: word(/\bmeta mark (\S+)/) ?? word(/\bmark (0x[0-9a-f]+)/),
    ipId: word(/\bip id (\d+)/),
    flags: parseFlags(word(/\btcp flags == (0x[0-9a-f]+|\(?[a-z]+(?:\s*[|,]\s*[a-z]+)*)/)),
  };
}

/** By bit, as in the header. */
const tcpFlags = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ecn', 'cwr'];

/** nft names a single flag, and gives several as a number or, in later versions, as names. */
function parseFlags(text: string | undefined): ReadonlySet<string> | undefined {
  if (text === undefined) return undefined;
  if (!text.startsWith('0x')) return new Set(text.match(/[a-z]+/g));
  const bits = Number(text);
  return new Set(tcpFlags.filter((_, bit) => ((bits >> bit) & 1) === 1));
}

/** The events of one packet. */
export interface PacketTrace {
  readonly id: string;
  readonly events: readonly TraceEvent[];
}

/**
 * By packet, in the order in which they came. The kernel makes the number of a packet from its place in memory, its flow
 * and its interface, so a later packet of the flow may have that of an earlier one: it is another one when it comes to a
 * hook again where it was before.
 *
 * @param own the table of the trace, whose chains are at every hook.
 */
export function groupTrace(events: readonly TraceEvent[], own: string): PacketTrace[] {
  const traces: { id: string; events: TraceEvent[] }[] = [];
  const current = new Map<string, { readonly events: TraceEvent[]; readonly hooks: Set<string> }>();
  for (const event of events) {
    const { id, family, table, chain, what } = event;
    const hook = table === own && what === 'packet' ? `${family} ${chain}` : undefined;
    let packet = current.get(id);
    if (packet === undefined || (hook !== undefined && packet.hooks.has(hook))) {
      packet = { events: [], hooks: new Set() };
      current.set(id, packet);
      traces.push({ id, events: packet.events });
    }
    packet.events.push(event);
    if (hook !== undefined) packet.hooks.add(hook);
  }
  return traces;
}

/** The first and the last headers that were seen, and what happened in between, in one namespace. */
export interface Passage {
  readonly first: PacketHeader;
  readonly last: PacketHeader;
  /** Rules that matched, those of the trace itself left out. */
  readonly rules: readonly TraceEvent[];
  /** The rule or the policy that dropped it. */
  readonly drop: TraceEvent | undefined;
  /** How far it came: chains of the trace's own tables. */
  readonly reached: ReadonlySet<string>;
}

export function readPassage({ events }: PacketTrace, own: string): Passage {
  const headers = events.filter(({ what }) => what === 'packet').map(({ text }) => parseHeader(text));
  const first = headers[0] ?? parseHeader('');
  const rules = events.filter(({ what, table }) => what === 'rule' && table !== own);
  const drop = events.find(({ what, verdict, table, chain }) => {
    if (table === own) return chain === 'guard' && what === 'rule' && verdict === 'drop';
    return what !== 'packet' && (/^drop/.test(verdict) || /^(?!.*\baccept).*\breject\b/.test(verdict));
  });
  const rejected = events.find(
    ({ what, text, table }) => what === 'rule' && table !== own && /\breject\b/.test(text),
  );
  return {
    first,
    last: headers.at(-1) ?? first,
    rules,
    drop: drop ?? rejected,
    reached: new Set(
      events.filter(({ table }) => table === own).map(({ family, chain }) => `${family} ${chain}`),
    ),
  };
}
