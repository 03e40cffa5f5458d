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
  };
}

/** The events of one packet. */
export interface PacketTrace {
  readonly id: string;
  readonly events: readonly TraceEvent[];
}

/** By packet, in the order in which they came. */
export function groupTrace(events: readonly TraceEvent[]): PacketTrace[] {
  const groups = new Map<string, TraceEvent[]>();
  for (const event of events) {
    const list = groups.get(event.id) ?? [];
    groups.set(event.id, list);
    list.push(event);
  }
  return [...groups].map(([id, list]) => ({ id, events: list }));
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
