import { groupTrace, type PacketTrace, parseHeader, parseTrace } from './trace.ts';
import { TRACE_TABLE } from './trace-table.ts';

/** The first packet of the probe and of its answer, by namespace. */
export interface Packets {
  readonly there: ReadonlyMap<string, PacketTrace>;
  readonly back: ReadonlyMap<string, PacketTrace>;
}

type Direction = keyof Packets;

/** The packet that is followed in one direction. */
interface Followed {
  readonly flags: string;
  readonly ipId: string | undefined;
}

/**
 * Later packets of the same flow run through other rules, those for established connections, so only the first one of
 * each direction is kept: the one that opens the connection, and the one that answers it.
 *
 * @param number the source port of the probe, or the identifier of its echo request.
 */
export function sortPackets(traces: ReadonlyMap<string, string>, number: number): Packets {
  const packets = { there: new Map<string, PacketTrace>(), back: new Map<string, PacketTrace>() };
  for (const [namespace, text] of traces) {
    const followed = new Map<Direction, Followed>();
    const seen = new Set<string>();
    for (const trace of groupTrace(parseTrace(text), TRACE_TABLE)) {
      const [first] = trace.events;
      const header = trace.events.find(({ what }) => what === 'packet')?.text ?? '';
      const { in: into, sourcePort, ipId, flags } = parseHeader(header);
      const direction: Direction = /echo-request/.test(header) || sourcePort === number ? 'there' : 'back';
      const word = flags === undefined ? '' : [...flags].sort().join(' ');
      if (flags !== undefined && !begins(direction, flags)) continue;
      const known = followed.get(direction) ?? { flags: word, ipId };
      followed.set(direction, known);
      const isSame = known.flags === word && (known.ipId ?? ipId) === (ipId ?? known.ipId);
      const key = `${direction} ${first?.family} ${into}`;
      if (!isSame || seen.has(key)) continue;
      seen.add(key);
      // The kernel gives a packet another number when a bridge takes it to itself.
      const earlier = packets[direction].get(namespace)?.events ?? [];
      packets[direction].set(namespace, { ...trace, events: [...earlier, ...trace.events] });
    }
  }
  return packets;
}

/** Of a connection: SYN there; SYN and ACK, or a reset, back. */
function begins(direction: Direction, flags: ReadonlySet<string>): boolean {
  if (direction === 'there') return flags.has('syn') && !flags.has('ack');
  return flags.has('rst') || (flags.has('syn') && flags.has('ack'));
}
