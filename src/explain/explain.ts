import { randomInt } from 'node:crypto';
import { familyOfAddress } from '../lib/ip.ts';
import type { Live, LiveNamespace } from '../observe/live.ts';
import type { Run } from '../system/run.ts';
import { HOST } from '../topology/model.ts';
import { noteLegacyTables } from './legacy.ts';
import { type Packets, sortPackets } from './packets.ts';
import { sendProbe } from './probe.ts';
import type { ExplainRequest } from './request.ts';
import { isForeign } from './segment.ts';
import type { TraceTables } from './tables.ts';
import { type PacketTrace, type Passage, readPassage, type TraceEvent } from './trace.ts';
import { TRACE_TABLE } from './trace-table.ts';
import { type Hop, type Walk, walk } from './walk.ts';

/** A rule that matched the packet. */
export interface MatchedRule {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly rule: string;
  readonly verdict: string;
  /** Of a table of topoweave. */
  readonly own: boolean;
}

export interface ExplainedHop {
  readonly namespace: string;
  readonly role: 'sends' | 'bridges' | 'forwards' | 'receives';
  readonly in: string | undefined;
  readonly out: string | undefined;
  readonly route: string | undefined;
  /** Bridges between this namespace and the next one. */
  readonly bridges: readonly string[];
  readonly rules: readonly MatchedRule[];
  /** What NAT changed here. */
  readonly rewritten: readonly string[];
  readonly problem: string | undefined;
}

export type Verdict = 'answered' | 'refused' | 'delivered' | 'dropped' | 'unreachable' | 'lost' | 'not-sent';

export interface Explanation {
  readonly request: ExplainRequest;
  readonly lab: string;
  readonly hops: readonly ExplainedHop[];
  readonly verdict: Verdict;
  /** Where and why, in one sentence. */
  readonly summary: string;
  /** Of an answer that did not come back: the namespaces that it went through. */
  readonly answer: readonly ExplainedHop[];
  /** What could be the reason and is not seen. */
  readonly notes: readonly string[];
}

export interface ExplainContext {
  readonly live: Live;
  readonly lab: string;
  readonly run: Run;
  readonly tables: TraceTables;
  /** Ends it early. */
  readonly signal: AbortSignal;
}

/** Rounds in which a probe may show that NAT leads it to a namespace that was not followed. */
const MOST_ROUNDS = 8;
/** A packet that is lost without a reason is sent again. */
const MOST_LOSSES = 3;

/**
 * Follows a packet: by the routes, and by a probe of which the kernel tells what happens to it.
 *
 * @throws the reason of the signal, when it is aborted.
 */
export async function explain(request: ExplainRequest, context: ExplainContext): Promise<Explanation> {
  const { live, lab, run, signal, tables } = context;
  const rewritten = new Map<string, string>();
  const sources = new Map<string, string>();
  const marks = new Map<string, string>();
  const walking = { live, lab, from: request.from, address: request.address, rewritten, sources, marks, run };
  let path = await walk(walking);
  if (path.exit !== undefined) return notSent(request, lab, path);
  const followed = new Set<string>();
  let losses = 0;
  for (let round = 1; ; round += 1) {
    signal.throwIfAborted();
    for (const name of namespacesOf(path)) followed.add(name);
    const namespaces = [...followed];
    const number = randomInt(33_000, 60_000);
    const family = familyOfAddress(request.address);
    const result = await sendProbe({
      ...request,
      number,
      family,
      namespaces,
      forbidden: forbiddenOf(live, lab, namespaces),
      bridging: new Set(namespaces.filter((name) => hasBridge(live.namespaces.get(name)))),
      tables,
      signal,
    });
    const packets = sortPackets(result.traces, number);
    const isNew = learn(packets, { rewritten, sources, marks });
    if (isNew && round < MOST_ROUNDS) {
      path = await walk(walking);
      if (path.exit !== undefined) return notSent(request, lab, path);
      if (namespacesOf(path).some((name) => !followed.has(name))) continue;
    }
    const explanation = describe({ request, lab, path, packets, outcome: result.outcome, live });
    // Right after a start, a bridge does not pass frames yet, and neighbours are not known.
    losses += 1;
    if (explanation.verdict !== 'lost' || losses >= MOST_LOSSES)
      return { ...explanation, notes: await noteUnseen(explanation, packets, run) };
  }
}

/** Of a packet that disappears: where it was seen last; of an answer that does: the whole way. */
async function noteUnseen(
  { verdict, hops, request }: Explanation,
  { there }: Packets,
  run: Run,
): Promise<string[]> {
  if (verdict !== 'lost' && verdict !== 'delivered') return [];
  const names = hops.map(({ namespace }) => namespace);
  const last = names.filter((name) => there.has(name)).at(-1) ?? request.from;
  const family = familyOfAddress(request.address);
  return noteLegacyTables(verdict === 'lost' ? [last] : names, { family, run });
}

function notSent(request: ExplainRequest, lab: string, { hops, exit }: Walk): Explanation {
  return {
    request,
    lab,
    hops: hops.map((hop) => explainHop(hop, undefined, request)),
    verdict: 'not-sent',
    summary: `it would leave the lab by ${exit}; nothing was sent, and the way is what the routes say`,
    answer: [],
    notes: [],
  };
}

function namespacesOf({ hops }: Walk): string[] {
  return [
    ...new Set(
      hops.flatMap(({ namespace, crossings }) => [namespace, ...crossings.map((each) => each.namespace)]),
    ),
  ];
}

function hasBridge(namespace: LiveNamespace | undefined): boolean {
  return namespace?.links.some(({ linkinfo }) => linkinfo?.info_kind === 'bridge') === true;
}

function forbiddenOf(live: Live, lab: string, namespaces: readonly string[]): Map<string, string[]> {
  return new Map(
    namespaces.map((name) => [
      name,
      (live.namespaces.get(name)?.links ?? [])
        .filter((link) => isForeign({ namespace: name, link }, lab))
        .map(({ ifname, kernelName }) => kernelName ?? ifname),
    ]),
  );
}

/** What the probe showed of destinations and marks that the routes do not know. */
function learn(
  { there }: Packets,
  { rewritten, sources, marks }: Readonly<Record<'rewritten' | 'sources' | 'marks', Map<string, string>>>,
): boolean {
  let isNew = false;
  const note = (map: Map<string, string>, namespace: string, value: string | undefined) => {
    if (value === undefined || map.get(namespace) === value) return;
    map.set(namespace, value);
    isNew = true;
  };
  for (const [namespace, trace] of there) {
    const { first, last } = readPassage(trace, TRACE_TABLE);
    if (last.destination !== first.destination) note(rewritten, namespace, last.destination);
    if (last.source !== first.source) note(sources, namespace, last.source);
    if (last.mark !== undefined && last.mark !== first.mark) note(marks, namespace, last.mark);
  }
  return isNew;
}

function explainHop(hop: Hop, trace: PacketTrace | undefined, request: ExplainRequest): ExplainedHop {
  const passage = trace === undefined ? undefined : readPassage(trace, TRACE_TABLE);
  const role =
    hop.way === 'local'
      ? 'receives'
      : hop.namespace === request.from && hop.in === undefined
        ? 'sends'
        : 'forwards';
  const via = hop.via === undefined ? '' : ` via ${hop.via}`;
  const route =
    hop.way === 'none'
      ? undefined
      : hop.way === 'local'
        ? `${hop.destination} is its own address`
        : `${hop.destination}${via} dev ${hop.out}${hop.in === undefined && hop.source !== undefined ? ` from ${hop.source}` : ''}`;
  return {
    namespace: hop.namespace,
    role,
    in: passage?.first.in ?? hop.in,
    out: hop.way === 'forward' ? hop.out : undefined,
    route,
    bridges: hop.crossings.map(
      ({ namespace, bridge, in: into, out }) => `${bridge} in ${namespace} (${into} to ${out})`,
    ),
    rules: (passage?.rules ?? []).map(toRule),
    rewritten: passage === undefined ? [] : rewritings(passage),
    problem: hop.reason,
  };
}

function toRule({ family, table, chain, text, verdict }: TraceEvent): MatchedRule {
  return { family, table, chain, rule: text, verdict, own: table.startsWith('topoweave-') };
}

function rewritings({ first, last }: Passage): string[] {
  const part = (name: string, before: string, after: string) =>
    before === after || before === '' || after === '' ? [] : [`${name} ${before} becomes ${after}`];
  const end = (address: string | undefined, port: number | undefined) =>
    address === undefined
      ? ''
      : port === undefined
        ? address
        : `${address.includes(':') ? `[${address}]` : address}:${port}`;
  return [
    ...part('destination', end(first.destination, first.port), end(last.destination, last.port)),
    ...part('source', end(first.source, first.sourcePort), end(last.source, last.sourcePort)),
  ];
}

interface Found {
  readonly request: ExplainRequest;
  readonly lab: string;
  readonly path: Walk;
  readonly packets: Packets;
  readonly outcome: string;
  readonly live: Live;
}

function describe({ request, lab, path, packets, outcome, live }: Found): Explanation {
  const crossed = new Set(path.hops.map(({ namespace }) => namespace));
  const hops = path.hops.flatMap((hop) => [
    explainHop(hop, packets.there.get(hop.namespace), request),
    // A namespace that the packet only crosses in a bridge.
    ...[...new Set(hop.crossings.map(({ namespace }) => namespace))]
      .filter((namespace) => !crossed.has(namespace))
      .map((namespace) => bridgeHop(hop, namespace, packets.there.get(namespace))),
  ]);
  const base = { request, lab, hops, answer: [], notes: [] };
  const dropped = dropOf(hops, packets.there);
  if (dropped !== undefined)
    return { ...base, hops: hops.slice(0, dropped.at + 1), verdict: 'dropped', summary: dropped.summary };
  // On a busy machine ping may have given up before.
  const isLate = request.protocol === 'icmp' && hasReached(packets.back.get(request.from), 'input');
  if (outcome === 'answered' || isLate) return { ...base, verdict: 'answered', summary: 'answered' };
  const last = path.hops.at(-1);
  const arrived = last !== undefined && hasReached(packets.there.get(last.namespace), 'input');
  const port = request.port === undefined ? '' : ` on port ${packetPort(packets, last) ?? request.port}`;
  if (outcome === 'refused' && arrived)
    return {
      ...base,
      verdict: 'refused',
      summary: `it gets to ${last.namespace}, where nothing listens${port}`,
    };
  if (arrived) {
    const answer = answerHops(packets, hops);
    const lost = dropOf(answer, packets.back);
    if (lost !== undefined)
      return {
        ...base,
        answer: answer.slice(0, lost.at + 1),
        verdict: 'dropped',
        summary: `the answer is lost: ${lost.summary}`,
      };
    return {
      ...base,
      answer,
      verdict: 'delivered',
      summary: `it gets to ${last.namespace}, and no answer comes back`,
    };
  }
  const stopped = path.hops.find(({ reason }) => reason !== undefined);
  if (stopped?.reason !== undefined) return { ...base, verdict: 'unreachable', summary: stopped.reason };
  const isIpv6 = request.address.includes(':');
  return { ...base, verdict: 'lost', summary: whereLost(hops, packets, { live, outcome, isIpv6 }) };
}

function packetPort({ there }: Packets, hop: Hop | undefined): number | undefined {
  const trace = hop === undefined ? undefined : there.get(hop.namespace);
  return trace === undefined ? undefined : readPassage(trace, TRACE_TABLE).last.port;
}

function bridgeHop(hop: Hop, namespace: string, trace: PacketTrace | undefined): ExplainedHop {
  const [crossing] = hop.crossings.filter((each) => each.namespace === namespace);
  const passage = trace === undefined ? undefined : readPassage(trace, TRACE_TABLE);
  return {
    namespace,
    role: 'bridges',
    in: crossing?.in,
    out: crossing?.out,
    route: undefined,
    bridges: [],
    rules: (passage?.rules ?? []).map(toRule),
    rewritten: [],
    problem: undefined,
  };
}

function answerHops({ back }: Packets, hops: readonly ExplainedHop[]): ExplainedHop[] {
  return [...hops].reverse().flatMap((hop) => {
    const { namespace, role } = hop;
    const trace = back.get(namespace);
    if (trace === undefined) return [];
    const { first, last, rules } = readPassage(trace, TRACE_TABLE);
    // A bridge passes the answer on to where the packet came from.
    const ends = role === 'bridges' ? { in: hop.out, out: hop.in } : { in: first.in, out: last.out };
    const passage = { ...ends, rules: rules.map(toRule), rewritten: [] };
    return [
      { namespace, role: answering[role], route: undefined, bridges: [], problem: undefined, ...passage },
    ];
  });
}

/** Who sent the packet receives the answer. */
const answering: Readonly<Record<ExplainedHop['role'], ExplainedHop['role']>> = {
  sends: 'receives',
  receives: 'sends',
  forwards: 'forwards',
  bridges: 'bridges',
};

interface Drop {
  /** The index of the hop. */
  readonly at: number;
  readonly summary: string;
}

function dropOf(hops: readonly ExplainedHop[], traces: ReadonlyMap<string, PacketTrace>): Drop | undefined {
  for (const [at, { namespace }] of hops.entries()) {
    const trace = traces.get(namespace);
    const drop = trace === undefined ? undefined : readPassage(trace, TRACE_TABLE).drop;
    if (drop !== undefined) return { at, summary: describeDrop(namespace, drop) };
  }
  return undefined;
}

function describeDrop(namespace: string, { family, table, chain, what, text }: TraceEvent): string {
  if (table === TRACE_TABLE)
    return `${namespace} would send it out of the lab, and topoweave stopped it there`;
  const where = `chain ${chain} of table ${family} ${table}`;
  if (what === 'policy')
    return `${namespace} drops it: no rule of ${where} accepts it, and its policy is drop`;
  const does = /\breject\b/.test(text) ? 'rejects' : 'drops';
  return `${namespace} ${does} it in ${where}, by the rule: ${text.replace(/ comment "[^"]*"$/, '')}`;
}

function hasReached(trace: PacketTrace | undefined, chain: string): boolean {
  return trace !== undefined && readPassage(trace, TRACE_TABLE).reached.has(`inet ${chain}`);
}

/** Where the trace ends without a rule that dropped it. */
function whereLost(
  hops: readonly ExplainedHop[],
  { there }: Packets,
  { live, outcome, isIpv6 }: { readonly live: Live; readonly outcome: string; readonly isIpv6: boolean },
): string {
  const seen = hops.filter(({ namespace }) => there.has(namespace));
  const last = seen.at(-1);
  if (last === undefined) {
    const [first] = hops;
    return `${first?.namespace ?? HOST} does not send it: ${outcome}`;
  }
  const { namespace } = last;
  const trace = there.get(namespace);
  if (hasReached(trace, 'postrouting') || last.role === 'bridges') {
    const next = hops[hops.indexOf(last) + 1];
    const to = next === undefined ? 'anybody' : next.namespace;
    return `${namespace} sends it by ${last.out}, and it does not get to ${to}: the link may be down, or ${isIpv6 ? 'neighbour discovery' : 'ARP'} is not answered`;
  }
  if (hasReached(trace, 'prerouting') && last.role !== 'sends') {
    const own = live.namespaces.get(namespace);
    const forwards = own?.netconf.some(({ forwarding }) => forwarding) === true;
    const why =
      last.problem ??
      (last.role === 'forwards' && !forwards
        ? 'it does not forward'
        : 'its routes do not take it: rp_filter, or a source that cannot be');
    return `${namespace} gets it by ${last.in} and drops it behind prerouting: ${why}`;
  }
  return `${namespace} has it, and it gets no further: ${outcome}`;
}
